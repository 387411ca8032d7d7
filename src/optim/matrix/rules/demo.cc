// DeMo (Peng et al. 2024, arXiv:2411.19870) on one process: the largest DCT coefficients of the
// decayed gradient sum are taken out of it, and the step is the sign of what they decode to.
#include <numbers>
#include <numeric>

#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {
namespace {

// The largest divisor of n that is at most `limit` (n itself where n is smaller).
std::size_t ChunkOf(std::size_t n, std::size_t limit) {
  for (std::size_t d = std::min(n, limit); d > 1; --d)
    if (n % d == 0) return d;
  return 1;
}

// The orthonormal DCT-II as a matrix, rounded to f32 as the reference's: x -> x D.
template <class T>
Matrix<T> Dct(std::size_t n) {
  Matrix<T> d(n, n);
  const auto count = static_cast<double>(n);
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t k = 0; k < n; ++k) {
      const double scale = std::sqrt((k == 0 ? 1.0 : 2.0) / count);
      d(j, k) = static_cast<T>(static_cast<float>(
          scale * std::cos(std::numbers::pi * (2.0 * static_cast<double>(j) + 1.0) *
                           static_cast<double>(k) / (2.0 * count))));
    }
  return d;
}

}  // namespace

struct DeMo : DenseRule<DeMo> {
  double compression_decay = 0.999;
  std::int64_t compression_top_k = 32;
  std::int64_t compression_chunk = 64;
  void Bind(Fields& f) override {
    f("lr", lr)("compression_decay", compression_decay)("compression_top_k", compression_top_k);
    f("compression_chunk", compression_chunk)("weight_decay", weight_decay)("maximize", maximize);
  }
  Status Check() const override {
    if (compression_top_k <= 0 || compression_chunk <= 0)
      return Error(Code::kInvalidArgument,
                   "compression_top_k and compression_chunk must be positive");
    if (!(compression_decay >= 0 && compression_decay < 1))
      return Error(Code::kInvalidArgument, "compression_decay must be in the range [0, 1)");
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override { s.Like("delta"); }

  // Replaces a tile of coefficients by its largest k, zero elsewhere.
  template <class T>
  void KeepLargest(Numbers<T>* tile) const {
    const auto k = static_cast<std::size_t>(compression_top_k);
    if (k >= tile->size()) return;
    std::vector<std::size_t> order(tile->size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::fabs((*tile)[a]) > std::fabs((*tile)[b]);
    });
    for (std::size_t i = k; i < order.size(); ++i) (*tile)[order[i]] = T(0);
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> delta = t.State<T>(0);
    ApplyDecay(t, p, {}, lr, weight_decay, true, false);
    Scale(delta, compression_decay);
    AddScaled(delta, t.G<T>(), lr);
    // A vector is one row of tiles, one high; more dimensions than two are [rows, the rest].
    const bool flat = t.shape().size() < 2;
    const std::size_t rows = flat ? 1 : t.rows();
    const std::size_t cols = delta.size() / rows;
    const auto limit = static_cast<std::size_t>(compression_chunk);
    const std::size_t h = flat ? 1 : ChunkOf(rows, limit);
    const std::size_t w = ChunkOf(cols, limit);
    const Matrix<T> down = Dct<T>(h);
    const Matrix<T> across = Dct<T>(w);
    for (std::size_t y = 0; y < rows; y += h)
      for (std::size_t x = 0; x < cols; x += w) {
        Matrix<T> tile(h, w);
        for (std::size_t i = 0; i < h; ++i)
          std::copy_n(&delta[(y + i) * cols + x], w, &tile.data[i * w]);
        Matrix<T> c = Multiply(tile, across);
        if (!flat) c = Multiply(down, Op::kTranspose, c, Op::kNone);
        KeepLargest(&c.data);
        Matrix<T> sent = Multiply(c, Op::kNone, across, Op::kTranspose);
        if (!flat) sent = Multiply(down, sent);
        for (std::size_t i = 0; i < h; ++i)
          for (std::size_t j = 0; j < w; ++j) {
            const T v = sent(i, j);
            const std::size_t at = (y + i) * cols + x + j;
            delta[at] -= v;
            p[at] -= static_cast<T>(lr) * (v > T(0) ? T(1) : (v < T(0) ? T(-1) : T(0)));
          }
      }
  }
};
OPTIM_RULE(DeMo, "demo");

}  // namespace malmoi::optim::matrix
