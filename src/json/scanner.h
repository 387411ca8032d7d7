#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace malmoi::json {

// Reads JSON forward without building values: for large texts of a known shape, such as lists of
// vectors. Each method skips blanks, then takes what it names, or returns false; after that the
// place is unspecified, and the caller begins anew with Parse, which takes everything and explains
// errors. What is taken is well-formed by Parse's rules; some that Parse takes is refused here
// (escaped surrogates, numbers beyond 19 digits, depth over 100).
//
//   Scanner in(text);
//   if (in.Take('[') && in.Floats(&row) && in.Take(']') && in.AtEnd()) ...
//
// Views point into the text. Not thread-safe.
class Scanner {
 public:
  explicit Scanner(std::string_view text)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  // One of {}[],:
  bool Take(char c) {
    Blanks();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool Peek(char c) {
    Blanks();
    return at_ != end_ && *at_ == c;
  }
  bool AtEnd() {
    Blanks();
    return at_ == end_;
  }
  // A string that has no escapes.
  bool PlainString(std::string_view* out);
  // "null"
  bool Null();
  // null, true, false or a number; those without fraction and exponent are kInt. Of numbers the
  // value is set.
  enum class Scalar : std::uint8_t { kNull, kFalse, kTrue, kInt, kDouble };
  bool Plain(Scalar* kind, std::int64_t* integer, double* number);
  // An integer of 0 to 2^64 - 1, without sign, fraction and exponent.
  bool Uint(std::uint64_t* out);
  // An array of numbers, each rounded to double and then to float, as Parse's values are. About
  // 10 ns a number.
  bool Floats(std::vector<float>* out);
  // The same behind what is in *out.
  bool MoreFloats(std::vector<float>* out);
  // Any value; its text.
  bool Value(std::string_view* out) { return Value(out, 0); }

 private:
  void Blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool Value(std::string_view* out, int depth);
  bool Members(int depth);
  bool Items(int depth);
  bool String(bool escapes);
  bool Escape();
  bool Word(std::string_view word);
  bool Number();
  bool Digits();
  void PlainFloats(std::vector<float>* out);
  bool Float(float* out);
  bool SlowFloat(const char* begin, float* out);

  const char* begin_;
  const char* at_;
  const char* end_;
  std::size_t floats_ = 0;  // Of the last array.
};

}  // namespace malmoi::json
