#include <algorithm>
#include <cmath>
#include <string>

#include "optim/matrix/decompose_internal.h"

namespace malmoi::optim::matrix {
namespace {

int Syevd(int n, float* a, float* w, float* work, int lwork, int* iwork, int liwork) {
  int info = 0;
  LoadedBlas().ssyevd_("V", "U", &n, a, &n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
  return info;
}
int Syevd(int n, double* a, double* w, double* work, int lwork, int* iwork, int liwork) {
  int info = 0;
  LoadedBlas().dsyevd_("V", "U", &n, a, &n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
  return info;
}
int Geqrf(int m, int n, float* a, float* tau, float* work, int lwork) {
  int info = 0;
  LoadedBlas().sgeqrf_(&m, &n, a, &m, tau, work, &lwork, &info);
  return info;
}
int Geqrf(int m, int n, double* a, double* tau, double* work, int lwork) {
  int info = 0;
  LoadedBlas().dgeqrf_(&m, &n, a, &m, tau, work, &lwork, &info);
  return info;
}
int Orgqr(int m, int n, int k, float* a, const float* tau, float* work, int lwork) {
  int info = 0;
  LoadedBlas().sorgqr_(&m, &n, &k, a, &m, tau, work, &lwork, &info);
  return info;
}
int Orgqr(int m, int n, int k, double* a, const double* tau, double* work, int lwork) {
  int info = 0;
  LoadedBlas().dorgqr_(&m, &n, &k, a, &m, tau, work, &lwork, &info);
  return info;
}
int Gesv(int n, int nrhs, float* a, int* ipiv, float* b) {
  int info = 0;
  LoadedBlas().sgesv_(&n, &nrhs, a, &n, ipiv, b, &n, &info);
  return info;
}
int Gesv(int n, int nrhs, double* a, int* ipiv, double* b) {
  int info = 0;
  LoadedBlas().dgesv_(&n, &nrhs, a, &n, ipiv, b, &n, &info);
  return info;
}

}  // namespace

template <class T>
Result<Eigen<T>> EigenSymmetric(const Matrix<T>& a) {
  if (a.rows != a.cols)
    return Error(Code::kInvalidArgument,
                 "eigenvalues of a matrix " + ShapeText(a.rows, a.cols) + ": it must be square");
  MALMOI_TRY(CheckFinite(a, "eigenvalues"));
  const int n = Int(a.rows);
  Eigen<T> out;
  out.values.resize(a.rows);
  Numbers<T> m = a.data;  // Our lower triangle is LAPACK's upper one.
  T work_size = 0;
  int iwork_size = 0;
  Syevd(n, m.data(), out.values.data(), &work_size, -1, &iwork_size, -1);
  // The answer is a T: f32 rounds it below what is needed from about 2,900 rows on.
  std::vector<T> work(
      std::max(static_cast<std::size_t>(work_size), 1 + 6 * a.rows + 2 * a.rows * a.rows));
  std::vector<int> iwork(static_cast<std::size_t>(iwork_size));
  if (const int info = Syevd(n, m.data(), out.values.data(), work.data(), Int(work.size()),
                             iwork.data(), Int(iwork.size()));
      info != 0)
    return NotConverged("eigenvalues", a.rows, a.cols, info);
  Matrix<T> rows(a.rows, a.rows);
  rows.data = std::move(m);
  out.vectors = Transpose(rows);
  return out;
}

template <class T>
Result<Qr<T>> QrReduced(const Matrix<T>& a) {
  MALMOI_TRY(CheckFinite(a, "a QR decomposition"));
  const std::size_t k = std::min(a.rows, a.cols);
  Matrix<T> columns = Transpose(a);
  std::vector<T> tau(k);
  T size = 0;
  T size2 = 0;
  Geqrf(Int(a.rows), Int(a.cols), columns.data.data(), tau.data(), &size, -1);
  Orgqr(Int(a.rows), Int(k), Int(k), columns.data.data(), tau.data(), &size2, -1);
  std::vector<T> work(static_cast<std::size_t>(std::max({size, size2, T(1)})));
  Geqrf(Int(a.rows), Int(a.cols), columns.data.data(), tau.data(), work.data(), Int(work.size()));
  Qr<T> out;
  out.r = Matrix<T>(k, a.cols);
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = i; j < a.cols; ++j) out.r(i, j) = columns(j, i);
  Orgqr(Int(a.rows), Int(k), Int(k), columns.data.data(), tau.data(), work.data(),
        Int(work.size()));
  columns.data.resize(k * a.rows);
  columns.rows = k;
  out.q = Transpose(columns);
  return out;
}

template <class T>
Result<Matrix<T>> QrComplete(const Matrix<T>& a) {
  MALMOI_TRY(CheckFinite(a, "a QR decomposition"));
  if (a.rows < a.cols)
    return Error(Code::kInvalidArgument,
                 "a complete Q of " + ShapeText(a.rows, a.cols) + ": it must not be wide");
  Matrix<T> columns(a.rows, a.rows);  // Column-major: the first a.cols rows of it are a's columns.
  const Matrix<T> at = Transpose(a);
  std::copy(at.data.begin(), at.data.end(), columns.data.begin());
  std::vector<T> tau(a.cols);
  std::vector<T> work(64 * a.rows);
  Geqrf(Int(a.rows), Int(a.cols), columns.data.data(), tau.data(), work.data(), Int(work.size()));
  Orgqr(Int(a.rows), Int(a.rows), Int(a.cols), columns.data.data(), tau.data(), work.data(),
        Int(work.size()));
  return Transpose(columns);
}

template <class T>
Result<Matrix<T>> Solve(const Matrix<T>& a, const Matrix<T>& b) {
  if (a.rows != a.cols || a.rows != b.rows)
    return Error(Code::kInvalidArgument, "solving " + ShapeText(a.rows, a.cols) +
                                             " x = " + ShapeText(b.rows, b.cols) +
                                             ": the left side must be square and as high");
  MALMOI_TRY(CheckFinite(a, "solving a system"));
  Numbers<T> m = Transpose(a).data;
  Matrix<T> x = Transpose(b);
  std::vector<int> pivots(a.rows);
  if (const int info = Gesv(Int(a.rows), Int(b.cols), m.data(), pivots.data(), x.data.data());
      info != 0)
    return Error(Code::kInvalidArgument, "solving a system: the matrix " +
                                             ShapeText(a.rows, a.cols) + " is singular (pivot " +
                                             std::to_string(info) + ")");
  return Transpose(x);
}

#define MALMOI_INSTANTIATE(T)                                 \
  template Result<Eigen<T>> EigenSymmetric(const Matrix<T>&); \
  template Result<Qr<T>> QrReduced(const Matrix<T>&);         \
  template Result<Matrix<T>> QrComplete(const Matrix<T>&);    \
  template Result<Matrix<T>> Solve(const Matrix<T>&, const Matrix<T>&);
MALMOI_INSTANTIATE(float)
MALMOI_INSTANTIATE(double)
#undef MALMOI_INSTANTIATE

}  // namespace malmoi::optim::matrix
