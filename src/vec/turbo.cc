#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "kernels/rotation.h"
#include "kernels/vector.h"
#include "vec/turbo_internal.h"

namespace malmoi::vec {
namespace {

// One would do where Walsh-Hadamard takes all numbers; a second costs little.
int Turns(std::size_t dim) {
  return std::has_single_bit(dim) ? 2 : 4;
}

// Max, Quantizing for minimum distortion (1960), table I, 16 levels of a normal distribution of
// deviation 1, and the middles between them.
constexpr kernels::Levels kLevels = {-2.7326f, -2.0690f, -1.6181f, -1.2562f, -0.9424f, -0.6568f,
                                     -0.3881f, -0.1284f, 0.1284f,  0.3881f,  0.6568f,  0.9424f,
                                     1.2562f,  1.6181f,  2.0690f,  2.7326f};
constexpr kernels::Borders Middles() {
  kernels::Borders out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = (kLevels[i] + kLevels[i + 1]) / 2;
  return out;
}
constexpr kernels::Borders kBorders = Middles();

// 64 signs, the same for ever: they are part of the format.
std::uint64_t Signs(int turn, std::size_t block) {
  std::uint64_t x = (static_cast<std::uint64_t>(turn) << 32 | block) + 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

void FlipSigns(int turn, std::span<float> v) {
  for (std::size_t at = 0; at < v.size(); at += 64) {
    const std::uint64_t signs = Signs(turn, at / 64);
    const std::size_t n = std::min<std::size_t>(64, v.size() - at);
    for (std::size_t i = 0; i < n; ++i) {
      const auto flip = static_cast<std::uint32_t>(signs >> i & 1) << 31;
      v[at + i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(v[at + i]) ^ flip);
    }
  }
}

// The numbers that a turn mixes.
std::span<float> Mixed(int turn, std::span<float> v) {
  const std::size_t p = std::bit_floor(v.size());
  return turn % 2 == 0 ? v.first(p) : v.last(p);
}

double Length(std::span<const float> v) {
  return std::sqrt(kernels::Dot(v, v));
}

// Equal steps of which the largest number is `most`. Returns the codes' length.
template <class Code>
double AppendSteps(std::span<const float> v, float most, std::string* out) {
  float largest = 0;
  for (const float x : v) largest = std::max(largest, std::fabs(x));
  const float factor = most / largest;
  thread_local std::vector<Code> codes;
  codes.resize(v.size());
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    codes[i] = static_cast<Code>(v[i] * factor + std::copysign(0.5f, v[i]));
    sum += static_cast<double>(codes[i]) * codes[i];
  }
  out->append(reinterpret_cast<const char*>(codes.data()), v.size() * sizeof(Code));
  return std::sqrt(sum);
}

double AppendLevels(std::span<float> v, double length, std::string* out) {
  const std::size_t at = out->size();
  out->resize(at + (v.size() + 1) / 2);
  auto* codes = reinterpret_cast<std::uint8_t*>(out->data() + at);
  const double factor = std::sqrt(static_cast<double>(v.size())) / length;
  kernels::ToNibbles(v, static_cast<float>(factor), kBorders, codes);
  kernels::FromNibbles(codes, kLevels, 1, v);
  return Length(v);
}

}  // namespace

bool IsTurbo(Datatype datatype) {
  return datatype == Datatype::kTurbo4 || datatype == Datatype::kTurbo8 ||
         datatype == Datatype::kTurbo16;
}

std::size_t TurboRowBytes(Datatype datatype, std::size_t dim) {
  if (datatype == Datatype::kTurbo4) return 4 + (dim + 1) / 2;
  return 4 + dim * (datatype == Datatype::kTurbo8 ? 1 : 2);
}

void RotateTurbo(std::span<float> v) {
  const float factor = 1 / std::sqrt(static_cast<float>(std::bit_floor(v.size())));
  for (int turn = 0; turn < Turns(v.size()); ++turn) {
    const std::span<float> mixed = Mixed(turn, v);
    FlipSigns(turn, mixed);
    kernels::WalshHadamard(mixed);
    for (float& x : mixed) x *= factor;
  }
}

void UnrotateTurbo(std::span<float> v) {
  const float factor = 1 / std::sqrt(static_cast<float>(std::bit_floor(v.size())));
  for (int turn = Turns(v.size()) - 1; turn >= 0; --turn) {
    const std::span<float> mixed = Mixed(turn, v);
    kernels::WalshHadamard(mixed);
    for (float& x : mixed) x *= factor;
    FlipSigns(turn, mixed);
  }
}

void AppendTurbo(Datatype datatype, std::span<const float> v, std::string* out) {
  float most = 0;
  for (const float x : v) most = std::max(most, std::fabs(x));
  if (most == 0) {
    out->append(TurboRowBytes(datatype, v.size()), '\0');
    return;
  }
  thread_local std::vector<float> rotated;
  rotated.assign(v.begin(), v.end());
  for (float& x : rotated) x /= most;  // So that no sum overflows.
  RotateTurbo(rotated);
  const double length = Length(rotated);
  const std::size_t at = out->size();
  Put(out, 0.0f);
  double codes = 0;
  if (datatype == Datatype::kTurbo4) {
    codes = AppendLevels(rotated, length, out);
  } else if (datatype == Datatype::kTurbo8) {
    codes = AppendSteps<std::int8_t>(rotated, 127, out);
  } else {
    codes = AppendSteps<std::int16_t>(rotated, 32767, out);
  }
  const auto factor = static_cast<float>(std::min<double>(most * (length / codes), FLT_MAX));
  std::memcpy(out->data() + at, &factor, sizeof factor);
}

void LoadTurboRotated(Datatype datatype, const char* row, std::span<float> out) {
  const auto factor = Load<float>(row);
  const auto* codes = reinterpret_cast<const std::uint8_t*>(row + 4);
  if (datatype == Datatype::kTurbo4) return kernels::FromNibbles(codes, kLevels, factor, out);
  if (datatype == Datatype::kTurbo8) return kernels::FromInt8(codes, factor, out);
  kernels::FromInt16(codes, factor, out);
}

void LoadTurbo(Datatype datatype, const char* row, std::span<float> out) {
  // The factor comes last, for numbers near the largest float.
  const auto factor = Load<float>(row);
  const auto* codes = reinterpret_cast<const std::uint8_t*>(row + 4);
  if (datatype == Datatype::kTurbo4) {
    kernels::FromNibbles(codes, kLevels, 1, out);
  } else if (datatype == Datatype::kTurbo8) {
    kernels::FromInt8(codes, 1, out);
  } else {
    kernels::FromInt16(codes, 1, out);
  }
  UnrotateTurbo(out);
  for (float& x : out) x = std::clamp(x * factor, -FLT_MAX, FLT_MAX);
}

}  // namespace malmoi::vec
