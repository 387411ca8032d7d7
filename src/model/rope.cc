#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace malmoi::model {
namespace {

// 1 / theta^(2i / divisor) for i < count. In f32 as torch computes them: at position 8,000 half a
// unit in the last place of a frequency is already 2e-4 of an angle.
std::vector<float> Frequencies(double theta, std::size_t count, std::size_t divisor) {
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(divisor);
    out[i] = 1.0f / std::pow(static_cast<float>(theta), exponent);
  }
  return out;
}

// Peng et al. 2023 (arXiv:2309.00071): between two dimensions, from extrapolation to
// interpolation.
Result<Rope> Yarn(const json::Value& p, double theta, std::size_t dim, const RopeSettings& s) {
  const double original =
      p.GetDouble("original_max_position_embeddings", static_cast<double>(s.positions));
  const double factor = p.GetDouble("factor", static_cast<double>(s.positions) / original);
  const auto number = [&](const char* name, double fallback) {
    const double value = p.GetDouble(name, fallback);
    return value == 0 ? fallback : value;
  };
  const auto scale = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1; };
  double attention = scale(1);
  if (p.GetDouble("mscale") != 0 && p.GetDouble("mscale_all_dim") != 0) {
    attention = scale(p.GetDouble("mscale")) / scale(p.GetDouble("mscale_all_dim"));
  }
  const auto size = static_cast<double>(dim);
  const auto turn = [&](double rotations) {
    return size * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = turn(number("beta_fast", 32));
  double high = turn(number("beta_slow", 1));
  if (p.GetBool("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, size - 1);
  if (low == high) high += 0.001;

  Rope rope{.frequencies = Frequencies(theta, dim / 2, dim),
            .factor = static_cast<float>(p.GetDouble("attention_factor", attention))};
  for (std::size_t i = 0; i < rope.frequencies.size(); ++i) {
    const double place = (static_cast<double>(i) - low) / (high - low);
    const auto ramp = static_cast<float>(std::clamp(place, 0.0, 1.0));
    const float f = rope.frequencies[i];
    rope.frequencies[i] = f / static_cast<float>(factor) * ramp + f * (1 - ramp);
  }
  return rope;
}

Rope Llama3(const json::Value& p, double theta, std::size_t dim, const RopeSettings& s) {
  const auto factor = static_cast<float>(p.GetDouble("factor", 1));
  const double low = p.GetDouble("low_freq_factor", 1);
  const double high = p.GetDouble("high_freq_factor", 4);
  const double original =
      p.GetDouble("original_max_position_embeddings", static_cast<double>(s.positions));
  Rope rope{.frequencies = Frequencies(theta, dim / 2, dim)};
  for (float& f : rope.frequencies) {
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength > original / low) {
      f /= factor;
    } else if (wavelength >= original / high) {
      const auto smooth = static_cast<float>((original / wavelength - low) / (high - low));
      f = (1 - smooth) * f / factor + smooth * f;
    }
  }
  return rope;
}

// GTE's own: https://kexue.fm/archives/9706, equations 6 and 10 to 13.
Rope Ntk(const json::Value& p, double theta, const RopeSettings& s) {
  const double factor = p.GetDouble("factor", 1);
  const std::size_t pairs = s.head_dim / 2;
  const double mixed = p.GetDouble("mixed_b", 0);
  if (mixed == 0) {
    Rope rope{.frequencies = Frequencies(theta * factor, pairs, s.head_dim)};
    const double divisor = std::pow(factor, 2.0 / static_cast<double>(s.head_dim));
    for (float& f : rope.frequencies) f /= static_cast<float>(divisor);
    return rope;
  }
  Rope rope{.frequencies = Frequencies(theta, pairs, s.head_dim)};
  const double a = std::log(factor) / std::pow(static_cast<double>(pairs), mixed);
  for (std::size_t i = 0; i < pairs; ++i) {
    rope.frequencies[i] /=
        static_cast<float>(std::exp(a * std::pow(static_cast<double>(i + 1), mixed)));
  }
  return rope;
}

Rope Proportional(const json::Value& p, double theta, double share, const RopeSettings& s) {
  const auto angles = static_cast<std::size_t>(share * static_cast<double>(s.head_dim) / 2);
  Rope rope{.frequencies = Frequencies(theta, angles, s.head_dim)};
  rope.frequencies.resize(s.head_dim / 2, 0.0f);
  for (float& f : rope.frequencies) f /= static_cast<float>(p.GetDouble("factor", 1));
  return rope;
}

}  // namespace

Result<Rope> ReadRope(const json::Value* parameters, const RopeSettings& settings) {
  const json::Value none{};
  const json::Value& p = parameters == nullptr ? none : *parameters;
  const double theta = p.GetDouble("rope_theta", settings.theta);
  const std::string type(p.GetString("rope_type", p.GetString("type", "default")));
  const double share = p.GetDouble("partial_rotary_factor", 1);
  if (!(theta > 1) || settings.head_dim % 2 != 0 || !(share > 0 && share <= 1)) {
    return Error(Code::kCorruption, "config.json: rope_theta " + std::to_string(theta) +
                                        ", partial_rotary_factor " + std::to_string(share) +
                                        " or head_dim " + std::to_string(settings.head_dim) +
                                        " does not make a rotation");
  }
  const auto part = static_cast<std::size_t>(static_cast<double>(settings.head_dim) * share);
  // Up to max_position_embeddings, the longest sequence taken, "dynamic" has not begun to stretch.
  if (type == "default") {
    return Rope{.frequencies = Frequencies(theta, settings.head_dim / 2, settings.head_dim)};
  }
  if (type == "dynamic") return Rope{.frequencies = Frequencies(theta, part / 2, part)};
  if (type == "linear") {
    Rope rope{.frequencies = Frequencies(theta, part / 2, part)};
    for (float& f : rope.frequencies) f /= static_cast<float>(p.GetDouble("factor", 1));
    return rope;
  }
  if (type == "yarn") return Yarn(p, theta, part, settings);
  if (type == "llama3") return Llama3(p, theta, part, settings);
  if (type == "ntk") return Ntk(p, theta, settings);
  if (type == "proportional") return Proportional(p, theta, share, settings);
  return Error(Code::kUnsupported, "config.json: rope_type '" + type +
                                       "' is not default, linear, dynamic, yarn, llama3, "
                                       "ntk or proportional");
}

void RopeTable::Grow(const Rope& rope, std::size_t new_tokens) {
  if (new_tokens <= tokens) return;
  tokens = new_tokens;
  const std::size_t pairs = rope.frequencies.size();
  cosine = Buffer<float>(tokens * pairs);
  sine = Buffer<float>(tokens * pairs);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const float angle = static_cast<float>(t) * rope.frequencies[i];
      cosine[t * pairs + i] = std::cos(angle) * rope.factor;
      sine[t * pairs + i] = std::sin(angle) * rope.factor;
    }
  }
}

void ApplyRope(const Rope& rope, const RopeTable& table, std::size_t position, float* x,
               std::size_t heads, std::size_t head_dim) {
  const std::size_t pairs = rope.frequencies.size();
  const float* cosine = table.cosine.data() + position * pairs;
  const float* sine = table.sine.data() + position * pairs;
  for (std::size_t h = 0; h < heads; ++h, x += head_dim) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const float a = x[i];
      const float b = x[i + pairs];
      x[i] = a * cosine[i] - b * sine[i];
      x[i + pairs] = b * cosine[i] + a * sine[i];
    }
  }
}

}  // namespace malmoi::model
