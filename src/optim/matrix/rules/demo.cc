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

// The orthonormal DCT-II and its inverse as matrices, x -> x `to` and c -> c `from`. The reference
// makes both of f32 Fourier transforms of the identity, and where a sum should be zero the errors
// of its tables say on which side it falls: so its operations are followed, each rounded to f32,
// from exact transforms.
template <class T>
struct Dct {
  Matrix<T> to, from;

  explicit Dct(std::size_t n) : to(n, n), from(n, n) {
    for (std::size_t i = 0; i < n; ++i) Row(i, n);
  }

 private:
  // cos and sin of a quarter turn by k / n in f32, of an angle that is rounded first.
  static std::pair<float, float> Turn(std::size_t k, std::size_t n) {
    const float angle =
        static_cast<float>(k) * std::numbers::pi_v<float> / static_cast<float>(2 * n);
    return {static_cast<float>(std::cos(static_cast<double>(angle))),
            static_cast<float>(std::sin(static_cast<double>(angle)))};
  }
  static double Angle(std::size_t a, std::size_t b, std::size_t n) {
    return 2 * std::numbers::pi * static_cast<double>(a * b % n) / static_cast<double>(n);
  }
  // Where element j stands once the even ones came first and the odd ones backwards after them.
  static std::size_t Place(std::size_t j, std::size_t n) {
    return j % 2 == 0 ? j / 2 : n - 1 - j / 2;
  }
  void Row(std::size_t i, std::size_t n) {
    const auto norm = [&](std::size_t k) {
      return static_cast<float>(2 * std::sqrt(static_cast<double>(n) / (k == 0 ? 1 : 2)));
    };
    const std::size_t place = Place(i, n);
    for (std::size_t k = 0; k < n; ++k) {
      const double angle = Angle(place, k, n);
      const auto [c, sine] = Turn(k, n);
      const float re = static_cast<float>(std::cos(angle)) * c;
      const float im = static_cast<float>(std::sin(angle)) * sine;
      to(i, k) = static_cast<T>(2 * ((re - im) / norm(k)));
    }
    // The spectrum of row i: x in bin i, its mirror in bin n - i, of which half are real output's.
    const float x = 0.5F * norm(i);
    std::vector<double> row(n);
    const auto add = [&](std::size_t k, float re, float im) {
      if (k > n / 2) return;
      const bool alone = k == 0 || 2 * k == n;
      for (std::size_t j = 0; j < n; ++j) {
        const double angle = Angle(j, k, n);
        row[j] += alone ? static_cast<double>(re) * std::cos(angle)
                        : 2 * (static_cast<double>(re) * std::cos(angle) -
                               static_cast<double>(im) * std::sin(angle));
      }
    };
    const auto [c, sine] = Turn(i, n);
    if (i == 0) {
      add(0, x * c, x * sine);
    } else if (2 * i == n) {
      add(i, x * c + x * sine, x * sine - x * c);
    } else {
      const auto [mirror_c, mirror_sine] = Turn(n - i, n);
      add(i, x * c, x * sine);
      add(n - i, x * mirror_sine, -x * mirror_c);
    }
    for (std::size_t j = 0; j < n; ++j)
      from(i, j) = static_cast<T>(static_cast<float>(row[Place(j, n)] / static_cast<double>(n)));
  }
};

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
    const Dct<T> down(h), across(w);
    for (std::size_t y = 0; y < rows; y += h)
      for (std::size_t x = 0; x < cols; x += w) {
        Matrix<T> tile(h, w);
        for (std::size_t i = 0; i < h; ++i)
          std::copy_n(&delta[(y + i) * cols + x], w, &tile.data[i * w]);
        Matrix<T> c = Multiply(tile, across.to);
        if (!flat) c = Multiply(down.to, Op::kTranspose, c, Op::kNone);
        KeepLargest(&c.data);
        Matrix<T> sent = Multiply(c, across.from);
        if (!flat) sent = Multiply(down.from, Op::kTranspose, sent, Op::kNone);
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
