#include "optim/matrix/newton_schulz.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/strings.h"
#include "optim/matrix/lanes.h"
#include "optim/matrix/torch_order.h"

namespace malmoi::optim::matrix {
namespace {

float RoundBf16(float x) {
  auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return std::bit_cast<float>(bits | 0x00400000U);
  bits += 0x7fffU + ((bits >> 16) & 1U);
  return std::bit_cast<float>(bits & 0xffff0000U);
}

float RoundF16(float x) {
  const float magnitude = std::fabs(x);
  if (!(magnitude < 65520.0F)) return std::isnan(x) ? x : std::copysign(INFINITY, x);
  // Adding 1.5 * 2^k pushes all but the wanted bits out of the significand.
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const float unit = std::ldexp(1.0F, std::max(exponent - 11, -24));
  return std::nearbyint(x / unit) * unit;
}

template <class T>
Matrix<float> WideAsF32(const Matrix<T>& g) {
  Matrix<float> x(g.rows, g.cols);
  std::transform(g.data.begin(), g.data.end(), x.data.begin(),
                 [](T v) { return static_cast<float>(v); });
  return g.rows > g.cols ? Transpose(x) : x;
}

QuinticWeights WeightsAt(const NewtonSchulzOptions& options, int step) {
  if (options.weights.empty()) return {3.4445, -4.7750, 2.0315};
  return options.weights[std::min(static_cast<std::size_t>(step), options.weights.size() - 1)];
}

void DivideBy(Precision p, float norm, Matrix<float>* x) {
  if (p == Precision::kBf16) return RunDense(RoundedQuotient, x->size(), {norm}, x->data.data());
  for (float& v : x->data) v = RoundTo(p, v / norm);
}

bool Restarts(const NewtonSchulzOptions& options, int step) {
  return std::find(options.restarts.begin(), options.restarts.end(), step) !=
         options.restarts.end();
}

}  // namespace

float RoundTo(Precision precision, float x) {
  if (precision == Precision::kBf16) return RoundBf16(x);
  return precision == Precision::kF16 ? RoundF16(x) : x;
}

void RoundTo(Precision precision, std::span<float> x) {
  if (precision == Precision::kBf16)
    RunDense(RoundedToHalf, x.size(), {}, x.data());
  else if (precision == Precision::kF16)
    for (float& v : x) v = RoundF16(v);
}

Result<std::vector<QuinticWeights>> QuinticPreset(std::string_view name) {
  using W = std::vector<QuinticWeights>;
  if (name == "original") return W{{3.4445, -4.7750, 2.0315}};
  if (name == "quintic")
    return W{{4.0848, -6.8946, 2.9270},
             {3.9505, -6.3029, 2.6377},
             {3.7418, -5.5913, 2.3037},
             {2.8769, -3.1427, 1.2046},
             {2.8366, -3.0525, 1.2012}};
  if (name == "polar_express")
    return W{{8.237312490495555, -23.157747414558198, 16.680568411445915},
             {4.082441999064835, -2.893047735332586, 0.5252849256975648},
             {3.9263479922546582, -2.8547468034765298, 0.5318022422894988},
             {3.2982187133085143, -2.424541981026706, 0.48632008358844075},
             {2.2970369434552573, -1.63662558125903, 0.4002628455953627},
             {1.8763805351440397, -1.2347896577722228, 0.35891887501668385},
             {1.8564423485617974, -1.2132449880935525, 0.3568003487825883},
             {1.8749994008682747, -1.2499988017229169, 0.3749994008546422}};
  if (name == "polar_express_safer")
    return W{{8.156554524902461, -22.48329292557795, 15.878769915207462},
             {4.0429299351667245, -2.808917465908704, 0.5000178451051299},
             {3.8916678022926563, -2.7724841532176825, 0.5060648178503389},
             {3.285753657755658, -2.3681294933425394, 0.46449024233003117},
             {2.3005307116270983, -1.6111665557258408, 0.3833374427545273},
             {1.8631210546382593, -1.2042160621002727, 0.3421879560523383},
             {1.8382572152247512, -1.1779263289537742, 0.3396513038637379},
             {1.8749999923301852, -1.2499999836060613, 0.374999991275876}};
  return Error(Code::kInvalidArgument,
               "Newton-Schulz weights \"" + std::string(name) +
                   "\": expected original, quintic, polar_express or polar_express_safer");
}

Result<std::vector<QuinticWeights>> ParseQuinticWeights(const json::Value& value) {
  if (value.is_string()) return QuinticPreset(AsciiLower(*value.AsString()));
  const auto triple = [](const json::Value& v) -> Result<QuinticWeights> {
    QuinticWeights w{};
    if (v.items().size() != w.size())
      return Error(Code::kInvalidArgument,
                   "Newton-Schulz weights " + v.Dump() + ": expected three numbers");
    for (std::size_t i = 0; i < w.size(); ++i) {
      const auto number = v.items()[i].AsDouble();
      if (!number)
        return Error(Code::kInvalidArgument,
                     "Newton-Schulz weights " + v.Dump() + ": expected three numbers");
      w[i] = *number;
    }
    return w;
  };
  std::vector<QuinticWeights> all;
  if (value.items().empty())
    return Error(Code::kInvalidArgument,
                 "Newton-Schulz weights are empty: name a preset or "
                 "give three numbers");
  if (value.items()[0].is_number()) {
    MALMOI_TRY(const QuinticWeights w, triple(value));
    all.push_back(w);
    return all;
  }
  for (const json::Value& v : value.items()) {
    MALMOI_TRY(const QuinticWeights w, triple(v));
    all.push_back(w);
  }
  return all;
}

template <class T>
Matrix<float> NewtonSchulz(const Matrix<T>& g, const NewtonSchulzOptions& options) {
  const Precision p = options.precision;
  Matrix<float> x = WideAsF32(g);
  RoundTo(p, x.data);
  float norm = RoundTo(p, NormF32(x.data));
  if (options.safety != 1.0) norm = RoundTo(p, norm * static_cast<float>(options.safety));
  norm = std::max(norm, RoundTo(p, static_cast<float>(options.eps)));
  DivideBy(p, norm, &x);
  for (int step = 0; step < options.steps; ++step) {
    const auto [w0, w1, w2] = WeightsAt(options, step);
    const Matrix<float> a = LowGram(p, x);
    Matrix<float> b = a;
    LowProduct(p, w2, a, a, w1, &b, Layout::kRows, true);
    Matrix<float> next = x;
    LowProduct(p, 1.0, b, x, w0, &next);
    x = std::move(next);
  }
  return g.rows > g.cols ? Transpose(x) : x;
}

template <class T>
Matrix<float> GramNewtonSchulz(const Matrix<T>& g, const NewtonSchulzOptions& options) {
  const Precision p = options.precision;
  Matrix<float> x = WideAsF32(g);
  // In the order in which g lies.
  float norm = NormF32(g.rows > g.cols ? Transpose(x).data : x.data);
  if (options.safety != 1.0) norm *= static_cast<float>(options.safety);
  norm = std::max(norm, static_cast<float>(options.eps));
  DivideBy(p, norm, &x);
  if (options.steps > 0) {
    Matrix<float> gram = LowGram(p, x);
    Matrix<float> factor;
    for (int step = 0; step < options.steps; ++step) {
      if (Restarts(options, step) && factor.size() != 0) {
        Matrix<float> again(factor.rows, x.cols);
        LowProduct(p, 1.0, factor, x, 0.0, &again);
        x = std::move(again);
        gram = LowGram(p, x);
        factor = {};
      }
      const auto [w0, w1, w2] = WeightsAt(options, step);
      Matrix<float> polynomial = gram;
      LowProduct(p, w2, gram, gram, w1, &polynomial);
      if (step + 1 < options.steps && !Restarts(options, step + 1)) {
        Matrix<float> scratch = gram;
        LowProduct(p, 1.0, gram, polynomial, w0, &scratch);
        gram = scratch;
        LowProduct(p, 1.0, polynomial, scratch, w0, &gram);
      }
      if (factor.size() != 0) {
        Matrix<float> next = factor;
        LowProduct(p, 1.0, factor, polynomial, w0, &next);
        factor = std::move(next);
      } else {
        factor = std::move(polynomial);
        for (std::size_t i = 0; i < factor.rows; ++i)
          // The reference adds a scalar of the matrix's type.
          factor(i, i) = RoundTo(p, factor(i, i) + RoundTo(p, static_cast<float>(w0)));
      }
    }
    Matrix<float> last(factor.rows, x.cols);
    LowProduct(p, 1.0, factor, x, 0.0, &last);
    x = std::move(last);
  }
  return g.rows > g.cols ? Transpose(x) : x;
}

template Matrix<float> NewtonSchulz(const Matrix<float>&, const NewtonSchulzOptions&);
template Matrix<float> NewtonSchulz(const Matrix<double>&, const NewtonSchulzOptions&);
template Matrix<float> GramNewtonSchulz(const Matrix<float>&, const NewtonSchulzOptions&);
template Matrix<float> GramNewtonSchulz(const Matrix<double>&, const NewtonSchulzOptions&);

}  // namespace malmoi::optim::matrix
