// OpenBLAS as the engine sees it: the C interface to BLAS and the library's own thread and build queries.
// LAPACK is compiled into libopenblas, and what the report uses of it is declared here; Debian's liblapacke
// is a second library over whatever BLAS the alternatives name and is not linked.
#pragma once

#include <stddef.h>

// In a process that is not ours another OpenBLAS may be there before, and would be given the calls of the same names. A
// build that ships its own copy gives that copy's symbols a prefix, and says here which: -Xcc -DFLASHVID_BLAS_PREFIX=…
#ifdef FLASHVID_BLAS_PREFIX
#define FLASHVID_PRAGMA(text) _Pragma(#text)
#define FLASHVID_SYMBOL(name, symbol) FLASHVID_PRAGMA(redefine_extname name symbol)
#define FLASHVID_JOIN(prefix, name) prefix##name
#define FLASHVID_PREFIXED(name, prefix) FLASHVID_SYMBOL(name, FLASHVID_JOIN(prefix, name))
FLASHVID_PREFIXED(blas_memory_alloc, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(blas_memory_free, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_dgemm, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_dsyrk, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_dtrsm, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_sdot, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_sgemm, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_sgemv, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(cblas_ssyrk, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(dpotrf_, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(dpstrf_, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(dsyevd_, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_get_config, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_get_corename, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_get_num_threads, FLASHVID_BLAS_PREFIX)
FLASHVID_PREFIXED(openblas_set_num_threads, FLASHVID_BLAS_PREFIX)
#endif

#include <cblas.h>

// LAPACK, column-major. The lengths of the texts come last, as Fortran passes them.

/* Cholesky factor of a positive definite matrix. `info` above 0: it is none. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_length);

/* The same with pivots, of a positive semi-definite matrix, until what is left on the diagonal is at most `tol`. */
void dpstrf_(
    const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank, const double *tol, double *work,
    int *info, size_t uplo_length);

/* Eigenvalues in ascending order, and where `jobz` is "V" eigenvectors into the columns of `a`, of a symmetric matrix. */
void dsyevd_(
    const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
    const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length);
