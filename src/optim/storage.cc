#include "optim/storage.h"

#include <array>
#include <cmath>
#include <cstring>

namespace malmoi::optim {
namespace {

std::uint32_t Bits(float f) {
  std::uint32_t u;
  std::memcpy(&u, &f, sizeof(u));
  return u;
}
float Float(std::uint32_t u) {
  float f;
  std::memcpy(&f, &u, sizeof(f));
  return f;
}

// splitmix64's finaliser.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

struct Tables {
  std::array<float, 256> sign, square;
  Tables() {
    for (int q = 0; q < 256; ++q) {
      const float s = static_cast<float>(q - 128) / 127.0f;
      sign[static_cast<std::size_t>(q)] = s * std::fabs(s);
      const float r = static_cast<float>(q) / 255.0f;
      square[static_cast<std::size_t>(q)] = (r * r) * (r * r);
    }
  }
};
const Tables& Codes() {
  static const Tables tables;
  return tables;
}

}  // namespace

void FromBf16(const std::uint16_t* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = Float(static_cast<std::uint32_t>(in[i]) << 16);
}

void ToBf16(const float* in, std::uint16_t* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t u = Bits(in[i]);
    const std::uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const std::uint32_t nan = (u >> 16) | 0x40u;
    out[i] = static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

void ToBf16Stochastic(const float* in, std::uint16_t* out, std::size_t n, std::uint64_t key,
                      std::uint64_t begin) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t u = Bits(in[i]);
    if ((u & 0x7f800000u) == 0x7f800000u) {  // Infinite or NaN.
      out[i] = static_cast<std::uint16_t>((u >> 16) | ((u & 0x7fffffu) != 0 ? 0x40u : 0u));
      continue;
    }
    const std::uint64_t r = Mix(key + (begin + i + 1) * 0x9e3779b97f4a7c15ull);
    out[i] = static_cast<std::uint16_t>((u + static_cast<std::uint32_t>(r & 0xffffu)) >> 16);
  }
}

void FromQ8(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
            std::size_t n) {
  const auto& table = non_negative ? Codes().square : Codes().sign;
  for (std::size_t b = 0; b < n; b += kQ8Block) {
    const float scale = scales[b / kQ8Block];
    const std::size_t end = b + kQ8Block < n ? b + kQ8Block : n;
    for (std::size_t i = b; i < end; ++i) {
      // The signed code's zero is 128, but fresh states are zero bytes with scale 0.
      out[i] = table[in[i]] * scale;
    }
  }
}

void ToQ8(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n) {
  for (std::size_t b = 0; b < n; b += kQ8Block) {
    const std::size_t end = b + kQ8Block < n ? b + kQ8Block : n;
    float top = 0;
    for (std::size_t i = b; i < end; ++i) {
      const float a = std::fabs(in[i]);
      top = a > top ? a : top;
    }
    scales[b / kQ8Block] = top;
    const float inverse = top > 0 ? 1.0f / top : 0.0f;
    for (std::size_t i = b; i < end; ++i) {
      const float r = std::fabs(in[i]) * inverse;
      const float root = std::sqrt(r < 1.0f ? r : 1.0f);
      if (non_negative) {
        const float q = std::sqrt(root) * 255.0f + 0.5f;
        const int code = static_cast<int>(q);
        out[i] = static_cast<std::uint8_t>(code == 0 && r > 0 ? 1 : code);
      } else {
        const int code = static_cast<int>(root * 127.0f + 0.5f);
        out[i] = static_cast<std::uint8_t>(in[i] < 0 ? 128 - code : 128 + code);
      }
    }
  }
}

}  // namespace malmoi::optim
