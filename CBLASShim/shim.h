// OpenBLAS as the engine sees it: the C interface to BLAS and the library's own thread and build queries.
// LAPACK is compiled into libopenblas and is declared here when a product first needs it; Debian's liblapacke
// is a second library over whatever BLAS the alternatives name and is not linked.
#pragma once
#include <cblas.h>
