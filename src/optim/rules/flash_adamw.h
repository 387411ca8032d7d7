// FlashAdamW of pytorch-optimizer: AdamW whose moments are 8-bit between steps. Here they are kept
// as the numbers that its codes stand for, so trajectories agree; to save the memory as well use
// AdamW with EngineOptions::state_storage.
#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/flash_bodies.h"
#include "optim/rule.h"
#include "os/cpu_info.h"

namespace malmoi::optim {

struct FlashAdamW : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8, initial_lr = -1;
  bool decouple_lr = false, quantize = true, compress_state_dict = true, check_numerics = false;
  std::optional<double> master_weight_bits;
  FlashAdamW() { weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("decouple_lr", decouple_lr);
    f("quantize", quantize)("compress_state_dict", compress_state_dict);
    f("master_weight_bits", master_weight_bits)("check_numerics", check_numerics);
    f("maximize", maximize)("eps", eps);
  }
  void BindState(Fields& f) override { f("initial_lr", initial_lr); }
  Status Check() const override {
    if (master_weight_bits && *master_weight_bits != 24 && *master_weight_bits != 32) {
      return Error(Code::kInvalidArgument, "master_weight_bits: expected null, 24 or 32");
    }
    return Ok();
  }
  void Constructed() override { initial_lr = lr; }
  // A master copy of bf16 parameters is the kept rounding error.
  bool Kahan() const override { return master_weight_bits.has_value(); }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.items.back().exact = quantize;
    s.Square("exp_avg_sq");
    s.items.back().exact = quantize;
  }
  void Step(TensorStep& t) const override {
    double decay_now = t.decays() ? weight_decay : 0.0;
    if (decouple_lr && decay_now > 0 && lr > 0 && initial_lr > 0) decay_now /= initial_lr;
    if (t.f64()) {
      Run<double>(t, 1.0 - lr * decay_now);
      return;
    }
    FlashConstants c;
    c.weight1 = static_cast<float>(1.0 - betas[0]), c.beta2 = static_cast<float>(betas[1]);
    c.weight2 = static_cast<float>(1.0 - betas[1]), c.eps = static_cast<float>(eps);
    c.debias1 = static_cast<float>(Debias(betas[0]));
    c.debias2 = static_cast<float>(Debias(betas[1]));
    c.lr = static_cast<float>(lr), c.keep = static_cast<float>(1.0 - lr * decay_now);
    c.quantize = quantize;
    const std::span<float> p = t.P<float>(), g = t.G<float>(), m = t.State<float>(0);
    Bodies().step(p.data(), g.data(), m.data(), t.State<float>(1).data(), p.size(), c);
  }
  static const FlashBodies& Bodies() {
#if defined(__x86_64__)
    switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
      case os::CpuLevel::kAvx512:
        return kFlash_avx512;
      case os::CpuLevel::kAvx2:
        return kFlash_avx2;
      default:
        break;
    }
#endif
    return kFlash_scalar;
  }
  template <class T>
  void Run(TensorStep& t, double kept) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0), v = t.State<T>(1);
    const auto keep = static_cast<T>(kept);
    const double c1 = Debias(betas[0]), c2 = Debias(betas[1]);
    for (std::size_t i = 0; i < p.size(); ++i) {
      m[i] += static_cast<T>(1.0 - betas[0]) * (g[i] - m[i]);
      v[i] = v[i] * static_cast<T>(betas[1]) + static_cast<T>(1.0 - betas[1]) * g[i] * g[i];
      const T root = std::sqrt(v[i] / static_cast<T>(c2)) + static_cast<T>(eps);
      p[i] = p[i] * keep - static_cast<T>(lr) * ((m[i] / static_cast<T>(c1)) / root);
    }
    if (!quantize) return;
    Code<T>(m, true);
    Code<T>(v, false);
  }
  // What is left of values after groups of 32 were coded: first moments through a softsign to
  // +-127, second moments as roots to 255; scales are f16.
  template <class T>
  static void Code(std::span<T> x, bool is_signed) {
    constexpr std::size_t kGroup = 32;
    for (std::size_t b = 0; b < x.size(); b += kGroup) {
      const std::size_t end = std::min(x.size(), b + kGroup);
      float scale = 0;
      float value[kGroup];
      for (std::size_t i = b; i < end; ++i) {
        const auto f = static_cast<float>(x[i]);
        value[i - b] = is_signed ? f : std::sqrt(std::max(f, 0.0f));
        scale = std::max(scale, std::fabs(value[i - b]));
      }
      scale = std::max(scale, 1e-12f);
      const float kept = RoundF16(scale);
      for (std::size_t i = b; i < end; ++i) {
        float n = value[i - b] / scale;
        if (is_signed) n = 2.0f * n / (1.0f + std::fabs(n));
        const float top = is_signed ? 127.0f : 255.0f;
        const float q = std::min(top, std::max(is_signed ? -top : 0.0f, Nearest(n * top)));
        float back = q / top;
        if (is_signed) back = back / std::max(2.0f - std::fabs(back), 1e-12f);
        back *= kept;
        x[i] = static_cast<T>(is_signed ? back : back * back);
      }
    }
  }
  // To the nearest whole number of |x| < 2^22: where it ends, an f32 has no room for fractions.
  static float Nearest(float x) {
    constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23.
    return (x + kMagic) - kMagic;
  }
  // To the nearest IEEE half, subnormals included.
  static float RoundF16(float v) {
    if (v >= 65520.0f) return std::numeric_limits<float>::infinity();
    if (v < 0x1p-14f) return std::nearbyint(v * 0x1p24f) * 0x1p-24f;
    int exponent = 0;
    const float fraction = std::frexp(v, &exponent);
    return std::ldexp(std::nearbyint(fraction * 2048.0f), exponent - 11);
  }
};
OPTIM_RULE(FlashAdamW, "flashadamw");

}  // namespace malmoi::optim
#endif
