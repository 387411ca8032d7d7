// Adam-mini (Zhang et al. 2024, arXiv:2406.16793): one second moment a block of a parameter, and
// what the blocks are follows from the parameter's name.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 m. c: 0 1-beta1, 1 step of the whole tensor.
OPTIM_KERNEL(MiniDirection, kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.u = x.s0 * x.c(1);
}
// s0 m, s1 v, one an element. c: 0 1-beta1, 1 1-beta2, 2 1/sqrt(bc2), 3 eps, 4 1/bc1.
OPTIM_KERNEL(MiniElementDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Lerp(x.s1, x.g * x.g, x.c(1));
  x.u = x.s0 * (x.c(4) / Fma(Sqrt(x.s1), x.c(2), x.c(3)));
}
// Blocks as rows. c: 0 1-beta1, 1 lr; c(19) the block's step.
OPTIM_GRID_KERNEL(MiniBlockUpdate, kP | kG | kS0, kP | kS0) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.p = x.p - x.c(1) * (x.s0 * x.c(19));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

struct AdamMini : Rule {
  std::vector<double> betas{0.9, 0.999};
  bool model_sharding = false;
  std::int64_t num_embeds = 2048, num_heads = 32;
  std::optional<double> num_query_groups;
  double eps = 1e-8;
  AdamMini() { lr = 1.0, weight_decay = 0.1; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("model_sharding", model_sharding);
    f("num_embeds", num_embeds)("num_heads", num_heads)("num_query_groups", num_query_groups);
    f("eps", eps)("maximize", maximize);
  }
  Status Check() const override {
    if (num_embeds < 1 || num_heads < 1 || Groups() < 1 || Groups() > num_heads) {
      return Error(Code::kInvalidArgument,
                   "num_embeds, num_heads, num_query_groups: expected >= 1, and no more query "
                   "groups than heads");
    }
    return Ok();
  }
  std::int64_t Groups() const {
    return static_cast<std::int64_t>(num_query_groups.value_or(static_cast<double>(num_heads)));
  }
  static bool Has(std::string_view name, std::initializer_list<const char*> parts) {
    for (const char* part : parts) {
      if (name.find(part) != std::string_view::npos) return true;
    }
    return false;
  }
  // Second moments of a parameter: 0 for one an element. Where the blocks do not divide it, one.
  std::int64_t Blocks(std::string_view name, std::int64_t n) const {
    if (Has(name, {"embed", "embd", "wte", "lm_head.weight", "output.weight"})) return 0;
    std::int64_t blocks = 1;
    if (Has(name, {"k_proj.weight", "q_proj.weight", "wq.weight", "wk.weight"})) {
      const std::int64_t size = num_embeds * num_embeds / num_heads;
      blocks = size > 0 && n % size == 0 ? n / size : 1;
    } else if (Has(name, {"attn.attn.weight", "attn.qkv.weight"})) {
      blocks = Groups() * (num_heads / Groups() + 2);
    }
    return blocks > 0 && n % blocks == 0 ? blocks : 1;
  }
  void DeclareNamed(StateList& s, const Shape& shape, std::string_view name) const override {
    const std::int64_t blocks = Blocks(name, static_cast<std::int64_t>(Elements(shape)));
    s.Like("m");
    s.items.back().exact = true;
    if (blocks == 0) {
      s.Square("v");
      s.items.back().exact = true;
    } else {
      s.Sized("v_mean", blocks == 1 ? Shape{} : Shape{blocks});
    }
  }
  void Declare(StateList& s, const Shape& shape) const override { DeclareNamed(s, shape, ""); }
  void Step(TensorStep& t) const override {
    const bool decays = t.decays() && !Has(t.name(), {"norm", "ln_f"});
    if (decays) t.decay = 1.0 - lr * weight_decay;
    const std::int64_t blocks = Blocks(t.name(), static_cast<std::int64_t>(t.n()));
    const std::size_t size = t.n() / static_cast<std::size_t>(std::max<std::int64_t>(blocks, 1));
    if (t.f64() || (blocks > 1 && size < TensorStep::kGridCols)) {
      t.f64() ? Run<double>(t) : Run<float>(t);
    } else if (blocks == 0) {
      t.Update(MiniElementDirection,
               {1.0 - betas[0], 1.0 - betas[1], 1.0 / std::sqrt(Debias(betas[1])), eps,
                1.0 / Debias(betas[0])},
               lr);
    } else if (blocks == 1) {
      const double sum = t.Reduce(NormOfGradient).sum[0];
      t.Update(MiniDirection, {1.0 - betas[0], Follow(sum, size, &t.State<float>(1)[0])}, lr);
    } else {
      RunBlocks(t, static_cast<std::size_t>(blocks), size);
    }
  }
  // A block's second moment goes to its gradient's mean square; the step that follows from it.
  template <class T>
  double Follow(double sum, std::size_t size, T* v) const {
    const auto mean = static_cast<float>(sum / static_cast<double>(size));
    const auto before = static_cast<float>(*v);
    *v = static_cast<T>(before + static_cast<float>(1.0 - betas[1]) * (mean - before));
    const auto root = static_cast<double>(std::sqrt(static_cast<float>(*v)));
    return 1.0 / Debias(betas[0]) / (root / std::sqrt(Debias(betas[1])) + eps);
  }
  // In two passes over the blocks as rows.
  void RunBlocks(TensorStep& t, std::size_t blocks, std::size_t size) const {
    Grid<float> grid;
    grid.rows = blocks, grid.cols = size;
    std::vector<double> sums(blocks);
    grid.across[0] = sums.data();
    t.ReduceGrid(NormOfGradient, {}, grid);
    std::vector<float> steps(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      steps[b] = static_cast<float>(Follow(sums[b], size, &t.State<float>(1)[b]));
    }
    grid.across[0] = nullptr, grid.row[3] = steps.data();
    t.ReduceGrid(MiniBlockUpdate, {1.0 - betas[0], lr}, grid);
  }
  // Gradients and states are f32 whatever the parameters are, as in the reference.
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0), v = t.State<T>(1);
    const auto keep = static_cast<T>(t.decay);
    const auto w1 = static_cast<float>(1.0 - betas[0]);
    const std::size_t size = p.size() / v.size();
    for (std::size_t b = 0; b < v.size(); ++b) {
      double sum = 0;
      for (std::size_t i = b * size; i < (b + 1) * size; ++i) {
        const auto gi = static_cast<float>(g[i]);
        sum += static_cast<double>(gi) * static_cast<double>(gi);
      }
      const auto step = static_cast<float>(Follow(sum, size, &v[b]));
      for (std::size_t i = b * size; i < (b + 1) * size; ++i) {
        const auto mi = static_cast<float>(m[i]);
        const float moved = mi + w1 * (static_cast<float>(g[i]) - mi);
        m[i] = static_cast<T>(moved);
        p[i] = p[i] * keep - static_cast<T>(lr) * static_cast<T>(moved * step);
      }
    }
  }
};
OPTIM_RULE(AdamMini, "adammini");

}  // namespace malmoi::optim
#endif
