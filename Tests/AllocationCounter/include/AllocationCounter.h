#pragma once

/// Calls of the C allocator on the calling thread since it started; -1 where they cannot be counted.
long allocation_count(void);
