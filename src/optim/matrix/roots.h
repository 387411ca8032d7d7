#pragma once

#include <span>

#include "base/result.h"
#include "optim/matrix/matrix.h"

namespace malmoi::optim::matrix {

// The largest eigenvalue of a symmetric positive semidefinite matrix, estimated from `start` (one
// value per row), and at least 1e-16.
template <class T>
T PowerIteration(const Matrix<T>& a, std::span<const T> start, int iterations = 100);

struct SchurNewtonOptions {
  int max_iterations = 100;
  double tolerance = 1e-3;  // Of |M - I| elementwise; stops there.
  double ridge = 1e-6;      // Times the largest eigenvalue, added to the diagonal.
  double divergence = 1.2;  // Stops where an error exceeds the previous one by this factor.
};

// a^(-1/p) by the coupled Schur-Newton iteration (Guo and Higham 2006). `start` is the power
// iteration's first vector.
template <class T>
Matrix<T> InverseRoot(const Matrix<T>& a, int p, std::span<const T> start,
                      const SchurNewtonOptions& options = {});

// a^(-1/power) through the singular values. Errors: those of SingularValues.
template <class T>
Result<Matrix<T>> InverseRootSvd(const Matrix<T>& a, double power);

// The same of a symmetric positive semidefinite matrix through its eigenvalues, in about half the
// time; what rounding made negative counts by its size, as a singular value would. Errors: those of
// EigenSymmetric.
template <class T>
Result<Matrix<T>> InverseRootSymmetric(const Matrix<T>& a, double power);

// The square root (or its inverse) of a symmetric positive definite matrix by Newton-Denman-Beavers
// after division by `scale`, which must bound the largest eigenvalue.
template <class T>
Matrix<T> RootNewtonDb(const Matrix<T>& a, T scale, int iterations, bool inverse);

}  // namespace malmoi::optim::matrix
