#pragma once

#include <cblas.h>

#include "base/result.h"
#include "optim/matrix/matrix.h"

// The Fortran interface of LAPACK, of which the column-major matrices are our transposes. A hidden
// length follows each character argument.
extern "C" {
void ssyevd_(const char*, const char*, const int*, float*, const int*, float*, float*, const int*,
             int*, const int*, int*, std::size_t, std::size_t);
void dsyevd_(const char*, const char*, const int*, double*, const int*, double*, double*,
             const int*, int*, const int*, int*, std::size_t, std::size_t);
void sgesdd_(const char*, const int*, const int*, float*, const int*, float*, float*, const int*,
             float*, const int*, float*, const int*, int*, int*, std::size_t);
void dgesdd_(const char*, const int*, const int*, double*, const int*, double*, double*, const int*,
             double*, const int*, double*, const int*, int*, int*, std::size_t);
void sgeqrf_(const int*, const int*, float*, const int*, float*, float*, const int*, int*);
void dgeqrf_(const int*, const int*, double*, const int*, double*, double*, const int*, int*);
void sorgqr_(const int*, const int*, const int*, float*, const int*, const float*, float*,
             const int*, int*);
void dorgqr_(const int*, const int*, const int*, double*, const int*, const double*, double*,
             const int*, int*);
void sgebrd_(const int*, const int*, float*, const int*, float*, float*, float*, float*, float*,
             const int*, int*);
void dgebrd_(const int*, const int*, double*, const int*, double*, double*, double*, double*,
             double*, const int*, int*);
void sbdsdc_(const char*, const char*, const int*, float*, float*, float*, const int*, float*,
             const int*, float*, int*, float*, int*, int*, std::size_t, std::size_t);
void dbdsdc_(const char*, const char*, const int*, double*, double*, double*, const int*, double*,
             const int*, double*, int*, double*, int*, int*, std::size_t, std::size_t);
void sormbr_(const char*, const char*, const char*, const int*, const int*, const int*,
             const float*, const int*, const float*, float*, const int*, float*, const int*, int*,
             std::size_t, std::size_t, std::size_t);
void dormbr_(const char*, const char*, const char*, const int*, const int*, const int*,
             const double*, const int*, const double*, double*, const int*, double*, const int*,
             int*, std::size_t, std::size_t, std::size_t);
void sgesv_(const int*, const int*, float*, const int*, int*, float*, const int*, int*);
void dgesv_(const int*, const int*, double*, const int*, int*, double*, const int*, int*);
}

// Every routine that this folder calls.
// clang-format off
#define MALMOI_BLAS(X) \
  X(cblas_sgemm) X(cblas_dgemm) X(cblas_ssyrk) X(cblas_dsyrk) X(cblas_strsm) X(cblas_dtrsm) \
  X(ssyevd_) X(dsyevd_) X(sgesdd_) X(dgesdd_) X(sgeqrf_) X(dgeqrf_) X(sorgqr_) X(dorgqr_) \
  X(sgesv_) X(dgesv_) X(sgebrd_) X(dgebrd_) X(sbdsdc_) X(dbdsdc_) X(sormbr_) X(dormbr_)
// clang-format on

namespace malmoi::optim::matrix {

// OpenBLAS is loaded when it is first needed, not with the program: it starts threads where it is
// loaded, which most commands never use.
struct Blas {
#define MALMOI_MEMBER(name) decltype(&::name) name = nullptr;
  MALMOI_BLAS(MALMOI_MEMBER)
#undef MALMOI_MEMBER
};

// Loads it, once, and holds it to one thread. Errors: kUnsupported where it is not installed or
// lacks a routine, with what the loader said.
Result<const Blas*> LoadBlas();
// The same where it is known to be there: optimizers over matrices are refused before otherwise.
const Blas& LoadedBlas();

}  // namespace malmoi::optim::matrix
