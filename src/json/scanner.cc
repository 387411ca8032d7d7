#include "json/scanner.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/digits.h"
#include "base/utf8.h"
#include "kernels/decimals.h"

namespace malmoi::json {
namespace {

constexpr int kDepthMax = 100;
// Powers of ten that a double holds exactly.
constexpr double kTens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int kDigitsMax = 19;  // Of a u64, whatever they are.

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Whether a byte ends a run of plain ones: a quotation mark, a backslash, a control character, or
// one that is not ASCII.
bool HasSpecial(std::uint64_t x) {
  const std::uint64_t control = (x - kEachByte * 0x20) & ~x & kHighBits;
  return (ZeroBytes(x ^ kEachByte * '"') | ZeroBytes(x ^ kEachByte * '\\') | control |
          (x & kHighBits)) != 0;
}

bool AreDigits(std::uint64_t x) {
  return ((x & 0xF0F0F0F0F0F0F0F0) | (((x + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
         0x3333333333333333;
}

std::uint64_t EightDigits(std::uint64_t x) {
  return EightValues(x - 0x3030303030303030);
}

// The digits at `at`, where 16 characters are readable: how many there are (16: perhaps more), and
// their number. Without a branch: numbers of one array differ in length.
int SomeDigits(const char* at, std::uint64_t* number) {
  __extension__ using U128 = unsigned __int128;
  std::uint64_t first, second;
  std::memcpy(&first, at, 8);
  std::memcpy(&second, at + 8, 8);
  first ^= kEachByte * '0';
  second ^= kEachByte * '0';
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

// Numbers as writers make them, "-0.123,": as many as stand there, to the start of the one after.
void Scanner::PlainFloats(std::vector<float>* out) {
  const std::string_view text(begin_, static_cast<std::size_t>(end_ - begin_));
  std::array<float, 128> taken;
  kernels::DecimalsRead read;
  do {
    read = kernels::ReadDecimals(text, static_cast<std::size_t>(at_ - begin_), taken);
    out->insert(out->end(), taken.begin(), taken.begin() + read.count);
    at_ += read.bytes;
  } while (read.count == taken.size());
}

bool Scanner::Floats(std::vector<float>* out) {
  out->clear();
  out->reserve(floats_);  // Of the last array: lists are mostly of one length.
  const bool ok = MoreFloats(out);
  floats_ = out->size();
  return ok;
}

bool Scanner::MoreFloats(std::vector<float>* out) {
  if (!Take('[')) return false;
  if (Take(']')) return true;
  do {
    PlainFloats(out);
    if (!Float(&out->emplace_back())) return false;
  } while (Take(','));
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
