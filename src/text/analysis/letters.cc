#include <unicode/uchar.h>

#include <cstdint>

#include "base/utf8.h"
#include "text/analysis/letters_internal.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {
namespace {

constexpr std::uint32_t Bit(Language language) {
  return std::uint32_t{1} << static_cast<unsigned>(language);
}
static_assert(kLanguages <= 32);

struct LetterHint {
  std::u32string_view letters;
  std::uint32_t owners;  // Bit() of each language.
};
constexpr std::array<LetterHint, 14> kLetterHints = {{
    {U"ğıİĞ", Bit(Language::kTurkish)},
    {U"şŞ", Bit(Language::kTurkish) | Bit(Language::kRomanian)},
    {U"țșăȚȘĂţ", Bit(Language::kRomanian)},
    {U"ß", Bit(Language::kGerman)},
    {U"ä", Bit(Language::kGerman) | Bit(Language::kFinnish) | Bit(Language::kSwedish)},
    {U"ü", Bit(Language::kGerman) | Bit(Language::kTurkish) | Bit(Language::kHungarian)},
    {U"ö", Bit(Language::kGerman) | Bit(Language::kTurkish) | Bit(Language::kHungarian) |
               Bit(Language::kSwedish)},
    {U"ñ¿¡", Bit(Language::kSpanish)},
    {U"ãõ", Bit(Language::kPortuguese)},
    {U"øæ", Bit(Language::kDanish) | Bit(Language::kNorwegian)},
    {U"å", Bit(Language::kSwedish) | Bit(Language::kDanish) | Bit(Language::kNorwegian)},
    {U"őű", Bit(Language::kHungarian)},
    {U"êèùœ", Bit(Language::kFrench)},
    {U"łąężśćńřěůčšž", Bit(Language::kOther)},
}};
// Below a function word's: a name may bring such a letter into any language.
constexpr double kLetterScore = 0.4;

bool IsAnyOf(char32_t c, std::u32string_view set) {
  return set.find(c) != std::u32string_view::npos;
}

void CountAlphabet(char32_t c, Letters* n) {
  if (c < 0x250 || (c >= 0x1E00 && c < 0x1F00)) {
    ++n->latin;
    if (c >= 0x1EA0 || IsAnyOf(c, U"ơưđĐƠƯ")) ++n->vietnamese;
  } else if ((c >= 0x370 && c < 0x400) || (c >= 0x1F00 && c < 0x2000)) {
    ++n->greek;
  } else if (c >= 0x400 && c < 0x530) {
    ++n->cyrillic;
    const bool russian = (c >= 0x410 && c < 0x450) || c == U'Ё' || c == U'ё';
    if (!russian) ++n->foreign_cyrillic;
    if (IsAnyOf(c, U"ыэёЫЭЁ")) ++n->only_russian;
  } else if (c >= 0x600 && c < 0x780) {
    ++n->arabic;
    if (IsAnyOf(c, U"پچژگکیٹڈڑے")) ++n->foreign_arabic;
  } else if (c >= 0x900 && c < 0x980) {
    ++n->devanagari;
  } else if (c >= 0xE00 && c < 0xE80) {
    ++n->thai;
  } else {
    ++n->other;
  }
}

}  // namespace

Letters CountLetters(std::string_view text) {
  Letters n;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    at += rune.size;
    const char32_t c = rune.value;
    if (c < 128) {
      n.latin += (c | 32) >= 'a' && (c | 32) <= 'z';
    } else if (IsHangul(c)) {
      ++n.hangul;
    } else if (IsCjk(c)) {
      ++((c >= 0x3041 && c <= 0x30FF) || (c >= 0x31F0 && c <= 0x31FF) ? n.kana : n.han);
    } else if (u_isalpha(static_cast<UChar32>(c))) {
      CountAlphabet(c, &n);
    }
  }
  return n;
}

void AddLetterHints(std::string_view text, Scores* scores) {
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    at += rune.size;
    if (rune.value < 0xA0 || rune.value >= 0x250) continue;
    for (const LetterHint& hint : kLetterHints) {
      if (!IsAnyOf(rune.value, hint.letters)) continue;
      for (std::size_t i = 0; i < kLanguages; ++i) {
        if ((hint.owners >> i & 1) != 0) (*scores)[i] += kLetterScore;
      }
    }
  }
}

}  // namespace malmoi::text
