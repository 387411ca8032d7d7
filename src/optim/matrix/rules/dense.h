#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "optim/matrix/bf16_product.h"
#include "optim/matrix/lanes.h"
#include "optim/matrix/matrix.h"
#include "optim/matrix/torch_order.h"
#include "optim/rule.h"
#include "optim/whole_tensor.h"

// What matrix rules share: whole-array arithmetic in the reference's order of operations. Scalars
// are made in double and rounded to T once, as torch does.
namespace malmoi::optim::matrix {

// A rule whose step is written once over T: Derived::Run<T>(TensorStep&) const.
template <class Derived>
struct DenseRule : Rule, WholeTensor {
  void Step(TensorStep& t) const override {
    const auto& self = static_cast<const Derived&>(*this);
    if (t.f64())
      self.template Run<double>(t);
    else
      self.template Run<float>(t);
  }
};

// a b + c, rounded once in f32 as torch's vector loops do: the product of two f32 is exact in
// double.
inline float Fused(float a, float b, float c) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                            static_cast<double>(c));
}
inline double Fused(double a, double b, double c) {
  return a * b + c;
}

// a += w (b - a), from the nearer end as torch.lerp.
template <class T>
void LerpInto(std::span<T> a, std::span<const T> b, double weight) {
  const T w = static_cast<T>(weight);
  if constexpr (std::is_same_v<T, float>) {
    if (w < T(0.5)) return RunDense(LerpFromNear, a.size(), {w}, a.data(), b.data());
    return RunDense(LerpFromFar, a.size(), {w - T(1)}, a.data(), b.data());
  }
  if (w < T(0.5)) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = Fused(w, b[i] - a[i], a[i]);
  } else {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = Fused(w - T(1), b[i] - a[i], b[i]);
  }
}
template <class T>
void Scale(std::span<T> a, double factor) {
  const T f = static_cast<T>(factor);
  if constexpr (std::is_same_v<T, float>) return RunDense(MultiplyBy, a.size(), {f}, a.data());
  for (T& v : a) v *= f;
}
// a += alpha b.
template <class T, class U>
void AddScaled(std::span<T> a, const U& b, double alpha) {
  const T f = static_cast<T>(alpha);
  if constexpr (std::is_same_v<T, float> &&
                std::is_same_v<std::remove_cvref_t<decltype(*std::data(b))>, float>) {
    return RunDense(AddMultiple, a.size(), {f}, a.data(), std::data(b));
  }
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = Fused(f, static_cast<T>(b[i]), a[i]);
}
// v = beta v + (1 - beta) g g.
template <class T>
void SquareInto(std::span<T> v, std::span<const T> g, double beta) {
  const T b = static_cast<T>(beta);
  const T c = static_cast<T>(1.0 - beta);
  if constexpr (std::is_same_v<T, float>) {
    return RunDense(AverageSquare, v.size(), {c, b}, v.data(), g.data());
  }
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = Fused(c * g[i], g[i], b * v[i]);
}
template <class T>
std::span<const T> Const(std::span<T> a) {
  return a;
}
template <class T>
T Norm(std::span<const T> a) {
  if constexpr (std::is_same_v<T, float>) {
    return NormF32(a);
  } else {
    return FrobeniusNorm<T>(a);
  }
}
template <class T>
Matrix<T> AsMatrix(std::span<const T> a, std::size_t rows) {
  return Matrix<T>(rows, rows == 0 ? 0 : a.size() / rows, a.data());
}
template <class T>
void CopyTo(const Numbers<T>& from, std::span<T> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

// Decay of the rule's kind on whole arrays: p *= 1 - wd lr, or g += wd p.
template <class T>
void ApplyDecay(const TensorStep& t, std::span<T> p, std::span<T> g, double lr, double wd,
                bool decouple, bool fixed) {
  if (wd == 0 || !t.decays()) return;
  if (decouple)
    Scale(p, 1.0 - wd * (fixed ? 1.0 : lr));
  else if (wd > 0 && !g.empty())
    AddScaled(g, p, wd);
}

// Keeps only what agrees in sign with the gradient, scaled up to the same mean.
template <class T>
void CautiousMask(std::span<T> update, std::span<const T> g) {
  T kept = 0;
  for (std::size_t i = 0; i < g.size(); ++i) kept += update[i] * g[i] > 0 ? T(1) : T(0);
  const T factor = static_cast<T>(static_cast<double>(g.size()) / static_cast<double>(kept + 1));
  for (std::size_t i = 0; i < g.size(); ++i) update[i] *= update[i] * g[i] > 0 ? factor : T(0);
}

// The shape with small neighbouring dimensions merged while their product is at most `limit`.
Shape MergeSmall(const Shape& shape, std::int64_t limit);

// x ×_mode by a square factor: every mode-m fibre v becomes op(factor)^T v; modes rotate, so that
// `shape.size()` calls, one a mode, restore the order. An empty factor only rotates.
template <class T>
Matrix<T> RotateMode(const Matrix<T>& x, std::size_t dim, const Matrix<T>* factor, Op op,
                     bool bf16 = false) {
  Matrix<T> unfolded(dim, dim == 0 ? 0 : x.size() / dim);
  unfolded.data = x.data;
  if (factor == nullptr) return Transpose(unfolded);
  if constexpr (std::is_same_v<T, float>) {
    if (bf16 && HasBf16Products()) {
      Matrix<T> out(unfolded.cols, op == Op::kTranspose ? factor->rows : factor->cols);
      Bf16Product(1.0, Transpose(unfolded), op == Op::kTranspose ? Transpose(*factor) : *factor,
                  0.0, &out);
      return out;
    }
  }
  return Multiply(unfolded, Op::kTranspose, *factor, op);
}
// x x^T, of and to bf16 numbers where that is wanted and T is f32.
template <class T>
Matrix<T> GramOf(const Matrix<T>& x, bool bf16) {
  if constexpr (std::is_same_v<T, float>) {
    if (bf16 && HasBf16Products()) return Bf16Gram(x);
  }
  return Gram(x);
}

// The unfolding of a row-major array along one mode: [shape[mode], the rest in order].
template <class T>
Matrix<T> Unfold(std::span<const T> x, const Shape& shape, std::size_t mode) {
  std::size_t before = 1;
  for (std::size_t i = 0; i < mode; ++i) before *= static_cast<std::size_t>(shape[i]);
  const auto dim = static_cast<std::size_t>(shape[mode]);
  const std::size_t after = x.size() / (before * dim);
  Matrix<T> out(dim, before * after);
  for (std::size_t b = 0; b < before; ++b)
    for (std::size_t d = 0; d < dim; ++d)
      std::copy_n(x.data() + (b * dim + d) * after, after, &out.data[(d * before + b) * after]);
  return out;
}
template <class T>
void Fold(const Matrix<T>& unfolded, const Shape& shape, std::size_t mode, std::span<T> x) {
  std::size_t before = 1;
  for (std::size_t i = 0; i < mode; ++i) before *= static_cast<std::size_t>(shape[i]);
  const auto dim = static_cast<std::size_t>(shape[mode]);
  const std::size_t after = x.size() / (before * dim);
  for (std::size_t b = 0; b < before; ++b)
    for (std::size_t d = 0; d < dim; ++d)
      std::copy_n(&unfolded.data[(d * before + b) * after], after,
                  x.data() + (b * dim + d) * after);
}

// Values of a standard normal from a counter, for iterations whose result does not depend on
// where they start. Equal on every machine.
template <class T>
std::vector<T> StartVector(std::size_t n, std::uint64_t seed = 0);

}  // namespace malmoi::optim::matrix
