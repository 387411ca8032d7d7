// Adam-mini (Zhang et al. 2024, arXiv:2406.16793): one second moment a block of a parameter, and
// what the blocks are follows from the parameter's name.
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
  void Step(TensorStep& t) const override { t.f64() ? Run<double>(t) : Run<float>(t); }
  // Gradients and states are f32 whatever the parameters are, as in the reference.
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0), v = t.State<T>(1);
    const bool decays = t.decays() && !Has(t.name(), {"norm", "ln_f"});
    const auto keep = static_cast<T>(decays ? 1.0 - lr * weight_decay : 1.0);
    const double c1 = Debias(betas[0]), root = std::sqrt(Debias(betas[1]));
    const auto w1 = static_cast<float>(1.0 - betas[0]);
    const std::size_t size = p.size() / v.size();
    for (std::size_t b = 0; b < v.size(); ++b) {
      double sum = 0;
      for (std::size_t i = b * size; i < (b + 1) * size; ++i) {
        const auto gi = static_cast<float>(g[i]);
        sum += static_cast<double>(gi) * static_cast<double>(gi);
      }
      const auto mean = static_cast<float>(sum / static_cast<double>(size));
      const auto before = static_cast<float>(v[b]);
      v[b] = static_cast<T>(before + static_cast<float>(1.0 - betas[1]) * (mean - before));
      const auto h = static_cast<double>(std::sqrt(static_cast<float>(v[b]))) / root + eps;
      const auto step = static_cast<float>(1.0 / c1 / h);
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
