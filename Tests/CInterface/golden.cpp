// The golden cases as C++17: the header and the programs' shared code are both languages'.
#include "golden.c"
