#include "text/tokenizer/byte_level.h"

#include <array>

#include "base/utf8.h"

namespace malmoi::text {
namespace {

constexpr bool IsVisible(unsigned byte) {
  return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
}

struct Tables {
  std::array<char32_t, 256> chars{};
  std::array<std::int16_t, 0x180> bytes{};
};

constexpr Tables MakeTables() {
  Tables t;
  t.bytes.fill(-1);
  char32_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    t.chars[b] = IsVisible(b) ? b : next++;
    t.bytes[t.chars[b]] = static_cast<std::int16_t>(b);
  }
  return t;
}
constexpr Tables kTables = MakeTables();

}  // namespace

char32_t CharOfByte(unsigned char byte) {
  return kTables.chars[byte];
}

int ByteOfChar(char32_t c) {
  return c < kTables.bytes.size() ? kTables.bytes[c] : -1;
}

void AppendByteLevel(const Normalized& text, std::size_t begin, std::size_t end, Normalized* out) {
  for (std::size_t i = begin; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(text.text[i]);
    const char32_t c = kTables.chars[byte];
    const Encoding::Span span = text.spans[i];
    if (c < 0x80) {
      out->text.push_back(static_cast<char>(c));
      out->spans.push_back(span);
    } else {
      out->text.push_back(static_cast<char>(0xC0 | c >> 6));
      out->text.push_back(static_cast<char>(0x80 | (c & 0x3F)));
      out->spans.push_back(span);
      out->spans.push_back(span);
    }
  }
}

}  // namespace malmoi::text
