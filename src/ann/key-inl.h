#pragma once

#include <cstdint>

// Keys of a walk's pool: larger is better, of equal scores the smaller id. In an unnamed namespace,
// since files of several instruction sets include it.
namespace malmoi::ann {
namespace {

// Bit 0, which says that the node's links were followed, is clear.
inline std::uint64_t KeyOf(float score, std::uint32_t id) {
  const float positive_zero = score + 0.0f;  // So that the two zeros are one.
  std::uint32_t bits;
  __builtin_memcpy(&bits, &positive_zero, sizeof(bits));
  bits ^= (bits & 0x80000000u) != 0 ? 0xffffffffu : 0x80000000u;
  return std::uint64_t{bits} << 32 | (std::uint64_t{~id} << 1 & 0xfffffffeu);
}
inline float ScoreOf(std::uint64_t key) {
  auto bits = static_cast<std::uint32_t>(key >> 32);
  bits ^= (bits & 0x80000000u) != 0 ? 0x80000000u : 0xffffffffu;
  float score;
  __builtin_memcpy(&score, &bits, sizeof(score));
  return score;
}
inline std::uint32_t IdOf(std::uint64_t key) {
  return ~static_cast<std::uint32_t>(key >> 1) & 0x7fffffffu;
}

}  // namespace
}  // namespace malmoi::ann
