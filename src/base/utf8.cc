#include "base/utf8.h"

namespace malmoi {
namespace {

bool IsTail(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

}  // namespace

Rune DecodeRune(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + at;
  const std::size_t left = text.size() - at;
  constexpr Rune kBad{0xFFFD, 1, false};
  const unsigned char a = p[0];
  if (a < 0x80) return {a, 1, true};
  if (a < 0xC2 || a > 0xF4) return kBad;
  if (left < 2 || !IsTail(p[1])) return kBad;
  if (a < 0xE0) return {static_cast<char32_t>((a & 0x1F) << 6 | (p[1] & 0x3F)), 2, true};
  if (a < 0xF0) {
    if ((a == 0xE0 && p[1] < 0xA0) || (a == 0xED && p[1] > 0x9F)) return kBad;
    if (left < 3 || !IsTail(p[2])) return kBad;
    return {static_cast<char32_t>((a & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F)), 3, true};
  }
  if ((a == 0xF0 && p[1] < 0x90) || (a == 0xF4 && p[1] > 0x8F)) return kBad;
  if (left < 4 || !IsTail(p[2]) || !IsTail(p[3])) return kBad;
  return {static_cast<char32_t>((a & 0x07) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 |
                                (p[3] & 0x3F)),
          4, true};
}

void AppendRune(std::string* out, char32_t value) {
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) value = 0xFFFD;
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

bool IsValidUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Rune r = DecodeRune(text, i);
    if (!r.valid) return false;
    i += r.size;
  }
  return true;
}

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Rune r = DecodeRune(text, i);
    r.valid ? void(out.append(text.substr(i, r.size))) : AppendRune(&out, r.value);
    i += r.size;
  }
  return out;
}

std::size_t CountRunes(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++count) i += DecodeRune(text, i).size;
  return count;
}

std::size_t FloorRune(std::string_view text, std::size_t at) {
  if (at >= text.size()) return text.size();
  while (at > 0 && IsTail(static_cast<unsigned char>(text[at]))) --at;
  return at;
}

}  // namespace malmoi
