#pragma once
#include "RoundingModes.h"

/// Calls of the C allocator on the calling thread since it started; -1 where they cannot be counted.
long allocation_count(void);
