#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace malmoi::text {
namespace {

// True for a code point that NFC may replace or join to the one before it. The rest are starters
// that begin a stretch of their own: text without marks, jamo and the like is copied whole.
bool MayChange(char32_t c) {
  if (c < 0x300) return false;
  if (c >= 0x0400 && c <= 0x0482) return false;
  if (c >= 0x2010 && c <= 0x2027) return false;
  if (c >= 0x3001 && c <= 0x3029) return false;
  if (c >= 0x3041 && c <= 0x3098) return false;  // Kana; the marks U+3099 and on compose.
  if (c >= 0x30A0 && c <= 0x30FF) return false;
  if (c >= 0x4E00 && c <= 0x9FFF) return false;
  if (c >= 0xAC00 && c <= 0xD7A3) return false;  // Changes only if a jamo follows.
  if (c >= 0xFF01 && c <= 0xFF5E) return false;
  return true;
}

// NFC of one stretch, as code points, through utf8proc's canonical decomposition.
void ComposeStretch(std::string_view stretch, std::vector<utf8proc_int32_t>* buffer,
                    std::string* out) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(stretch.data());
  const auto size = static_cast<utf8proc_ssize_t>(stretch.size());
  buffer->resize(stretch.size() * 3 + 8);
  auto length =
      utf8proc_decompose(bytes, size, buffer->data(), static_cast<utf8proc_ssize_t>(buffer->size()),
                         UTF8PROC_DECOMPOSE);
  if (length > static_cast<utf8proc_ssize_t>(buffer->size())) {
    buffer->resize(static_cast<std::size_t>(length) + 1);
    length = utf8proc_decompose(bytes, size, buffer->data(), length, UTF8PROC_DECOMPOSE);
  }
  if (length < 0) {  // Not UTF-8: the contract excludes it; keep the bytes.
    out->append(stretch);
    return;
  }
  length = utf8proc_normalize_utf32(
      buffer->data(), length, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    AppendRune(out, static_cast<char32_t>((*buffer)[static_cast<std::size_t>(i)]));
  }
}

// Calls copy(begin, end) for stretches that stay as they are and compose(begin, end) for those
// that may change, in order, covering `text`.
template <class Copy, class Compose>
void Stretches(std::string_view text, Copy copy, Compose compose) {
  std::size_t begin = 0;     // Of what was not handed out yet.
  std::size_t last_cut = 0;  // Last position where a cut is safe.
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      last_cut = at++;
      continue;
    }
    Rune rune = DecodeRune(text, at);
    if (!MayChange(rune.value)) {
      last_cut = at;
      at += rune.size;
      continue;
    }
    // The stretch runs from the last safe cut (the base of this mark) to the next code point
    // that nothing before can join.
    std::size_t end = at + rune.size;
    while (end < text.size()) {
      rune = DecodeRune(text, end);
      if (!MayChange(rune.value)) break;
      end += rune.size;
    }
    if (last_cut < begin) last_cut = begin;
    if (last_cut > begin) copy(begin, last_cut);
    compose(last_cut, end);
    begin = last_cut = at = end;
  }
  if (begin < text.size()) copy(begin, text.size());
}

}  // namespace

std::string Nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::vector<utf8proc_int32_t> buffer;
  Stretches(
      text, [&](std::size_t b, std::size_t e) { out.append(text.substr(b, e - b)); },
      [&](std::size_t b, std::size_t e) { ComposeStretch(text.substr(b, e - b), &buffer, &out); });
  return out;
}

namespace {

// Where, in a stretch, NFC may be taken piece by piece: before each starter that is not the second
// half of a composition. Pieces are short (a base and its marks), so that origins are exact.
bool StartsPiece(char32_t c) {
  const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  if (property->combining_class != 0) return false;
  if (c >= 0x1160 && c <= 0x11FF) return false;  // Jamo vowels and finals join what precedes.
  // Starters that compose with what precedes them (Bengali AA, Tamil AA, ...).
  static constexpr std::array<char32_t, 20> kSecondHalves = {
      0x09BE, 0x09D7, 0x0B3E, 0x0B56, 0x0B57, 0x0BBE, 0x0BD7,  0x0CC2,  0x0CD5,  0x0CD6,
      0x0D3E, 0x0D57, 0x0DCF, 0x0DDF, 0x102E, 0x1B35, 0x110BA, 0x11127, 0x1133E, 0x11357};
  return std::find(kSecondHalves.begin(), kSecondHalves.end(), c) == kSecondHalves.end() &&
         c != 0x114B0 && c != 0x114BA && c != 0x114BD && c != 0x115AF && c != 0x11930;
}

}  // namespace

NormalizedText NfcWithOrigins(std::string_view text) {
  NormalizedText result;
  result.text.reserve(text.size());
  result.origin.reserve(text.size() + 1);
  std::vector<utf8proc_int32_t> buffer;
  const auto copy = [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end;) {
      const auto size = DecodeRune(text, at).size;
      result.text.append(text.substr(at, size));
      result.origin.insert(result.origin.end(), size, static_cast<std::uint32_t>(at));
      at += size;
    }
  };
  const auto compose = [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end;) {
      std::size_t next = at + DecodeRune(text, at).size;
      while (next < end) {
        const Rune rune = DecodeRune(text, next);
        if (StartsPiece(rune.value)) break;
        next += rune.size;
      }
      ComposeStretch(text.substr(at, next - at), &buffer, &result.text);
      result.origin.resize(result.text.size(), static_cast<std::uint32_t>(at));
      at = next;
    }
  };
  Stretches(text, copy, compose);
  result.origin.push_back(static_cast<std::uint32_t>(text.size()));
  return result;
}

}  // namespace malmoi::text
