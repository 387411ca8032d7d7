#include "optim/matrix/rules/projector.h"

namespace malmoi::optim::matrix {

Projection Projection::Of(const Shape& shape, const std::string& type, std::optional<double> rank) {
  Projection o;
  o.rows = shape[0];
  o.cols = shape[1];
  o.rank = std::min(o.rows, o.cols);
  if (rank && *rank < static_cast<double>(o.rank)) o.rank = static_cast<std::int64_t>(*rank);
  o.asked = rank ? static_cast<std::int64_t>(*rank) : o.rank;
  const bool high = o.rows >= o.cols;
  if (type == "full")
    o.side = Side::kFull;
  else if (type == "left")
    o.side = Side::kLeft;
  else if (type == "right")
    o.side = Side::kRight;
  else if (type == "reverse_std")
    o.side = high ? Side::kLeft : Side::kRight;
  else
    o.side = high ? Side::kRight : Side::kLeft;
  o.low = {o.side == Side::kRight ? o.rows : o.rank, o.side == Side::kLeft ? o.cols : o.rank};
  return o;
}

void Projection::Declare(StateList& s) const {
  const std::string name = "projector.ortho_matrix";
  if (side == Side::kRight) return s.Sized(name, {rank, cols});
  if (side == Side::kLeft) return s.Sized(name, {rows, rank});
  s.Sized(name + ".0", {rows, rank});
  s.Sized(name + ".1", {rank, cols});
}

template <class T>
Matrix<T> Projection::Left(TensorStep& t, int slot) const {
  return AsMatrix(Const(t.State<T>(slot)), static_cast<std::size_t>(rows));
}
template <class T>
Matrix<T> Projection::Right(TensorStep& t, int slot) const {
  return AsMatrix(Const(t.State<T>(RightSlot(slot))), static_cast<std::size_t>(rank));
}

template <class T>
void Projection::Refresh(TensorStep& t, int slot, const Matrix<T>& a) const {
  Matrix<float> narrow(a.rows, a.cols);
  std::copy(a.data.begin(), a.data.end(), narrow.data.begin());
  auto svd = SingularValues(narrow);
  if (!svd.ok()) return;
  const auto r = static_cast<std::size_t>(rank);
  if (t.bf16()) {  // As the parameter is.
    for (float& x : svd.value().u.data) x = RoundBf16(x);
    for (float& x : svd.value().vt.data) x = RoundBf16(x);
  }
  if (side != Side::kRight) {
    const std::span<T> u = t.State<T>(slot);
    for (std::size_t i = 0; i < a.rows; ++i)
      for (std::size_t j = 0; j < r; ++j) u[i * r + j] = static_cast<T>(svd.value().u(i, j));
  }
  if (side != Side::kLeft)
    std::copy_n(svd.value().vt.data.begin(), r * a.cols, t.State<T>(RightSlot(slot)).begin());
}

template <class T>
void Projection::Randomise(TensorStep& t, int slot, const std::vector<double>& normals) const {
  const T root = static_cast<T>(std::sqrt(static_cast<double>(asked)));
  const auto wide = static_cast<std::size_t>(asked);
  const auto r = static_cast<std::size_t>(rank);
  if (side != Side::kRight) {
    const std::span<T> u = t.State<T>(slot);
    for (std::size_t i = 0; i < u.size(); ++i)
      u[i] = static_cast<T>(normals[i / r * wide + i % r]) / root;
  }
  if (side == Side::kLeft) return;
  const std::span<T> v = t.State<T>(RightSlot(slot));
  const std::size_t from = static_cast<std::size_t>(rows) * wide;
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(normals[from + i]) / root;
}

template <class T>
Matrix<T> Projection::Forward(TensorStep& t, int slot, const Matrix<T>& g) const {
  if (side == Side::kRight) return Multiply(g, Op::kNone, Right<T>(t, slot), Op::kTranspose);
  const Matrix<T> left = Multiply(Left<T>(t, slot), Op::kTranspose, g, Op::kNone);
  if (side == Side::kLeft) return left;
  return Multiply(left, Op::kNone, Right<T>(t, slot), Op::kTranspose);
}

template <class T>
Matrix<T> Projection::Back(TensorStep& t, int slot, const Matrix<T>& low_rank, double scale) const {
  Matrix<T> out = low_rank;
  if (side != Side::kRight) out = Multiply(Left<T>(t, slot), out);
  if (side != Side::kLeft) out = Multiply(out, Right<T>(t, slot));
  for (T& x : out.data) x *= static_cast<T>(scale);
  return out;
}

#define MALMOI_INSTANTIATE(T)                                                                 \
  template void Projection::Refresh(TensorStep&, int, const Matrix<T>&) const;                \
  template void Projection::Randomise<T>(TensorStep&, int, const std::vector<double>&) const; \
  template Matrix<T> Projection::Forward(TensorStep&, int, const Matrix<T>&) const;           \
  template Matrix<T> Projection::Back(TensorStep&, int, const Matrix<T>&, double) const;
MALMOI_INSTANTIATE(float)
MALMOI_INSTANTIATE(double)
#undef MALMOI_INSTANTIATE

}  // namespace malmoi::optim::matrix
