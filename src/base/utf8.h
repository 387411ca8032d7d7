#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace malmoi {

// One decoded code point. `size` is the number of bytes read, 0 only at the end of the text.
// A byte that does not start a well-formed sequence (Unicode 15, table 3-7: no surrogates, no
// overlong forms, at most U+10FFFF) is read alone as U+FFFD with valid = false.
struct Rune {
  char32_t value = 0;
  std::uint8_t size = 0;
  bool valid = true;
};
Rune DecodeRune(std::string_view text, std::size_t at);

// Appends the UTF-8 form; a surrogate or a value past U+10FFFF is written as U+FFFD.
void AppendRune(std::string* out, char32_t value);

bool IsValidUtf8(std::string_view text);
// Each ill-formed byte becomes U+FFFD; well-formed text is returned unchanged.
std::string ToValidUtf8(std::string_view text);
// Number of code points, ill-formed bytes counted one each.
std::size_t CountRunes(std::string_view text);
// The largest position <= at that does not cut a code point of valid UTF-8.
std::size_t FloorRune(std::string_view text, std::size_t at);

}  // namespace malmoi
