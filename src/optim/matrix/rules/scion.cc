// SCION (Pethick et al. 2025, arXiv:2502.07529): the step is the linear minimisation oracle of a
// norm ball, chosen by the tensor's shape (norm_type 1) or by the group.
#include "optim/matrix/newton_schulz.h"
#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {
namespace {

enum Norm : std::int64_t { kAuto = 1, kSpectral, kSpectralConv, kSign, kBias, kCol, kRow };

float Bf16(double x) {
  return RoundTo(Precision::kBf16, static_cast<float>(x));
}

// The polar factor times a scale, both rounded to bf16 as the reference keeps them.
template <class T>
void PolarTimes(std::span<T> u, std::size_t rows, std::int64_t steps, double scale) {
  NewtonSchulzOptions o;
  o.steps = static_cast<int>(steps);
  const Matrix<float> polar = NewtonSchulz(AsMatrix(Const(u), rows), o);
  for (std::size_t i = 0; i < u.size(); ++i)
    u[i] = static_cast<T>(Bf16(static_cast<double>(polar.data[i] * static_cast<float>(scale))));
}

// Divides the columns (or rows) of u by their RMS times `factor`.
template <class T>
void DivideByRms(std::span<T> u, std::size_t rows, bool by_row, double divisor, double factor) {
  const std::size_t cols = u.size() / rows;
  const std::size_t outer = by_row ? rows : cols;
  const std::size_t inner = by_row ? cols : rows;
  for (std::size_t o = 0; o < outer; ++o) {
    double sum = 0;
    for (std::size_t i = 0; i < inner; ++i) {
      const auto x = static_cast<double>(by_row ? u[o * cols + i] : u[i * cols + o]);
      sum += x * x;
    }
    const T rms =
        static_cast<T>(std::sqrt(sum)) / static_cast<T>(divisor) * static_cast<T>(factor) +
        static_cast<T>(1e-8);
    for (std::size_t i = 0; i < inner; ++i) (by_row ? u[o * cols + i] : u[i * cols + o]) /= rms;
  }
}

}  // namespace

template <class Derived>
struct ScionRule : DenseRule<Derived> {
  double momentum = 0.1;
  double scale = 1.0;
  bool constraint = false;
  std::int64_t norm_type = kAuto;
  json::Value norm_kwargs = json::Value::Object({});

  void Bind(Fields& f) override {
    f("lr", this->lr)("momentum", momentum)("constraint", constraint)("norm_type", norm_type);
    f("norm_kwargs", norm_kwargs)("scale", scale)("weight_decay", this->weight_decay);
    f("weight_decouple", this->weight_decouple)("maximize", this->maximize);
  }
  Status Check() const override {
    if (!(momentum > 0 && momentum <= 1))
      return Error(Code::kInvalidArgument, "momentum must be in the range (0, 1]");
    if (!(scale > 0)) return Error(Code::kInvalidArgument, "scale must be positive");
    return Ok();
  }
  // Replaces u by its oracle. `bf16` is set where the result was kept in bf16.
  template <class T>
  bool Oracle(const TensorStep& t, std::span<T> u) const {
    std::int64_t type = norm_type;
    const std::size_t rank = t.shape().size();
    if (type == kAuto) type = rank < 2 ? kBias : (rank == 2 ? kSpectral : kSpectralConv);
    const auto out = static_cast<double>(t.rows());
    const auto in = rank >= 2 ? static_cast<double>(t.shape()[1]) : 1.0;
    const std::int64_t steps = norm_kwargs.GetInt("num_steps", 5);
    switch (type) {
      case kSpectral: {
        double s = norm_kwargs.GetBool("normalize", true) ? std::sqrt(out / in) : std::sqrt(out);
        if (norm_kwargs.GetBool("max_scale", false)) s = std::max(1.0, s);
        PolarTimes(u, t.rows(), steps, s);
        return true;
      }
      case kSpectralConv:
        PolarTimes(u, t.rows(), steps, std::sqrt(out / in) / (static_cast<double>(t.cols()) / in));
        return true;
      case kSign: {
        const bool normal = norm_kwargs.GetBool("normalize", true);
        for (T& x : u) {
          x = x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0));
          if (normal) x /= static_cast<T>(in);
        }
        return false;
      }
      case kBias:
        DivideByRms(u, t.rows(), false, std::sqrt(out), 1.0);
        return false;
      case kCol: {
        const bool transpose = norm_kwargs.GetBool("transpose", false);
        const bool normal = norm_kwargs.GetBool("normalized", false);
        DivideByRms(u, t.rows(), transpose, std::sqrt(transpose ? in : out),
                    normal ? (transpose ? out : in) : 1.0);
        return false;
      }
      case kRow: {
        const bool transpose = norm_kwargs.GetBool("transpose", false);
        const bool normal = norm_kwargs.GetBool("normalized", true);
        // Lines along the last dimension (the first of two where they are exchanged).
        const auto last = rank == 0 ? 1.0 : static_cast<double>(t.shape().back());
        const std::size_t lines = transpose ? t.rows() : u.size() / static_cast<std::size_t>(last);
        DivideByRms(u, lines, !transpose, 1.0, normal ? std::sqrt(transpose ? out : last) : 1.0);
        return false;
      }
      default:
        return false;
    }
  }
  template <class T>
  void Finish(const TensorStep& t, std::span<T> p, std::span<T> u) const {
    const bool bf16 = Oracle(t, u);
    for (T& x : u) {
      x *= static_cast<T>(scale);
      if (bf16) x = static_cast<T>(Bf16(static_cast<double>(x)));
    }
    if (constraint) Scale(p, 1.0 - this->lr);
    AddScaled(p, u, -this->lr);
  }
  template <class T>
  void DecayFree(const TensorStep& t, std::span<T> p, std::span<T> g) const {
    if (!constraint)
      ApplyDecay(t, p, g, this->lr, this->weight_decay, this->weight_decouple, false);
  }
};

struct SCION : ScionRule<SCION> {
  void Declare(StateList& s, const Shape&) const override { s.Point("d"); }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> d = t.State<T>(0);
    DecayFree(t, p, g);
    LerpInto(d, Const(g), momentum);
    const std::span<T> u = t.Scratch<T>(0);
    std::copy(d.begin(), d.end(), u.begin());
    Finish(t, p, u);
  }
};
OPTIM_RULE(SCION, "scion");

// Without a state: the momentum lives in the gradient, which the caller multiplies by
// 1 - momentum after the step instead of clearing it.
struct SCIONLight : ScionRule<SCIONLight> {
  void Declare(StateList&, const Shape&) const override {}
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    DecayFree(t, p, g);
    Finish(t, p, g);
  }
};
OPTIM_RULE(SCIONLight, "scionlight");

}  // namespace malmoi::optim::matrix
