// Rules that draw random numbers: bSAM and Gravity. The numbers are torch's (torch_generator.h).
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 v. c: 0 largest |g|, 1 1-beta.
OPTIM_KERNEL(GravityDirection, kG | kS0, kS0 | kU) {
  const auto r = x.g * x.c(0);
  x.s0 = Lerp(x.s0, x.g / Fma(r, r, x.Num(1)), x.c(1));
  x.u = x.s0;
}
OPTIM_KERNEL(LargestOfGradient, kG, 0) {
  x.Top(0, Abs(x.g));
}
// s0 s, s1 momentum, s2 noisy gradient. c: 0 rho, 1 1 where adaptive.
OPTIM_KERNEL(BsamPerturb, kP | kG | kS0, kP | kS2) {
  const auto scale = Select(Gt(x.c(1), x.Num(0)), x.p * x.p, x.Num(1));
  x.s2 = x.g;
  x.p = x.p + scale * x.c(0) * x.g / x.s0;
}
// c: 0 1-beta1, 1 decay, 2 1-beta2, 3 decay + damping.
OPTIM_KERNEL(BsamDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s1 = Lerp(x.s1, x.g * x.c(1), x.c(0));
  const auto v = Fma(Sqrt(x.s0), Abs(x.g), x.c(3));
  x.s0 = Lerp(x.s0, v * v, x.c(2));
  x.u = x.s1 / x.s0;
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/optimizer.h"
#include "optim/rule.h"
#include "optim/torch_generator.h"
#include "os/thread_pool.h"

namespace malmoi::optim {

// Standard normals as the reference draws them for a tensor of this type.
template <class T>
void DrawNormals(TensorStep& t, std::span<T> out) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (t.bf16()) return t.random->NormalOfLow(out, t.pool());
  }
  t.random->Normal(out, t.pool());
}

// Bahrami and Zadeh 2021 (arXiv:2101.09192).
struct Gravity : Rule {
  double alpha = 0.01, beta = 0.9;
  Gravity() { lr = 1e-2; }
  void Bind(Fields& f) override { f("lr", lr)("alpha", alpha)("beta", beta)("maximize", maximize); }
  bool Draws() const override { return true; }
  void Declare(StateList& s, const Shape&) const override { s.Like("v"); }
  void Step(TensorStep& t) const override {
    if (t.first()) t.f64() ? Start<double>(t) : Start<float>(t);
    const auto k = static_cast<double>(step_count);
    const double largest = t.Reduce(LargestOfGradient).top[0];
    t.Update(GravityDirection, {largest, 1.0 - (beta * k + 1) / (k + 2)}, lr);
  }
  template <class T>
  void Start(TensorStep& t) const {
    const std::span<T> v = t.State<T>(0);
    DrawNormals<T>(t, v);
    for (T& x : v) x *= static_cast<T>(alpha / lr);
    if (t.bf16())
      for (T& x : v) x = RoundBf16(x);
    t.Flush();
  }
};
OPTIM_RULE(Gravity, "gravity");

// Moellenhoff and Khan 2023 (arXiv:2210.01620). The closure is called twice within the step.
struct BSAM : Rule {
  std::int64_t num_data = 0;
  std::vector<double> betas{0.9, 0.999};
  double rho = 0.05, damping = 0.1;
  bool adaptive = false;
  std::function<double()> closure;
  BSAM() { lr = 0.5, weight_decay = 1e-4; }
  void Bind(Fields& f) override {
    f("num_data", num_data)("lr", lr)("betas", betas)("weight_decay", weight_decay)("rho", rho);
    f("adaptive", adaptive)("damping", damping);
  }
  Status Check() const override {
    if (num_data < 1) return Error(Code::kInvalidArgument, "num_data: expected >= 1");
    return Ok();
  }
  Status Accept(const StepInputs& inputs) override {
    if (!inputs.closure) return Error(Code::kInvalidArgument, "bsam needs a closure");
    closure = inputs.closure;
    return Ok();
  }
  bool Draws() const override { return true; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("s");
    s.Like("momentum");
    s.Like("noisy_gradient");
  }
  int phases() const override { return 3; }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      t.f64() ? Shake<double>(t) : Shake<float>(t);
    } else if (t.phase() == 1) {
      t.Apply(BsamPerturb, {rho, adaptive ? 1.0 : 0.0});
    } else {
      const double decay_now = t.decays() ? weight_decay : 0.0;
      t.Update(BsamDirection, {1.0 - betas[0], decay_now, 1.0 - betas[1], decay_now + damping}, lr);
    }
  }
  template <class T>
  void Shake(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), s = t.State<T>(0), noise = t.Scratch<T>(0);
    if (t.first()) std::fill(s.begin(), s.end(), T{1});
    DrawNormals<T>(t, noise);
    const bool low = t.bf16();
    const auto shake = [&](std::size_t, std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        if (low) {  // Every operation is rounded, as the reference's.
          const T deviation = RoundBf16(T{1} / RoundBf16(static_cast<T>(num_data) * s[i]));
          p[i] += RoundBf16(RoundBf16(noise[i]) * deviation);
        } else {
          p[i] += noise[i] * (T{1} / (static_cast<T>(num_data) * s[i]));
        }
      }
    };
    if (t.pool() != nullptr) {
      t.pool()->ParallelFor(p.size(), shake);
    } else {
      shake(0, 0, p.size());
    }
  }
  void Between(int phase, std::span<Rule* const>) override {
    if (phase < 2 && closure) closure();
    if (phase == 2) closure = nullptr;
  }
};
OPTIM_RULE(BSAM, "bsam");

}  // namespace malmoi::optim
#endif
