#include "optim/matrix/roots.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace malmoi::optim::matrix {
namespace {

template <class T>
T MaxDistanceToIdentity(const Matrix<T>& m) {
  T worst = 0;
  for (std::size_t i = 0; i < m.rows; ++i)
    for (std::size_t j = 0; j < m.cols; ++j) {
      const T d = std::fabs(m(i, j) - (i == j ? T(1) : T(0)));
      if (!(d <= worst)) worst = d;  // A NaN stays.
    }
  return worst;
}

template <class T>
Matrix<T> Power(const Matrix<T>& m, int p) {  // Binary powers, the reference's order for 2, 4, 8.
  if (p == 1) return m;
  if (p == 2) return Multiply(m, m);
  if (p == 3) return Multiply(Multiply(m, m), m);
  const Matrix<T> half = Power(m, p / 2);
  Matrix<T> square = Multiply(half, half);
  return p % 2 == 0 ? square : Multiply(square, m);
}

// 1.5 I - 0.5 m.
template <class T>
Matrix<T> Correction(Matrix<T> m) {
  for (T& v : m.data) v *= T(-0.5);
  for (std::size_t i = 0; i < m.rows; ++i) m(i, i) += T(1.5);
  return m;
}

}  // namespace

template <class T>
T PowerIteration(const Matrix<T>& a, std::span<const T> start, int iterations) {
  Matrix<T> v(a.rows, 1, start.data());
  for (int i = 0; i < iterations; ++i) {
    v = Multiply(a, v);
    const T norm =
        std::max(static_cast<T>(FrobeniusNorm<T>(v.data)), std::numeric_limits<T>::min());
    for (T& x : v.data) x /= norm;
  }
  const Matrix<T> av = Multiply(a, v);
  T dot = 0;
  for (std::size_t i = 0; i < v.size(); ++i) dot += v.data[i] * av.data[i];
  return std::max(dot, T(1e-16));
}

template <class T>
Matrix<T> InverseRoot(const Matrix<T>& a, int p, std::span<const T> start,
                      const SchurNewtonOptions& options) {
  const T ridge = static_cast<T>(options.ridge);
  if (a.rows == 1) {
    Matrix<T> out(1, 1);
    out(0, 0) = std::pow(a(0, 0) + ridge * std::max(a(0, 0), T(1e-16)), T(-1.0 / p));
    return out;
  }
  Matrix<T> m = a;
  const T shift = PowerIteration(a, start) * ridge;
  for (std::size_t i = 0; i < m.rows; ++i) m(i, i) += shift;
  const T z = T(1 + p) / (T(2) * static_cast<T>(FrobeniusNorm<T>(m.data)));
  Matrix<T> root(m.rows, m.rows);
  for (std::size_t i = 0; i < m.rows; ++i) root(i, i) = std::pow(z, T(1.0 / p));
  for (T& v : m.data) v *= z;
  const T alpha = T(-1.0 / p);
  T previous = MaxDistanceToIdentity(m);
  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    Matrix<T> mi = m;
    for (T& v : mi.data) v *= alpha;
    for (std::size_t i = 0; i < m.rows; ++i) mi(i, i) += T(1.0 + 1.0 / p);
    Matrix<T> new_root = Multiply(root, mi);
    Matrix<T> new_m = Multiply(Power(mi, p), m);
    const T error = MaxDistanceToIdentity(new_m);
    if (error > previous * static_cast<T>(options.divergence)) return root;
    if (error <= static_cast<T>(options.tolerance)) return new_root;
    root = std::move(new_root);
    m = std::move(new_m);
    previous = error;
  }
  return root;
}

template <class T>
Result<Matrix<T>> InverseRootSvd(const Matrix<T>& a, double power) {
  MALMOI_TRY(Svd<T> svd, SingularValues(a));
  for (T& s : svd.values) s = std::pow(s, static_cast<T>(-1.0 / power));
  for (std::size_t i = 0; i < svd.u.rows; ++i)
    for (std::size_t j = 0; j < svd.u.cols; ++j) svd.u(i, j) *= svd.values[j];
  return Multiply(svd.u, svd.vt);
}

template <class T>
Result<Matrix<T>> InverseRootSymmetric(const Matrix<T>& a, double power) {
  MALMOI_TRY(Eigen<T> eigen, EigenSymmetric(a));
  // v s v^T as the Gram matrix of v sqrt(s): half the products.
  for (T& s : eigen.values) s = std::pow(std::fabs(s), static_cast<T>(-0.5 / power));
  Matrix<T>& v = eigen.vectors;
  for (std::size_t i = 0; i < v.rows; ++i)
    for (std::size_t j = 0; j < v.cols; ++j) v(i, j) *= eigen.values[j];
  return Gram(v);
}

template <class T>
Matrix<T> RootNewtonDb(const Matrix<T>& a, T scale, int iterations, bool inverse) {
  Matrix<T> y = a;
  for (T& v : y.data) v /= scale;
  Matrix<T> correction = Correction(y);
  Matrix<T> z = correction;
  if (iterations > 1 || !inverse) y = Multiply(y, correction);
  for (int i = 1; i < iterations - 1; ++i) {
    correction = Correction(Multiply(z, y));
    y = Multiply(y, correction);
    z = Multiply(correction, z);
  }
  Matrix<T> result = inverse ? z : y;
  if (iterations > 1) {
    correction = Correction(Multiply(z, y));
    result = inverse ? Multiply(correction, z) : Multiply(y, correction);
  }
  const T root = std::sqrt(scale);
  for (T& v : result.data) v = inverse ? v / root : v * root;
  return result;
}

#define MALMOI_INSTANTIATE(T)                                                \
  template T PowerIteration(const Matrix<T>&, std::span<const T>, int);      \
  template Matrix<T> InverseRoot(const Matrix<T>&, int, std::span<const T>,  \
                                 const SchurNewtonOptions&);                 \
  template Result<Matrix<T>> InverseRootSvd(const Matrix<T>&, double);       \
  template Result<Matrix<T>> InverseRootSymmetric(const Matrix<T>&, double); \
  template Matrix<T> RootNewtonDb(const Matrix<T>&, T, int, bool);
MALMOI_INSTANTIATE(float)
MALMOI_INSTANTIATE(double)
#undef MALMOI_INSTANTIATE

}  // namespace malmoi::optim::matrix
