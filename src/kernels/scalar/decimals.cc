#include <bit>
#include <cstring>

#include "base/digits.h"
#include "kernels/decimals_internal.h"

namespace malmoi::kernels {
namespace {

// A product with one is off by an ulp or two, as NearMiddle allows.
constexpr double kTenths[] = {1e-0, 1e-1, 1e-2, 1e-3,  1e-4,  1e-5,  1e-6,
                              1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13};
// Element n keeps the last n - 8 bytes in memory of eight.
constexpr std::uint64_t kLastBytes[] = {
    0,     0,           0,           0,           0,           0,           0,           0,
    0,     ~0ull << 56, ~0ull << 48, ~0ull << 40, ~0ull << 32, ~0ull << 24, ~0ull << 16, ~0ull << 8,
    ~0ull, ~0ull,       ~0ull,       ~0ull,       ~0ull,       ~0ull};

}  // namespace

// Where a number ends is found before it is read, so that several are under way at a time; signs
// and lengths take no branch, since the numbers of one array differ.
std::size_t ScalarDecimals(const char* begin, const char** at_io, const char* end, float* out,
                           std::size_t room) {
  const char* at = *at_io;
  std::size_t count = 0;
  while (count < room && end - at >= 17 && at - begin >= 16) {
    std::uint64_t first, second;
    std::memcpy(&first, at, 8);
    std::memcpy(&second, at + 8, 8);
    const std::uint64_t low = ZeroBytes(first ^ kEachByte * ',');
    const std::uint64_t high = ZeroBytes(second ^ kEachByte * ',');
    const int size = low != 0 ? std::countr_zero(low) / 8 : 8 + std::countr_zero(high) / 8;
    const int negative = (first & 0xFF) == '-';
    const int some = size - 2 - negative;  // Digits behind the point.
    const auto whole = static_cast<unsigned char>(at[negative] - '0');
    if (at[size] != ',' || some < 1 || some > kDecimalsMax || whole > 9 ||
        at[negative + 1] != '.') {
      break;
    }
    // The sixteen characters before the comma, those before the digits made 0.
    std::memcpy(&first, at + size - 16, 8);
    std::memcpy(&second, at + size - 8, 8);
    first = (first ^ kEachByte * '0') & kLastBytes[some];
    second = (second ^ kEachByte * '0') & kLastBytes[some + 8];
    if ((NoDigits(first) | NoDigits(second)) != 0) break;
    const std::uint64_t digits =
        whole * kWholeTens[some] + EightValues(first) * 100'000'000 + EightValues(second);
    const double value = static_cast<double>(digits) * kTenths[some];
    if (NearMiddle(value)) break;
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    out[count++] = std::bit_cast<float>(bits | static_cast<std::uint32_t>(negative) << 31);
    at += size + 1;
  }
  *at_io = at;
  return count;
}

}  // namespace malmoi::kernels
