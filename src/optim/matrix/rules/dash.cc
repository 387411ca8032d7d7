// DASH (2026): blocked Shampoo with Adam grafting and Newton-Denman-Beavers roots.
#include <limits>

#include "optim/matrix/newton_schulz.h"
#include "optim/matrix/roots.h"
#include "optim/matrix/rules/dense.h"
#include "optim/matrix/rules/noise.h"

namespace malmoi::optim::matrix {

// Blocks of one tensor, seen as a matrix. Full blocks come before the strips that are left over,
// each strip's equal blocks as one batch, as the reference keeps them in its state.
struct DASH : DenseRule<DASH> {
  std::vector<double> betas{0.9, 0.95};
  std::optional<double> grafting_beta;
  std::int64_t block_size = 1024;
  std::int64_t precondition_frequency = 10;
  std::int64_t start_preconditioning_step = 1;
  std::string inverse_root_method = "newton_db";
  std::string matrix_scaling = "power";
  std::int64_t newton_steps = 10;
  std::int64_t power_iteration_steps = 10;
  std::int64_t power_iteration_vectors = 16;
  double momentum = 0;
  bool nesterov = true;
  bool correct_bias = true;
  double eps = 1e-8;
  double matrix_eps = 1e-10;
  Noise noise;

  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("grafting_beta", grafting_beta)("weight_decay", weight_decay);
    f("block_size", block_size)("precondition_frequency", precondition_frequency);
    f("start_preconditioning_step", start_preconditioning_step);
    f("inverse_root_method", inverse_root_method, "newton_db|eigh");
    f("matrix_scaling", matrix_scaling, "power|frobenius")("newton_steps", newton_steps);
    f("power_iteration_steps", power_iteration_steps);
    f("power_iteration_vectors", power_iteration_vectors)("momentum", momentum);
    f("nesterov", nesterov)("correct_bias", correct_bias)("eps", eps)("matrix_eps", matrix_eps);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (block_size <= 0 || precondition_frequency <= 0 || start_preconditioning_step <= 0 ||
        newton_steps <= 0 || power_iteration_steps <= 0 || power_iteration_vectors <= 0 ||
        !(matrix_eps > 0))
      return Error(Code::kInvalidArgument,
                   "block_size, the frequencies, the step counts and "
                   "matrix_eps must be positive");
    return Ok();
  }

  // The power iterations' first vectors, drawn tensor by tensor as torch.randn does.
  Status Accept(const StepInputs& inputs) override {
    noise.Accept(inputs);
    return Ok();
  }
  void Begin() override { noise.drawn.clear(); }
  void Start(std::span<Rule* const> rules) override {
    noise.Start(step_count);
    for (Rule* rule : rules) static_cast<DASH*>(rule)->noise.generator = noise.generator;
  }
  bool Iterates() const { return inverse_root_method == "newton_db" && matrix_scaling == "power"; }
  int phases() const override { return Iterates() ? 2 : 1; }
  bool Refreshes(const TensorStep& t) const {
    return step_count >= start_preconditioning_step &&
           (t.first() || step_count == start_preconditioning_step ||
            step_count % precondition_frequency == 0);
  }
  void Visited(const TensorStep& t) override {
    if (t.phase() != 0 || !Iterates() || !Refreshes(t)) return;
    const Shape sides = Sides(t.shape());
    for (const Strip& s : Strips(sides)) {
      const bool one_sided = sides[2] == 1, shared = !one_sided && s.height == s.width;
      const auto draw = [&](std::int64_t count, std::int64_t n) {
        noise.Draw<float>(t.index(), static_cast<std::size_t>(count * n * power_iteration_vectors));
      };
      draw(shared ? 2 * s.batch() : s.batch(), s.height);
      if (!one_sided && !shared) draw(s.batch(), s.width);
    }
  }

  struct Strip {  // Equal blocks: `down` x `across` of height x width from (row, col).
    std::int64_t row, col, down, across, height, width;
    std::int64_t batch() const { return down * across; }
  };
  static Shape Sides(const Shape& shape) {
    Shape squeezed;
    for (const std::int64_t d : shape)
      if (d != 1) squeezed.push_back(d);
    const auto n = static_cast<std::int64_t>(Elements(shape));
    if (squeezed.size() < 2) return {n, 1, 1};
    return {squeezed[0], n / squeezed[0], 0};  // The last: one-sided.
  }
  std::vector<Strip> Strips(const Shape& sides) const {
    std::vector<Strip> strips;
    const auto parts = [this](std::int64_t n) {
      return std::vector<std::int64_t>{n / block_size * block_size, n % block_size};
    };
    std::int64_t row = 0;
    for (const std::int64_t rows : parts(sides[0])) {
      std::int64_t col = 0;
      for (const std::int64_t cols : parts(sides[1])) {
        const std::int64_t h = std::min(rows, block_size);
        const std::int64_t w = std::min(cols, block_size);
        if (rows != 0 && cols != 0) strips.push_back({row, col, rows / h, cols / w, h, w});
        col += cols;
      }
      row += rows;
    }
    return strips;
  }
  // Slots of a strip from `base`: exp_avg_sq, statistics and roots (one batch of 2 n for square
  // blocks, else one a side), exp_avg, momentum.
  struct Slots {
    int square, left, right, left_root, right_root, average, momentum, end;
    std::size_t right_offset;  // Of the first right block inside its batch.
  };
  Slots SlotsOf(const Strip& s, bool one_sided, int base) const {
    Slots k{};
    k.square = base;
    const bool shared = s.height == s.width;
    const int sides = one_sided || shared ? 1 : 2;
    k.left = base + 1;
    k.right = base + sides;
    k.left_root = base + 1 + sides;
    k.right_root = base + 2 * sides;
    k.right_offset = shared ? static_cast<std::size_t>(s.batch()) : 0;
    int next = base + 1 + 2 * sides;
    if (betas[0] > 0) k.average = next++;
    if (momentum > 0) k.momentum = next++;
    k.end = next;
    return k;
  }
  void Declare(StateList& s, const Shape& shape) const override {
    const Shape sides = Sides(shape);
    const bool one_sided = sides[2] == 1;
    std::size_t i = 0;
    for (const Strip& strip : Strips(sides)) {
      const std::string name = "blocks." + std::to_string(i++) + ".";
      const std::int64_t n = strip.batch();
      const Shape block{n, strip.height, strip.width};
      s.Sized(name + "exp_avg_sq", block);
      for (const char* kind : {"statistics.", "inverse_roots."}) {
        if (!one_sided && strip.height == strip.width) {
          s.Sized(name + kind + "0", {2 * n, strip.height, strip.height});
          continue;
        }
        s.Sized(name + kind + "0", {n, strip.height, strip.height});
        if (!one_sided) s.Sized(name + kind + "1", {n, strip.width, strip.width});
      }
      if (betas[0] > 0) s.Sized(name + "exp_avg", block);
      if (momentum > 0) s.Sized(name + "momentum", block);
    }
  }

  // Twice the largest eigenvalue, about: power iterations from `starts`, a column each, rounded to
  // bf16 after every operation, or the norm.
  template <class T>
  T ScaleOf(const Matrix<T>& a, std::span<const double> starts) const {
    constexpr Precision kBf16 = Precision::kBf16;
    Matrix<float> m(a.rows, a.cols);
    std::copy(a.data.begin(), a.data.end(), m.data.begin());
    RoundTo(kBf16, m.data);
    if (matrix_scaling == "frobenius")
      return static_cast<T>(RoundTo(kBf16, static_cast<float>(FrobeniusNorm<float>(m.data))));
    for (std::size_t i = 0; i < m.rows; ++i) m(i, i) = RoundTo(kBf16, m(i, i) + 1e-6F);
    Matrix<float> v(m.rows, static_cast<std::size_t>(power_iteration_vectors));
    for (std::size_t i = 0; i < v.size(); ++i)
      v.data[i] = RoundTo(kBf16, static_cast<float>(starts[i]));
    const auto normalize = [&v] {
      for (std::size_t k = 0; k < v.cols; ++k) {
        double sum = 0;
        for (std::size_t i = 0; i < v.rows; ++i)
          sum += static_cast<double>(v(i, k)) * static_cast<double>(v(i, k));
        const float norm = std::max(RoundTo(kBf16, static_cast<float>(std::sqrt(sum))),
                                    std::numeric_limits<float>::min());
        for (std::size_t i = 0; i < v.rows; ++i) v(i, k) = RoundTo(kBf16, v(i, k) / norm);
      }
    };
    normalize();
    for (std::int64_t step = 0; step < power_iteration_steps; ++step) {
      v = Multiply(m, v);
      RoundTo(kBf16, v.data);
      normalize();
    }
    Matrix<float> product = Multiply(m, v);
    RoundTo(kBf16, product.data);
    float top = -std::numeric_limits<float>::infinity();
    for (std::size_t k = 0; k < v.cols; ++k) {
      float sum = 0;
      for (std::size_t i = 0; i < v.rows; ++i) sum += RoundTo(kBf16, v(i, k) * product(i, k));
      top = std::max(top, RoundTo(kBf16, sum));
    }
    return static_cast<T>(top) * T(2);
  }
  template <class T>
  Matrix<T> Root(Matrix<T> a, int order, std::span<const double> starts) const {
    for (std::size_t i = 0; i < a.rows; ++i) a(i, i) += static_cast<T>(matrix_eps);
    if (inverse_root_method == "eigh") {
      // In double: the smallest eigenvalues of few gradients are f32 noise, which a root magnifies.
      Matrix<double> wide(a.rows, a.cols);
      std::copy(a.data.begin(), a.data.end(), wide.data.begin());
      auto eigen = EigenSymmetric(wide);
      if (!eigen.ok()) return Identity<T>(a.rows);
      const Matrix<double>& vectors = eigen.value().vectors;
      Matrix<double> left = vectors;
      const double shift = matrix_eps - std::min(eigen.value().values[0], 0.0);
      for (std::size_t i = 0; i < a.rows; ++i)
        for (std::size_t j = 0; j < a.rows; ++j)
          left(i, j) *= std::pow(eigen.value().values[j] + shift, -1.0 / order);
      const Matrix<double> root = Multiply(left, Op::kNone, vectors, Op::kTranspose);
      Matrix<T> out(a.rows, a.cols);
      for (std::size_t i = 0; i < out.size(); ++i) out.data[i] = static_cast<T>(root.data[i]);
      return out;
    }
    T scale = std::max(ScaleOf(a, starts), std::numeric_limits<T>::min());
    const int steps = static_cast<int>(newton_steps);
    if (order == 4) {
      a = RootNewtonDb(a, scale, steps, false);
      scale = std::sqrt(scale);
    }
    return RootNewtonDb(a, scale, steps, true);
  }
  template <class T>
  static std::span<T> Piece(TensorStep& t, int slot, std::size_t index, std::size_t size) {
    return t.State<T>(slot).subspan(index * size, size);
  }
  struct Starts {  // Of one block's power iterations; empty where there are none.
    std::span<const double> left, right;
  };
  // Block `index` of a strip whose numbers begin at `at` of what was drawn.
  Starts StartsOf(const TensorStep& t, const Strip& s, std::size_t at, std::size_t index,
                  bool one_sided) const {
    if (!Iterates() || !Refreshes(t)) return {};
    const std::span<const double> all = noise.Of(t.index());
    const auto vectors = static_cast<std::size_t>(power_iteration_vectors);
    const std::size_t h = static_cast<std::size_t>(s.height) * vectors;
    const std::size_t w = static_cast<std::size_t>(s.width) * vectors;
    const auto batch = static_cast<std::size_t>(s.batch());
    Starts out{all.subspan(at + index * h, h), {}};
    if (!one_sided) out.right = all.subspan(at + batch * h + index * w, w);
    return out;
  }
  // One block's statistics, then its direction, which replaces `g`.
  template <class T>
  void Block(TensorStep& t, const Slots& k, std::size_t index, bool one_sided, const Starts& starts,
             Matrix<T>* block) const {
    Matrix<T>& g = *block;
    const std::size_t h = g.rows;
    const std::size_t w = g.cols;
    const double graft_beta = grafting_beta.value_or(betas[1]);
    const T bias1 = static_cast<T>(correct_bias ? Debias(betas[0]) : 1.0);
    const T bias2 = static_cast<T>(correct_bias ? Debias(graft_beta) : 1.0);
    const T keep = static_cast<T>(betas[1]);
    const T add = static_cast<T>(1.0 - betas[1]);
    const auto accumulate = [&](std::span<T> s, const Matrix<T>& outer) {
      for (std::size_t i = 0; i < s.size(); ++i) s[i] = keep * s[i] + add * outer.data[i];
    };
    const std::span<T> left = Piece<T>(t, k.left, index, h * h);
    accumulate(left, Gram(g));
    std::span<T> right;
    if (!one_sided) {
      right = Piece<T>(t, k.right, k.right_offset + index, w * w);
      accumulate(right, Gram(Transpose(g)));
    }
    const std::span<T> square = Piece<T>(t, k.square, index, h * w);
    SquareInto<T>(square, g.data, graft_beta);
    if (betas[0] > 0) {
      const std::span<T> average = Piece<T>(t, k.average, index, h * w);
      LerpInto<T>(average, g.data, 1.0 - betas[0]);
      std::copy(average.begin(), average.end(), g.data.begin());
    }
    Matrix<T> graft(h, w);
    for (std::size_t i = 0; i < graft.size(); ++i)
      graft.data[i] = g.data[i] / bias1 /
                      std::max(std::sqrt(square[i] / bias2) + static_cast<T>(eps),
                               std::numeric_limits<T>::min());
    if (step_count >= start_preconditioning_step) {
      const bool fresh = Refreshes(t);
      const std::span<T> left_root = Piece<T>(t, k.left_root, index, h * h);
      const int order = one_sided ? 2 : 4;
      if (fresh) CopyTo(Root(AsMatrix(Const(left), h), order, starts.left).data, left_root);
      g = Multiply(AsMatrix(Const(left_root), h), g);
      if (!one_sided) {
        const std::span<T> right_root = Piece<T>(t, k.right_root, k.right_offset + index, w * w);
        if (fresh) CopyTo(Root(AsMatrix(Const(right), w), order, starts.right).data, right_root);
        g = Multiply(g, AsMatrix(Const(right_root), w));
      }
      const T factor = Norm<T>(graft.data) / (Norm<T>(g.data) + static_cast<T>(1e-16));
      for (T& x : g.data) x *= factor;
    } else {
      g = std::move(graft);
    }
    if (momentum <= 0) return;
    const std::span<T> m = Piece<T>(t, k.momentum, index, h * w);
    Scale(m, momentum);
    AddScaled(m, g.data, 1.0);
    if (nesterov)
      AddScaled<T>(g.data, m, momentum);
    else
      std::copy(m.begin(), m.end(), g.data.begin());
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (Iterates() && t.phase() == 0) return;  // Only draws.
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const Shape sides = Sides(t.shape());
    const bool one_sided = sides[2] == 1;
    const auto width = static_cast<std::size_t>(sides[1]);
    ApplyDecay(t, p, {}, lr, weight_decay, true, false);
    int base = 0;
    std::size_t drawn = 0;
    for (const Strip& s : Strips(sides)) {
      const Slots k = SlotsOf(s, one_sided, base);
      base = k.end;
      const auto h = static_cast<std::size_t>(s.height);
      const auto w = static_cast<std::size_t>(s.width);
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.batch()); ++i) {
        const std::size_t row =
            static_cast<std::size_t>(s.row) + i / static_cast<std::size_t>(s.across) * h;
        const std::size_t col =
            static_cast<std::size_t>(s.col) + i % static_cast<std::size_t>(s.across) * w;
        Matrix<T> block(h, w);
        for (std::size_t r = 0; r < h; ++r)
          std::copy_n(&g[(row + r) * width + col], w, &block.data[r * w]);
        Block(t, k, i, one_sided, StartsOf(t, s, drawn, i, one_sided), &block);
        for (std::size_t r = 0; r < h; ++r)
          AddScaled(p.subspan((row + r) * width + col, w),
                    std::span<const T>(&block.data[r * w], w), -lr);
      }
      drawn +=
          static_cast<std::size_t>(s.batch() * power_iteration_vectors) * (one_sided ? h : h + w);
    }
  }
};
OPTIM_RULE(DASH, "dash");

}  // namespace malmoi::optim::matrix
