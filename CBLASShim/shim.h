// OpenBLAS as the engine sees it: the C interface to BLAS and the library's own thread and build queries.
// LAPACK is compiled into libopenblas and is declared here when a product first needs it; Debian's liblapacke
// is a second library over whatever BLAS the alternatives name and is not linked.
#pragma once

// In a process that is not ours another OpenBLAS may be there before, and would be given the calls of the same names. A
// build that ships its own copy gives that copy's symbols a prefix, and says here which: -Xcc -DFLASHVID_BLAS_PREFIX=…
#ifdef FLASHVID_BLAS_PREFIX
#define FLASHVID_PRAGMA(text) _Pragma(#text)
#define FLASHVID_SYMBOL(name, symbol) FLASHVID_PRAGMA(redefine_extname name symbol)
#define FLASHVID_JOIN(prefix, name) prefix##name
#define FLASHVID_PREFIXED(name, prefix) FLASHVID_SYMBOL(name, FLASHVID_JOIN(prefix, name))
FLASHVID_PREFIXED(blas_memory_alloc, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(blas_memory_free, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_sdot, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_sgemm, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_sgemv, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_ssyrk, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_get_config, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_get_corename, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_get_num_threads, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_set_num_threads, FLASHVID_BLAS_PREFIX)
#endif

#include <cblas.h>
