// Sifting rows by their signs over one level's SignSum<Stride>(query, stride, row): the sum of the
// values of the bits that are set, which each level's file defines before it includes this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ann/scores_internal.h"

namespace malmoi::ann {
namespace {

#ifndef MALMOI_ANN_BOUNDS
// The bounds of ids[0, n) to out, which has room for three more.
template <std::size_t Stride>
void Bounds(const SignQuery& q, std::size_t stride, const std::uint32_t* ids, std::size_t n,
            float* out) {
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint8_t* row = q.rows + ids[k] * stride;
    float f[3];
    __builtin_memcpy(f, row + q.tail, sizeof(f));
    const auto sum = static_cast<float>(2 * SignSum<Stride>(q, stride, row));
    out[k] = q.scale * f[0] * (sum - q.sum) + q.margin * f[1] - q.half_weight * f[2];
  }
}
#endif

// `Stride` of 0: not known when compiled.
template <std::size_t Stride>
std::size_t SiftRows(const SignQuery& query, std::uint32_t* ids, std::size_t n, float least) {
  // Bounds first: with the places of what is kept in the same loop, which depend on them, a
  // processor takes one row at a time.
  constexpr std::size_t kRows = 64;
  const SignQuery q = query;
  float bounds[kRows + 4];
  std::size_t kept = 0;
  for (std::size_t begin = 0; begin < n; begin += kRows) {
    const std::size_t count = n - begin < kRows ? n - begin : kRows;
    Bounds<Stride>(q, Stride != 0 ? Stride : q.stride, ids + begin, count, bounds);
    for (std::size_t k = 0; k < count; ++k) {
      ids[kept] = ids[begin + k];
      kept += bounds[k] > least ? 1 : 0;
    }
  }
  return kept;
}

std::size_t Sift(const SignQuery& query, std::uint32_t* ids, std::size_t n, float least) {
  switch (query.stride) {
    case 64:
      return SiftRows<64>(query, ids, n, least);
    case 128:
      return SiftRows<128>(query, ids, n, least);
    case 192:
      return SiftRows<192>(query, ids, n, least);
    default:
      return SiftRows<0>(query, ids, n, least);
  }
}

#ifndef MALMOI_ANN_PICK
std::size_t Pick(const std::uint64_t* bits, std::uint32_t bound, const std::uint32_t* ids,
                 std::size_t n, std::uint32_t* out) {
  std::size_t picked = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t id = ids[i];
    const bool in = id < bound;
    out[picked] = id;
    picked += (in ? bits[id / 64] >> (id % 64) & 1 : 0);
  }
  return picked;
}

std::size_t Marked(const std::uint64_t* bits, const std::uint32_t* ids, std::uint32_t begin,
                   std::uint32_t end, std::uint32_t* out) {
  std::size_t n = 0;
  for (std::uint32_t at = begin; at < end;) {
    const std::uint32_t next = (at / 64 + 1) * 64, last = next < end ? next : end;
    std::uint64_t word = bits[at / 64] >> (at % 64);
    if (last - at < 64) word &= (std::uint64_t{1} << (last - at)) - 1;
    for (; word != 0; word &= word - 1) {
      out[n++] = ids[at + static_cast<unsigned>(__builtin_ctzll(word))];
    }
    at = last;
  }
  return n;
}
#endif

}  // namespace
}  // namespace malmoi::ann
