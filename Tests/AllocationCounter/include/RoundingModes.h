// The rounding modes of fenv.h, whose macros Swift finds in two modules.
#pragma once
#include <fenv.h>

static const int rounding_modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
static inline int set_rounding_mode(int index) { return fesetround(index < 0 ? FE_TONEAREST : rounding_modes[index]); }
static inline int has_rounding_mode(int index) { return fegetround() == rounding_modes[index]; }
