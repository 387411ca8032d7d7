#include <cmath>

#include "base/check.h"
#include "optim/matrix/blas_internal.h"
#include "optim/matrix/matrix.h"

namespace malmoi::optim::matrix {
namespace {

void Gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha, const float* a,
          int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  LoadedBlas().cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void Gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha,
          const double* a, int lda, const double* b, int ldb, double beta, double* c, int ldc) {
  LoadedBlas().cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void Syrk(int n, int k, const float* a, int lda, float* c, int ldc) {
  LoadedBlas().cblas_ssyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, k, 1.0F, a, lda, 0.0F, c,
                           ldc);
}
void Syrk(int n, int k, const double* a, int lda, double* c, int ldc) {
  LoadedBlas().cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, k, 1.0, a, lda, 0.0, c, ldc);
}
void Trsm(CBLAS_SIDE side, CBLAS_TRANSPOSE t, int m, int n, const float* r, int ldr, float* b,
          int ldb) {
  LoadedBlas().cblas_strsm(CblasRowMajor, side, CblasUpper, t, CblasNonUnit, m, n, 1.0F, r, ldr, b,
                           ldb);
}
void Trsm(CBLAS_SIDE side, CBLAS_TRANSPOSE t, int m, int n, const double* r, int ldr, double* b,
          int ldb) {
  LoadedBlas().cblas_dtrsm(CblasRowMajor, side, CblasUpper, t, CblasNonUnit, m, n, 1.0, r, ldr, b,
                           ldb);
}

int Int(std::size_t n) {
  return static_cast<int>(n);
}

}  // namespace

template <class T>
Matrix<T> Identity(std::size_t n) {
  Matrix<T> id(n, n);
  for (std::size_t i = 0; i < n; ++i) id(i, i) = T(1);
  return id;
}

template <class T>
Matrix<T> Transpose(const Matrix<T>& a) {
  Matrix<T> t(a.cols, a.rows);
  constexpr std::size_t kTile = 16;  // A cache line each way.
  for (std::size_t i0 = 0; i0 < a.rows; i0 += kTile)
    for (std::size_t j0 = 0; j0 < a.cols; j0 += kTile)
      for (std::size_t i = i0; i < a.rows && i < i0 + kTile; ++i)
        for (std::size_t j = j0; j < a.cols && j < j0 + kTile; ++j)
          t.data[j * a.rows + i] = a.data[i * a.cols + j];
  return t;
}

template <class T>
void MultiplyAdd(T alpha, const Matrix<T>& a, Op op_a, const Matrix<T>& b, Op op_b, T beta,
                 Matrix<T>* c) {
  const bool ta = op_a == Op::kTranspose;
  const bool tb = op_b == Op::kTranspose;
  const std::size_t m = ta ? a.cols : a.rows;
  const std::size_t k = ta ? a.rows : a.cols;
  const std::size_t n = tb ? b.rows : b.cols;
  MALMOI_CHECK(k == (tb ? b.cols : b.rows));
  MALMOI_CHECK(c->rows == m && c->cols == n);
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (T& v : c->data) v = beta == T(0) ? T(0) : beta * v;
    return;
  }
  Gemm(ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, Int(m), Int(n), Int(k),
       alpha, a.data.data(), Int(a.cols), b.data.data(), Int(b.cols), beta, c->data.data(), Int(n));
}

template <class T>
Matrix<T> Multiply(const Matrix<T>& a, Op op_a, const Matrix<T>& b, Op op_b) {
  Matrix<T> c(op_a == Op::kTranspose ? a.cols : a.rows, op_b == Op::kTranspose ? b.rows : b.cols);
  MultiplyAdd(T(1), a, op_a, b, op_b, T(0), &c);
  return c;
}

template <class T>
Matrix<T> Gram(const Matrix<T>& a) {
  Matrix<T> c(a.rows, a.rows);
  if (a.rows == 0 || a.cols == 0) return c;
  Syrk(Int(a.rows), Int(a.cols), a.data.data(), Int(a.cols), c.data.data(), Int(a.rows));
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < i; ++j) c(i, j) = c(j, i);
  return c;
}

template <class T>
double FrobeniusNorm(std::span<const T> a) {
  double lanes[8] = {};  // One fixed order that still vectorises.
  std::size_t i = 0;
  for (; i + 8 <= a.size(); i += 8)
    for (std::size_t l = 0; l < 8; ++l) {
      const double v = static_cast<double>(a[i + l]);
      lanes[l] += v * v;
    }
  double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
               ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  for (; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  return std::sqrt(sum);
}

template <class T>
Matrix<T> SolveUpper(const Matrix<T>& r, Op op_r, const Matrix<T>& b) {
  MALMOI_CHECK(r.rows == r.cols && r.rows == b.rows);
  Matrix<T> x = b;
  if (x.size() == 0) return x;
  Trsm(CblasLeft, op_r == Op::kTranspose ? CblasTrans : CblasNoTrans, Int(b.rows), Int(b.cols),
       r.data.data(), Int(r.cols), x.data.data(), Int(b.cols));
  return x;
}

template <class T>
Matrix<T> SolveUpperRight(const Matrix<T>& b, const Matrix<T>& r) {
  MALMOI_CHECK(r.rows == r.cols && r.rows == b.cols);
  Matrix<T> x = b;
  if (x.size() == 0) return x;
  Trsm(CblasRight, CblasNoTrans, Int(b.rows), Int(b.cols), r.data.data(), Int(r.cols),
       x.data.data(), Int(b.cols));
  return x;
}

#define MALMOI_INSTANTIATE(T)                                                              \
  template Matrix<T> Identity<T>(std::size_t);                                             \
  template Matrix<T> Transpose(const Matrix<T>&);                                          \
  template Matrix<T> Multiply(const Matrix<T>&, Op, const Matrix<T>&, Op);                 \
  template void MultiplyAdd(T, const Matrix<T>&, Op, const Matrix<T>&, Op, T, Matrix<T>*); \
  template Matrix<T> Gram(const Matrix<T>&);                                               \
  template double FrobeniusNorm(std::span<const T>);                                       \
  template Matrix<T> SolveUpper(const Matrix<T>&, Op, const Matrix<T>&);                   \
  template Matrix<T> SolveUpperRight(const Matrix<T>&, const Matrix<T>&);
MALMOI_INSTANTIATE(float)
MALMOI_INSTANTIATE(double)
#undef MALMOI_INSTANTIATE

}  // namespace malmoi::optim::matrix
