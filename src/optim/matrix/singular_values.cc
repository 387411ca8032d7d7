// The thin singular value decomposition. Singular vectors are unique but for their signs, and an
// optimizer that keeps moments in their basis follows another trajectory when a sign flips at a
// refresh. So the way is chosen by shape as torch's CPU build (MKL 2024) does, whose signs are then
// LAPACK's: tall matrices of at least 1.5 n rows through a QR decomposition (LAPACK: 11/6), wide
// ones of at least 20 m columns through an LQ (LAPACK: 11/6), all others bidiagonalised as they
// are. The limits were found by comparing signs over shapes.
#include <algorithm>
#include <vector>

#include "optim/matrix/decompose_internal.h"

namespace malmoi::optim::matrix {
namespace {

int Gesdd(int m, int n, float* a, float* s, float* u, float* vt, int ldvt, float* work, int lwork,
          int* iwork) {
  int info = 0;
  LoadedBlas().sgesdd_("S", &m, &n, a, &m, s, u, &m, vt, &ldvt, work, &lwork, iwork, &info, 1);
  return info;
}
int Gesdd(int m, int n, double* a, double* s, double* u, double* vt, int ldvt, double* work,
          int lwork, int* iwork) {
  int info = 0;
  LoadedBlas().dgesdd_("S", &m, &n, a, &m, s, u, &m, vt, &ldvt, work, &lwork, iwork, &info, 1);
  return info;
}
int Gebrd(int m, int n, float* a, float* d, float* e, float* tq, float* tp, float* work, int size) {
  int info = 0;
  LoadedBlas().sgebrd_(&m, &n, a, &m, d, e, tq, tp, work, &size, &info);
  return info;
}
int Gebrd(int m, int n, double* a, double* d, double* e, double* tq, double* tp, double* work,
          int size) {
  int info = 0;
  LoadedBlas().dgebrd_(&m, &n, a, &m, d, e, tq, tp, work, &size, &info);
  return info;
}
// Of a lower bidiagonal matrix, as that of a wide one is.
int Bdsdc(int n, float* d, float* e, float* u, float* vt, float* work, int* iwork) {
  int info = 0;
  LoadedBlas().sbdsdc_("L", "I", &n, d, e, u, &n, vt, &n, nullptr, nullptr, work, iwork, &info, 1,
                       1);
  return info;
}
int Bdsdc(int n, double* d, double* e, double* u, double* vt, double* work, int* iwork) {
  int info = 0;
  LoadedBlas().dbdsdc_("L", "I", &n, d, e, u, &n, vt, &n, nullptr, nullptr, work, iwork, &info, 1,
                       1);
  return info;
}
int Ormbr(const char* vect, const char* side, const char* trans, int m, int n, int k,
          const float* a, int lda, const float* tau, float* c, float* work, int size) {
  int info = 0;
  LoadedBlas().sormbr_(vect, side, trans, &m, &n, &k, a, &lda, tau, c, &m, work, &size, &info, 1, 1,
                       1);
  return info;
}
int Ormbr(const char* vect, const char* side, const char* trans, int m, int n, int k,
          const double* a, int lda, const double* tau, double* c, double* work, int size) {
  int info = 0;
  LoadedBlas().dormbr_(vect, side, trans, &m, &n, &k, a, &lda, tau, c, &m, work, &size, &info, 1, 1,
                       1);
  return info;
}

// By LAPACK's own choice of way.
template <class T>
Result<Svd<T>> Gesdd(const Matrix<T>& a) {
  const std::size_t r = std::min(a.rows, a.cols);
  Svd<T> out;
  out.values.resize(r);
  Numbers<T> m = Transpose(a).data;  // Column-major, so that U and V are not exchanged.
  std::vector<T> u(a.rows * r);
  std::vector<T> vt(r * a.cols);
  std::vector<int> iwork(8 * r);
  T work_size = 0;
  Gesdd(Int(a.rows), Int(a.cols), m.data(), out.values.data(), u.data(), vt.data(), Int(r),
        &work_size, -1, iwork.data());
  std::vector<T> work(static_cast<std::size_t>(work_size));
  if (const int info = Gesdd(Int(a.rows), Int(a.cols), m.data(), out.values.data(), u.data(),
                             vt.data(), Int(r), work.data(), Int(work.size()), iwork.data());
      info != 0)
    return NotConverged("singular values", a.rows, a.cols, info);
  out.u = Transpose(Matrix<T>(r, a.rows, u.data()));
  out.vt = Transpose(Matrix<T>(a.cols, r, vt.data()));
  return out;
}

// A wide matrix, bidiagonalised without an LQ decomposition first (gesdd's path 5t).
template <class T>
Result<Svd<T>> Direct(const Matrix<T>& a) {
  const std::size_t m = a.rows, n = a.cols;
  Svd<T> out;
  out.values.resize(m);
  Numbers<T> columns = Transpose(a).data;
  std::vector<T> e(m), left(m), right(m), work(std::max(64 * (m + n), m * (3 * m + 4)));
  Gebrd(Int(m), Int(n), columns.data(), out.values.data(), e.data(), left.data(), right.data(),
        work.data(), Int(work.size()));
  std::vector<T> u(m * m), inner(m * m), vt(m * n);
  std::vector<int> iwork(8 * m);
  if (const int info = Bdsdc(Int(m), out.values.data(), e.data(), u.data(), inner.data(),
                             work.data(), iwork.data());
      info != 0)
    return NotConverged("singular values", m, n, info);
  std::copy(inner.begin(), inner.end(), vt.begin());  // The first m columns; zeros beside them.
  Ormbr("Q", "L", "N", Int(m), Int(m), Int(n), columns.data(), Int(m), left.data(), u.data(),
        work.data(), Int(work.size()));
  Ormbr("P", "R", "T", Int(m), Int(n), Int(m), columns.data(), Int(m), right.data(), vt.data(),
        work.data(), Int(work.size()));
  out.u = Transpose(Matrix<T>(m, m, u.data()));
  out.vt = Transpose(Matrix<T>(n, m, vt.data()));
  return out;
}

}  // namespace

template <class T>
Result<Svd<T>> SingularValues(const Matrix<T>& a) {
  MALMOI_TRY(CheckFinite(a, "singular values"));
  if (a.rows > a.cols && a.rows >= a.cols * 3 / 2) {
    MALMOI_TRY(const auto qr, QrReduced(a));
    MALMOI_TRY(auto out, Gesdd(qr.r));
    out.u = Multiply(qr.q, out.u);
    return out;
  }
  if (a.cols > a.rows && a.cols < 20 * a.rows) return Direct(a);
  return Gesdd(a);
}
template Result<Svd<float>> SingularValues(const Matrix<float>&);
template Result<Svd<double>> SingularValues(const Matrix<double>&);

}  // namespace malmoi::optim::matrix
