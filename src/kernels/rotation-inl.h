#pragma once

// Plain loops that the compiler turns into each level's vectors: each level's file has its own copy
// (anonymous namespace), compiled with its own flags. Additions and single products alone, so that
// nothing can be contracted and all levels have the same bits.
namespace malmoi::kernels {
namespace {

inline void WalshHadamardKernel(float* x, std::size_t n) {
  std::size_t half = 1;
  // Butterflies within sixteen numbers: the inner trip counts are constants for the compiler.
  for (; half < 16 && half < n; half *= 2) {
    for (std::size_t at = 0; at < n; at += 2 * half) {
      for (std::size_t i = at; i < at + half; ++i) {
        const float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  for (; half < n; half *= 2) {
    for (std::size_t at = 0; at < n; at += 2 * half) {
      float* low = x + at;
      float* high = low + half;
      for (std::size_t i = 0; i < half; ++i) {
        const float a = low[i], b = high[i];
        low[i] = a + b;
        high[i] = a - b;
      }
    }
  }
}

inline unsigned Nibble(float x, const float* borders) {
  unsigned code = 0;
  for (int k = 0; k < 15; ++k) code += borders[k] < x ? 1u : 0u;
  return code;
}

inline void ToNibblesKernel(const float* x, std::size_t n, float factor, const float* borders,
                            std::uint8_t* codes) {
  constexpr std::size_t kTogether = 32;
  std::size_t i = 0;
  for (; i + kTogether <= n; i += kTogether) {
    unsigned each[kTogether] = {};
    float scaled[kTogether];
    for (std::size_t k = 0; k < kTogether; ++k) scaled[k] = x[i + k] * factor;
    for (int b = 0; b < 15; ++b) {
      for (std::size_t k = 0; k < kTogether; ++k) each[k] += borders[b] < scaled[k] ? 1u : 0u;
    }
    for (std::size_t k = 0; k < kTogether; k += 2) {
      codes[(i + k) / 2] = static_cast<std::uint8_t>(each[k] | each[k + 1] << 4);
    }
  }
  for (; i < n; i += 2) {
    const unsigned high = i + 1 < n ? Nibble(x[i + 1] * factor, borders) : 0;
    codes[i / 2] = static_cast<std::uint8_t>(Nibble(x[i] * factor, borders) | high << 4);
  }
}

// For what is left of whole vectors, and for the scalar level. `begin` is even.
inline void FromNibblesTail(const std::uint8_t* codes, const float* levels, float scale, float* out,
                            std::size_t begin, std::size_t n) {
  for (std::size_t i = begin; i < n; ++i) {
    const unsigned code =
        i % 2 == 0 ? codes[i / 2] & 15u : static_cast<unsigned>(codes[i / 2]) >> 4;
    out[i] = levels[code] * scale;
  }
}

inline void FromInt8Kernel(const std::uint8_t* codes, float scale, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(static_cast<signed char>(codes[i])) * scale;
  }
}

inline void FromInt16Kernel(const std::uint8_t* codes, float scale, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    short code;
    __builtin_memcpy(&code, codes + 2 * i, 2);
    out[i] = static_cast<float>(code) * scale;
  }
}

}  // namespace
}  // namespace malmoi::kernels
