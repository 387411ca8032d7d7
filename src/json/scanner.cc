#include "json/scanner.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/utf8.h"

namespace malmoi::json {
namespace {

constexpr int kDepthMax = 100;
constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

// Powers of ten that a double holds exactly.
constexpr double kTens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
// A product with one is off by an ulp or two, as NearMiddle allows.
constexpr double kTenths[] = {1e-0, 1e-1, 1e-2, 1e-3,  1e-4,  1e-5,  1e-6,
                              1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13};
// Element n keeps the last n - 8 bytes in memory of eight.
constexpr std::uint64_t kLastBytes[] = {
    0,     0,           0,           0,           0,           0,           0,           0,
    0,     ~0ull << 56, ~0ull << 48, ~0ull << 40, ~0ull << 32, ~0ull << 24, ~0ull << 16, ~0ull << 8,
    ~0ull, ~0ull,       ~0ull,       ~0ull,       ~0ull,       ~0ull};
constexpr int kPlainDigits = 13;
constexpr int kDigitsMax = 19;  // Of a u64, whatever they are.

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// High bits where a byte of `x` is 0.
std::uint64_t Zeros(std::uint64_t x) {
  return (x - kOnes) & ~x & kHighs;
}

// Whether a byte ends a run of plain ones: a quotation mark, a backslash, a control character, or
// one that is not ASCII.
bool HasSpecial(std::uint64_t x) {
  const std::uint64_t control = (x - kOnes * 0x20) & ~x & kHighs;
  return (Zeros(x ^ kOnes * '"') | Zeros(x ^ kOnes * '\\') | control | (x & kHighs)) != 0;
}

bool AreDigits(std::uint64_t x) {
  return ((x & 0xF0F0F0F0F0F0F0F0) | (((x + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
         0x3333333333333333;
}

// Eight digits' values, the first in the lowest byte, as a number: pairs, then fours, then all.
std::uint64_t EightValues(std::uint64_t x) {
  x = x * 10 + (x >> 8);
  constexpr std::uint64_t kMask = 0x000000FF000000FF;
  return ((x & kMask) * 0x000F424000000064 + ((x >> 16) & kMask) * 0x0000271000000001) >> 32;
}

std::uint64_t EightDigits(std::uint64_t x) {
  return EightValues(x - 0x3030303030303030);
}

// High bits where a byte of `x`, a character less '0', is no digit. Those above the lowest may be
// wrong.
std::uint64_t NoDigits(std::uint64_t x) {
  return ((x + 0x7676767676767676) | x) & kHighs;
}

constexpr std::uint64_t kWholeTens[] = {1,
                                        10,
                                        100,
                                        1'000,
                                        10'000,
                                        100'000,
                                        1'000'000,
                                        10'000'000,
                                        100'000'000,
                                        1'000'000'000,
                                        10'000'000'000,
                                        100'000'000'000,
                                        1'000'000'000'000,
                                        10'000'000'000'000,
                                        100'000'000'000'000,
                                        1'000'000'000'000'000};

// The digits at `at`, where 16 characters are readable: how many there are (16: perhaps more), and
// their number. Without a branch: numbers of one array differ in length.
int SomeDigits(const char* at, std::uint64_t* number) {
  __extension__ using U128 = unsigned __int128;
  std::uint64_t first, second;
  std::memcpy(&first, at, 8);
  std::memcpy(&second, at + 8, 8);
  first ^= kOnes * '0';
  second ^= kOnes * '0';
  const int low = std::countr_zero(NoDigits(first)) / 8;  // 8: all eight are.
  const int high = std::countr_zero(NoDigits(second)) / 8;
  const int count = low + (low == 8 ? high : 0);
  if (count == 0) return 0;
  // The last digit goes to the last byte, zeros come in before the first.
  const U128 digits = (static_cast<U128>(second) << 64 | first) << (8 * (16 - count));
  *number = EightValues(static_cast<std::uint64_t>(digits)) * 100'000'000 +
            EightValues(static_cast<std::uint64_t>(digits >> 64));
  return count;
}

// Whether a double is within some ulps of the middle between two floats.
bool NearMiddle(double value) {
  const auto low = std::bit_cast<std::uint64_t>(value) & 0x1FFFFFFF;  // What a float lacks.
  return low - 0x0FFFFFF0 <= 0x20;
}

}  // namespace

bool Scanner::String(bool escapes) {
  if (at_ == end_ || *at_ != '"') return false;
  const char* begin = ++at_;
  bool ascii = true;
  for (;;) {
    std::uint64_t eight;
    while (end_ - at_ >= 8 && (std::memcpy(&eight, at_, 8), !HasSpecial(eight))) at_ += 8;
    if (at_ == end_) return false;
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') break;
    if (c < 0x20) return false;
    ascii = ascii && c < 0x80;
    if (c != '\\') {
      ++at_;
    } else if (!escapes || !Escape()) {
      return false;
    }
  }
  const std::string_view text(begin, static_cast<std::size_t>(at_ - begin));
  ++at_;
  return ascii || IsValidUtf8(text);
}

bool Scanner::Escape() {
  if (end_ - at_ < 2) return false;
  const char c = at_[1];
  if (c != 'u') {
    at_ += 2;
    return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
  }
  if (end_ - at_ < 6) return false;
  std::uint16_t unit = 0;
  const auto [stop, error] = std::from_chars(at_ + 2, at_ + 6, unit, 16);
  const bool surrogate = unit >= 0xD800 && unit < 0xE000;
  if (error != std::errc() || stop != at_ + 6 || surrogate) return false;
  at_ += 6;
  return true;
}

bool Scanner::PlainString(std::string_view* out) {
  Blanks();
  const char* begin = at_;
  if (!String(false)) return false;
  *out = {begin + 1, static_cast<std::size_t>(at_ - begin - 2)};
  return true;
}

bool Scanner::Word(std::string_view word) {
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

bool Scanner::Null() {
  Blanks();
  return Word("null");
}

bool Scanner::Digits() {
  const char* begin = at_;
  while (at_ != end_ && IsDigit(*at_)) ++at_;
  return at_ != begin;
}

bool Scanner::Uint(std::uint64_t* out) {
  Blanks();
  const char* begin = at_;
  if (!Digits() || (*begin == '0' && at_ != begin + 1)) return false;
  const auto [stop, error] = std::from_chars(begin, at_, *out);
  const bool whole = at_ == end_ || (*at_ != '.' && *at_ != 'e' && *at_ != 'E');
  return error == std::errc() && stop == at_ && whole;
}

bool Scanner::Number() {
  if (at_ != end_ && *at_ == '-') ++at_;
  const char* begin = at_;
  if (!Digits() || (*begin == '0' && at_ != begin + 1)) return false;
  // Fewer digits than could be too large for a 64-bit integer, and for a double with an exponent.
  if (at_ - begin >= kDigitsMax) return false;
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    if (!Digits()) return false;
  }
  if (at_ == end_ || (*at_ != 'e' && *at_ != 'E')) return true;
  ++at_;
  if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
  const char* exponent = at_;
  return Digits() && at_ - exponent <= 2;
}

bool Scanner::Plain(Scalar* kind, std::int64_t* integer, double* number) {
  Blanks();
  if (at_ == end_) return false;
  switch (*at_) {
    case 'n':
      *kind = Scalar::kNull;
      return Word("null");
    case 'f':
      *kind = Scalar::kFalse;
      return Word("false");
    case 't':
      *kind = Scalar::kTrue;
      return Word("true");
    default:
      break;
  }
  const char* begin = at_;
  if (!Number()) return false;
  const std::string_view text(begin, static_cast<std::size_t>(at_ - begin));
  if (text.find_first_of(".eE") == std::string_view::npos) {
    *kind = Scalar::kInt;
    const auto [stop, error] = std::from_chars(begin, at_, *integer);
    return error == std::errc() && stop == at_;
  }
  *kind = Scalar::kDouble;
  const auto [stop, error] = std::from_chars(begin, at_, *number);
  return error == std::errc() && stop == at_;
}

bool Scanner::SlowFloat(const char* begin, float* out) {
  at_ = begin;
  if (!Number()) return false;
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, at_, value);
  *out = static_cast<float>(value);
  return error == std::errc() && stop == at_;
}

// The digits as an integer, divided by a power of ten. That double may be off by an ulp or two,
// which matters only where it stands that near to the middle between two floats.
bool Scanner::Float(float* out) {
  Blanks();
  const char* begin = at_;
  const bool negative = at_ != end_ && *at_ == '-';
  if (negative) ++at_;
  const char* first = at_;
  std::uint64_t digits = 0;
  while (at_ != end_ && IsDigit(*at_)) digits = digits * 10 + static_cast<unsigned>(*at_++ - '0');
  std::ptrdiff_t count = at_ - first;
  if (count == 0 || (*first == '0' && count > 1)) return false;
  std::ptrdiff_t fraction = 0;
  if (at_ != end_ && *at_ == '.') {
    const char* point = ++at_;
    std::uint64_t eight;
    std::uint64_t number = 0;
    const int some = end_ - at_ >= 16 && count < 4 ? SomeDigits(at_, &number) : 16;
    if (some < 16) {
      digits = digits * kWholeTens[some] + number;
      at_ += some;
    }
    while (some == 16 && end_ - at_ >= 8 && (std::memcpy(&eight, at_, 8), AreDigits(eight))) {
      digits = digits * 100'000'000 + EightDigits(eight);
      at_ += 8;
    }
    while (some == 16 && at_ != end_ && IsDigit(*at_)) {
      digits = digits * 10 + static_cast<unsigned>(*at_++ - '0');
    }
    fraction = at_ - point;
    if (fraction == 0) return false;
    count += fraction;
  }
  const bool exponent = at_ != end_ && (*at_ == 'e' || *at_ == 'E');
  if (count > kDigitsMax || exponent) return SlowFloat(begin, out);
  const double value = static_cast<double>(digits) / kTens[fraction];
  if (NearMiddle(value)) return SlowFloat(begin, out);
  // All that is not 0 is at least 1e-19 and at most 1e19 here: no float is subnormal or too large.
  const bool minus = negative && (digits != 0 || fraction != 0);  // The integer -0 is 0.
  *out = static_cast<float>(minus ? -value : value);
  return true;
}

// Numbers as writers make them, "-0.123,": a digit, a point, up to 13 digits and the comma, without
// a blank. Takes as many as there are, to the start of the one after. Where a number ends is found
// before it is read, so that several are under way at a time; signs and lengths take no branch,
// since the numbers of one array differ.
void Scanner::PlainFloats(std::vector<float>* out) {
  const char* at = at_;
  std::array<float, 64> taken;  // The vector's own end would be written for each.
  std::size_t count = 0;
  while (end_ - at >= 16 && at - begin_ >= 16) {
    std::uint64_t first, second;
    std::memcpy(&first, at, 8);
    std::memcpy(&second, at + 8, 8);
    const std::uint64_t low = Zeros(first ^ kOnes * ',');
    const std::uint64_t high = Zeros(second ^ kOnes * ',');
    const int size = low != 0 ? std::countr_zero(low) / 8 : 8 + std::countr_zero(high) / 8;
    const int negative = (first & 0xFF) == '-';
    const int some = size - 2 - negative;  // Digits behind the point.
    const auto whole = static_cast<unsigned char>(at[negative] - '0');
    if (size == 16 || some < 1 || some > kPlainDigits || whole > 9 || at[negative + 1] != '.')
      break;
    // The sixteen characters before the comma, those before the digits made 0.
    std::memcpy(&first, at + size - 16, 8);
    std::memcpy(&second, at + size - 8, 8);
    first = (first ^ kOnes * '0') & kLastBytes[some];
    second = (second ^ kOnes * '0') & kLastBytes[some + 8];
    if ((NoDigits(first) | NoDigits(second)) != 0) break;
    const std::uint64_t digits =
        whole * kWholeTens[some] + EightValues(first) * 100'000'000 + EightValues(second);
    const double value = static_cast<double>(digits) * kTenths[some];
    if (NearMiddle(value)) break;
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    taken[count++] = std::bit_cast<float>(bits | static_cast<std::uint32_t>(negative) << 31);
    at += size + 1;
    if (count < taken.size()) continue;
    out->insert(out->end(), taken.begin(), taken.end());
    count = 0;
  }
  out->insert(out->end(), taken.begin(), taken.begin() + count);
  at_ = at;
}

bool Scanner::Floats(std::vector<float>* out) {
  out->clear();
  if (!Take('[')) return false;
  if (Take(']')) return true;
  out->reserve(floats_);  // Of the last array: lists are mostly of one length.
  do {
    PlainFloats(out);
    if (!Float(&out->emplace_back())) return false;
  } while (Take(','));
  floats_ = out->size();
  return Take(']');
}

bool Scanner::Members(int depth) {
  std::string_view ignored;
  ++at_;
  if (Take('}')) return true;
  do {
    Blanks();
    if (!String(true) || !Take(':') || !Value(&ignored, depth + 1)) return false;
  } while (Take(','));
  return Take('}');
}

bool Scanner::Items(int depth) {
  std::string_view ignored;
  ++at_;
  if (Take(']')) return true;
  do {
    if (!Value(&ignored, depth + 1)) return false;
  } while (Take(','));
  return Take(']');
}

bool Scanner::Value(std::string_view* out, int depth) {
  Blanks();
  if (at_ == end_ || depth > kDepthMax) return false;
  const char* begin = at_;
  bool ok = false;
  switch (*at_) {
    case '{':
      ok = Members(depth);
      break;
    case '[':
      ok = Items(depth);
      break;
    case '"':
      ok = String(true);
      break;
    case 't':
      ok = Word("true");
      break;
    case 'f':
      ok = Word("false");
      break;
    case 'n':
      ok = Word("null");
      break;
    default:
      ok = Number();
  }
  *out = {begin, static_cast<std::size_t>(at_ - begin)};
  return ok;
}

}  // namespace malmoi::json
