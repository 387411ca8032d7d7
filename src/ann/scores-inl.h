// The kernels of scores_internal.h over one level's Sum and Accumulate: included by each level's
// file, inside which Sum, kStep, Zero, Accumulate, Total and Total4 are defined.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ann/scores_internal.h"

namespace malmoi::ann {
namespace {

#ifndef MALMOI_ANN_ROWS4
// Sums of four rows.
inline void Rows4(const std::int8_t* plane, std::size_t blocks, const std::uint8_t* r0,
                  const std::uint8_t* r1, const std::uint8_t* r2, const std::uint8_t* r3,
                  std::int32_t* out) {
  Sum s0 = Zero(), s1 = Zero(), s2 = Zero(), s3 = Zero();
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t j = 0; j < 64; j += kStep) {
      const std::int8_t* q = plane + b * 128 + j;
      s0 = Accumulate(s0, r0 + b * 64 + j, q, q + 64);
      s1 = Accumulate(s1, r1 + b * 64 + j, q, q + 64);
      s2 = Accumulate(s2, r2 + b * 64 + j, q, q + 64);
      s3 = Accumulate(s3, r3 + b * 64 + j, q, q + 64);
    }
  }
  Total4(s0, s1, s2, s3, out);
}
#endif

inline void PrefetchRow(const std::uint8_t* row, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
}

// `Blocks` of 0: not known when compiled.
template <std::size_t Blocks>
void FourRows(const std::int8_t* plane, std::size_t blocks, const std::uint8_t* codes,
              const std::uint32_t* ids, std::size_t count, std::int32_t* out) {
  constexpr std::size_t kAhead = 12;
  const std::size_t n = Blocks != 0 ? Blocks : blocks;
  const std::size_t bytes = n * 64;
  for (std::size_t k = 0; k < count && k < kAhead; ++k) PrefetchRow(codes + ids[k] * bytes, bytes);
  std::size_t k = 0;
  for (; k + 4 <= count; k += 4) {
    for (std::size_t a = k + kAhead; a < k + kAhead + 4 && a < count; ++a) {
      PrefetchRow(codes + ids[a] * bytes, bytes);
    }
    const std::uint8_t* r0 = codes + ids[k] * bytes;
    const std::uint8_t* r1 = codes + ids[k + 1] * bytes;
    const std::uint8_t* r2 = codes + ids[k + 2] * bytes;
    const std::uint8_t* r3 = codes + ids[k + 3] * bytes;
    Rows4(plane, n, r0, r1, r2, r3, out + k);
  }
  for (; k < count; ++k) {
    const std::uint8_t* row = codes + ids[k] * bytes;
    Sum s = Zero();
    for (std::size_t b = 0; b < n; ++b) {
      for (std::size_t j = 0; j < 64; j += kStep) {
        const std::int8_t* q = plane + b * 128 + j;
        s = Accumulate(s, row + b * 64 + j, q, q + 64);
      }
    }
    out[k] = Total(s);
  }
}

void Four(const std::int8_t* plane, std::size_t blocks, const std::uint8_t* codes,
          const std::uint32_t* ids, std::size_t count, std::int32_t* out) {
  switch (blocks) {
    case 3:
      return FourRows<3>(plane, blocks, codes, ids, count, out);
    case 6:
      return FourRows<6>(plane, blocks, codes, ids, count, out);
    case 8:
      return FourRows<8>(plane, blocks, codes, ids, count, out);
    default:
      return FourRows<0>(plane, blocks, codes, ids, count, out);
  }
}

void Eight(const std::int8_t* high, const std::int8_t* low, std::size_t blocks,
           const std::uint8_t* first, const std::uint8_t* second, const std::uint32_t* ids,
           std::size_t count, std::int64_t* out) {
  constexpr std::size_t kAhead = 4;
  const std::size_t bytes = blocks * 64;
  for (std::size_t k = 0; k < count && k < kAhead; ++k) {
    PrefetchRow(first + ids[k] * bytes, bytes);
    PrefetchRow(second + ids[k] * bytes, bytes);
  }
  for (std::size_t k = 0; k < count; ++k) {
    if (k + kAhead < count) {
      PrefetchRow(first + ids[k + kAhead] * bytes, bytes);
      PrefetchRow(second + ids[k + kAhead] * bytes, bytes);
    }
    const std::uint8_t* f = first + ids[k] * bytes;
    const std::uint8_t* s = second + ids[k] * bytes;
    Sum hf = Zero(), hs = Zero(), lf = Zero(), ls = Zero();
    for (std::size_t b = 0; b < blocks; ++b) {
      for (std::size_t j = 0; j < 64; j += kStep) {
        const std::int8_t* h = high + b * 128 + j;
        const std::int8_t* l = low + b * 128 + j;
        hf = Accumulate(hf, f + b * 64 + j, h, h + 64);
        hs = Accumulate(hs, s + b * 64 + j, h, h + 64);
        lf = Accumulate(lf, f + b * 64 + j, l, l + 64);
        ls = Accumulate(ls, s + b * 64 + j, l, l + 64);
      }
    }
    std::int32_t t[4];
    Total4(hf, hs, lf, ls, t);
    out[k] = 128 * (16 * static_cast<std::int64_t>(t[0]) + t[1]) +
             16 * static_cast<std::int64_t>(t[2]) + t[3];
  }
}

}  // namespace
}  // namespace malmoi::ann
