#pragma once

#include <optional>

#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

// How a matrix is projected to a low rank: by the right singular vectors (g V^T), the left (U^T g)
// or both, as projection_type and the matrix's shape say. The vectors are states of the tensor.
struct Projection {
  enum class Side : unsigned char { kRight, kLeft, kFull };
  Side side = Side::kRight;
  std::int64_t rows = 0, cols = 0, rank = 0, asked = 0;
  Shape low;  // Of the projected gradient.

  // rank: nullopt for min(rows, cols).
  static Projection Of(const Shape& shape, const std::string& type, std::optional<double> rank);
  void Declare(StateList& s) const;  // "projector.ortho_matrix", or two with ".0" and ".1".
  // The singular vectors of `a` into states slot (and slot + 1), in f32 as in the reference,
  // rounded to bf16 for parameters of that type; `a` that is not finite keeps the old ones.
  template <class T>
  void Refresh(TensorStep& t, int slot, const Matrix<T>& a) const;
  // Normal numbers over sqrt(rank) instead: first the left side's [rows, r], then the right one's.
  template <class T>
  void Randomise(TensorStep& t, int slot, const std::vector<double>& normals) const;
  template <class T>
  Matrix<T> Forward(TensorStep& t, int slot, const Matrix<T>& g) const;
  template <class T>
  Matrix<T> Back(TensorStep& t, int slot, const Matrix<T>& low_rank, double scale) const;

 private:
  template <class T>
  Matrix<T> Left(TensorStep& t, int slot) const;
  template <class T>
  Matrix<T> Right(TensorStep& t, int slot) const;
  int RightSlot(int slot) const { return side == Side::kFull ? slot + 1 : slot; }
};

}  // namespace malmoi::optim::matrix
