#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "optim/matrix/numbers.h"

// The dense linear algebra that matrix optimizers need, over BLAS and LAPACK. Those stay in the .cc
// files, so that what is built without them does not include this folder.
//
// OpenBLAS is loaded at the first use; where it is missing the optimizers are refused
// (kUnsupported). Determinism: BLAS is held to one thread, so a result does not depend on the
// number of threads; callers run independent matrices in parallel. Results may differ in the last
// bits between ISA levels, of which BLAS picks one at run time. Thread safety: all functions are
// pure and may run concurrently. T is float or double everywhere.
namespace malmoi::optim::matrix {

// A dense row-major matrix that owns its elements.
template <class T>
struct Matrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  Numbers<T> data;

  Matrix() = default;
  Matrix(std::size_t r, std::size_t c) : rows(r), cols(c), data(r * c) {}
  Matrix(std::size_t r, std::size_t c, const T* from)
      : rows(r), cols(c), data(from, from + r * c) {}

  T& operator()(std::size_t i, std::size_t j) { return data[i * cols + j]; }
  T operator()(std::size_t i, std::size_t j) const { return data[i * cols + j]; }
  std::size_t size() const { return data.size(); }
};

enum class Op : bool { kNone, kTranspose };

template <class T>
Matrix<T> Identity(std::size_t n);
template <class T>
Matrix<T> Transpose(const Matrix<T>& a);

// op(a) op(b). The inner dimensions must agree.
template <class T>
Matrix<T> Multiply(const Matrix<T>& a, Op op_a, const Matrix<T>& b, Op op_b);
template <class T>
Matrix<T> Multiply(const Matrix<T>& a, const Matrix<T>& b) {
  return Multiply(a, Op::kNone, b, Op::kNone);
}

// c = alpha op(a) op(b) + beta c.
template <class T>
void MultiplyAdd(T alpha, const Matrix<T>& a, Op op_a, const Matrix<T>& b, Op op_b, T beta,
                 Matrix<T>* c);

// a a^T, computed as half the products and mirrored.
template <class T>
Matrix<T> Gram(const Matrix<T>& a);

// Root of the sum of squares, summed in double in one fixed order.
template <class T>
double FrobeniusNorm(std::span<const T> a);

template <class T>
struct Eigen {
  std::vector<T> values;  // Ascending.
  Matrix<T> vectors;      // Columns; the sign of each is LAPACK's.
};
// Of a symmetric matrix, whose lower triangle is read. Errors: kInvalidArgument where it is not
// square or not finite; kInternal where LAPACK does not converge.
template <class T>
Result<Eigen<T>> EigenSymmetric(const Matrix<T>& a);

template <class T>
struct Svd {
  Matrix<T> u;            // [m, min(m, n)]
  std::vector<T> values;  // Descending.
  Matrix<T> vt;           // [min(m, n), n]
};
// The thin singular value decomposition, by divide and conquer. Errors: as EigenSymmetric.
template <class T>
Result<Svd<T>> SingularValues(const Matrix<T>& a);

template <class T>
struct Qr {
  Matrix<T> q;  // [m, min(m, n)]
  Matrix<T> r;  // [min(m, n), n], upper triangular; the sign of its diagonal is LAPACK's.
};
// The reduced QR decomposition by Householder reflections. Errors: kInvalidArgument where `a` is
// empty or not finite.
template <class T>
Result<Qr<T>> QrReduced(const Matrix<T>& a);

// The complete Q of the QR decomposition of a tall `a`: [rows, rows]. Errors: as QrReduced.
template <class T>
Result<Matrix<T>> QrComplete(const Matrix<T>& a);

// x with a x = b, by LU with partial pivoting. Errors: kInvalidArgument for a singular `a`.
template <class T>
Result<Matrix<T>> Solve(const Matrix<T>& a, const Matrix<T>& b);

// x with op(r) x = b, r upper triangular. A zero on the diagonal gives infinities, as in BLAS.
template <class T>
Matrix<T> SolveUpper(const Matrix<T>& r, Op op_r, const Matrix<T>& b);
// x with x r = b, r upper triangular.
template <class T>
Matrix<T> SolveUpperRight(const Matrix<T>& b, const Matrix<T>& r);

}  // namespace malmoi::optim::matrix
