#pragma once

#include <cmath>
#include <string>

#include "optim/matrix/blas_internal.h"
#include "optim/matrix/matrix.h"

// What the decompositions share. LAPACK is column-major: what it sees in our memory is the
// transpose.
namespace malmoi::optim::matrix {

inline int Int(std::size_t n) {
  return static_cast<int>(n);
}

inline std::string ShapeText(std::size_t rows, std::size_t cols) {
  return "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
}

template <class T>
Status CheckFinite(const Matrix<T>& a, const char* what) {
  if (a.size() == 0)
    return Error(Code::kInvalidArgument, std::string(what) + " of an empty matrix");
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!std::isfinite(a.data[i]))
      return Error(Code::kInvalidArgument, std::string(what) + " of a matrix " +
                                               ShapeText(a.rows, a.cols) + " whose element " +
                                               std::to_string(i) + " is not finite");
  return Ok();
}

inline Error NotConverged(const char* what, std::size_t rows, std::size_t cols, int info) {
  return Error(Code::kInternal, std::string(what) + " of a matrix " + ShapeText(rows, cols) +
                                    " did not converge (LAPACK info " + std::to_string(info) + ")");
}

}  // namespace malmoi::optim::matrix
