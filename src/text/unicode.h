#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text {

// Normalisation Form C of valid UTF-8 (utf8proc); text that is NFC already is copied unchanged.
std::string Nfc(std::string_view text);

// NFC together with the way back: origin[i] is the byte in the given text where the code point at
// byte i of `text` began; one entry a byte of `text`, and one past the end.
struct NormalizedText {
  std::string text;
  std::vector<std::uint32_t> origin;
};
NormalizedText NfcWithOrigins(std::string_view text);

}  // namespace malmoi::text
