#include "text/tokenizer/chars.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>

#include "text/tokenizer/regex_sets_internal.h"

namespace malmoi::text {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode 16 additions to \w.
constexpr Range kNewWord[] = {
    {0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},
    {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A},
    {0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79},
    {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
};
// Unicode 16 and 17 additions to N*.
constexpr Range kNewNumeric[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9},
    {0x11DE0, 0x11DE9}, {0x16130, 0x16139}, {0x16D70, 0x16D79},
    {0x16FF4, 0x16FF6}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};
// Unicode 16 and 17 additions to lower-casing: [first, last] by steps, plus the distance.
struct CaseRange {
  char32_t first;
  char32_t last;
  char32_t step;
  std::int32_t distance;
};
constexpr CaseRange kNewCase[] = {
    {0x1C89, 0x1C89, 1, 1},      {0xA7CB, 0xA7CB, 1, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CE, 2, 1},      {0xA7D2, 0xA7D4, 2, 1},
    {0xA7DA, 0xA7DA, 1, 1},      {0xA7DC, 0xA7DC, 1, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 1, 0x20}, {0x16EA0, 0x16EB8, 1, 0x1B},
};

template <std::size_t n>
bool In(const Range (&ranges)[n], char32_t c) {
  const auto* end = std::end(ranges);
  const auto* it = std::upper_bound(std::begin(ranges), end, c,
                                    [](char32_t value, const Range& r) { return value <= r.last; });
  return it != end && c >= it->first;
}

bool NoNewerThan(char32_t c, int major) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && age[0] <= major;
}

std::uint32_t Mask(char32_t c) {
  return U_MASK(u_charType(static_cast<UChar32>(c)));
}

bool IsBertDropped(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c == 0 || c == 0xFFFD) return true;
  return (Mask(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0 && NoNewerThan(c, 8);
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return c > 0x20 && c < 0x7F && !(c >= '0' && c <= '9') &&
           !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  }
  // Two characters whose category changed after Unicode 8.
  if (c == 0x166D || c == 0x111C9) return true;
  return (Mask(c) & U_GC_P_MASK) != 0 && NoNewerThan(c, 8);
}

bool IsNonspacing(char32_t c) {
  // Five characters whose category changed after Unicode 8.
  if (c == 0x1734) return true;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  return (Mask(c) & U_GC_MN_MASK) != 0 && NoNewerThan(c, 8);
}

bool IsMark(char32_t c) {
  // Three characters whose category changed after Unicode 9.
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  if (c == 0x111C9) return false;
  return (Mask(c) & U_GC_M_MASK) != 0 && NoNewerThan(c, 9);
}

bool IsWord(char32_t c) {
  const auto u = static_cast<UChar32>(c);
  return u_hasBinaryProperty(u, UCHAR_ALPHABETIC) != 0 ||
         (Mask(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(u, UCHAR_JOIN_CONTROL) != 0 || In(kNewWord, c);
}

// The blocks that BERT's reference code lists; U+2B820 to U+2B91F are missing there too.
bool IsIdeograph(char32_t c) {
  constexpr Range kBlocks[] = {
      {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
      {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
  };
  return In(kBlocks, c);
}

bool IsConjunctConsonant(char32_t c) {
  const auto u = static_cast<UChar32>(c);
  if (u_getIntPropertyValue(u, UCHAR_INDIC_SYLLABIC_CATEGORY) != U_INSC_CONSONANT) return false;
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(u, &error)) {
    case USCRIPT_BENGALI:
    case USCRIPT_DEVANAGARI:
    case USCRIPT_GUJARATI:
    case USCRIPT_MALAYALAM:
    case USCRIPT_ORIYA:
    case USCRIPT_TELUGU:
      return true;
    default:
      return false;
  }
}

bool IsConjunctLinker(char32_t c) {
  return c == 0x94D || c == 0x9CD || c == 0xACD || c == 0xB4D || c == 0xC4D || c == 0xD4D;
}

Cluster FindCluster(char32_t c) {
  switch (u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK)) {
    case U_GCB_CONTROL:
      return Cluster::kControl;
    case U_GCB_CR:
      return Cluster::kCr;
    case U_GCB_LF:
      return Cluster::kLf;
    case U_GCB_EXTEND:
      return Cluster::kExtend;
    case U_GCB_ZWJ:
      return Cluster::kZwj;
    case U_GCB_REGIONAL_INDICATOR:
      return Cluster::kRegional;
    case U_GCB_PREPEND:
      return Cluster::kPrepend;
    case U_GCB_SPACING_MARK:
      return Cluster::kSpacingMark;
    case U_GCB_L:
      return Cluster::kL;
    case U_GCB_V:
      return Cluster::kV;
    case U_GCB_T:
      return Cluster::kT;
    case U_GCB_LV:
      return Cluster::kLv;
    case U_GCB_LVT:
      return Cluster::kLvt;
    default:
      return Cluster::kOther;
  }
}

const UNormalizer2* Composer(bool compatibility) {
  UErrorCode error = U_ZERO_ERROR;  // Built into the library: cannot fail.
  return compatibility ? unorm2_getNFKCInstance(&error) : unorm2_getNFCInstance(&error);
}

icu::UnicodeSet RegexProperty(const char* name) {
  icu::UnicodeSet set;
  FindRegexProperty(name, true, &set);
  set.freeze();
  return set;
}

bool HasDecomposition(char32_t c, bool compatibility) {
  char32_t out[kMaxDecomposition];
  return Decompose(c, compatibility, out) != 1 || out[0] != c;
}

const icu::UnicodeSet& RegexLetters() {
  static const icu::UnicodeSet set = RegexProperty("L");
  return set;
}
const icu::UnicodeSet& RegexNumbers() {
  static const icu::UnicodeSet set = RegexProperty("N");
  return set;
}

std::uint32_t ComputeFlags(char32_t c) {
  char32_t lower[2];
  const auto u = static_cast<UChar32>(c);
  std::uint32_t flags = static_cast<std::uint32_t>(FindCluster(c)) << kClusterShift;
  const auto set = [&](bool on, CharFlag flag) {
    if (on) flags |= flag;
  };
  set(u_isUWhiteSpace(u) != 0, kSpace);
  set(IsBertDropped(c), kBertDropped);
  set(IsPunctuation(c), kPunctuation);
  set(IsNonspacing(c), kNonspacing);
  set(IsMark(c), kMark);
  set((Mask(c) & U_GC_N_MASK) != 0 || In(kNewNumeric, c), kNumeric);
  set(IsWord(c), kWord);
  set(IsIdeograph(c), kIdeograph);
  set(CombiningClass(c) != 0, kReordered);
  set(LowerCase(c, lower) != 1 || lower[0] != c, kHasLower);
  set(HasDecomposition(c, false), kDecomposes);
  set(HasDecomposition(c, true), kDecomposesK);
  set(u_hasBinaryProperty(u, UCHAR_EXTENDED_PICTOGRAPHIC) != 0, kPictographic);
  set(IsConjunctConsonant(c), kConjunctConsonant);
  set(IsConjunctLinker(c), kConjunctLinker);
  set(RegexLetters().contains(u), kLetter);
  set(RegexNumbers().contains(u), kNumber);
  return flags;
}

// The basic plane, and the block of the emoji behind it.
constexpr char32_t kBasicEnd = 0x10000, kEmoji = 0x1F000, kEmojiEnd = 0x1FB00;
using FlagTable = std::array<std::uint32_t, kBasicEnd + kEmojiEnd - kEmoji>;
std::unique_ptr<const FlagTable> MakeFlagTable() {
  auto table = std::make_unique<FlagTable>();
  for (char32_t c = 0; c < kBasicEnd; ++c) (*table)[c] = ComputeFlags(c);
  for (char32_t c = kEmoji; c < kEmojiEnd; ++c) (*table)[kBasicEnd + c - kEmoji] = ComputeFlags(c);
  return table;
}

}  // namespace

std::uint32_t FlagsOf(char32_t c) {
  static const std::unique_ptr<const FlagTable> table = MakeFlagTable();
  if (c < kBasicEnd) return (*table)[c];
  if (c >= kEmoji && c < kEmojiEnd) return (*table)[kBasicEnd + c - kEmoji];
  return ComputeFlags(c);
}

int ScriptOf(char32_t c) {
  if (c == ' ' || !NoNewerThan(c, 9)) return -1;
  // Four characters whose script changed after Unicode 9.
  if (c == 0x589 || c == 0x61C) return USCRIPT_COMMON;
  if (c == 0x953 || c == 0x954) return USCRIPT_DEVANAGARI;
  UErrorCode error = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(static_cast<UChar32>(c), &error);
  if (script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || c == 0x30FC) return USCRIPT_HAN;
  return script == USCRIPT_UNKNOWN ? -1 : script;
}

int LowerCase(char32_t c, char32_t* out) {
  if (c == 0x130) {  // The only character whose full lower-case form is longer.
    out[0] = 'i';
    out[1] = 0x307;
    return 2;
  }
  out[0] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  for (const CaseRange& r : kNewCase) {
    if (c >= r.first && c <= r.last && (c - r.first) % r.step == 0) {
      out[0] = static_cast<char32_t>(static_cast<std::int32_t>(c) + r.distance);
    }
  }
  return 1;
}

int Decompose(char32_t c, bool compatibility, char32_t* out) {
  constexpr char32_t kSyllables = 0xAC00, kVowels = 21, kTails = 28;
  if (c >= kSyllables && c < kSyllables + 11172) {
    const char32_t index = c - kSyllables;
    out[0] = 0x1100 + index / (kVowels * kTails);
    out[1] = 0x1161 + index % (kVowels * kTails) / kTails;
    if (index % kTails == 0) return 2;
    out[2] = 0x11A7 + index % kTails;
    return 3;
  }
  UChar units[2 * kMaxDecomposition];
  UErrorCode error = U_ZERO_ERROR;
  const std::int32_t length = unorm2_getDecomposition(
      Composer(compatibility), static_cast<UChar32>(c), units, std::size(units), &error);
  if (length < 0 || U_FAILURE(error) || !NoNewerThan(c, 9)) {
    out[0] = c;
    return 1;
  }
  int count = 0;
  for (std::int32_t i = 0; i < length && count < kMaxDecomposition;) {
    UChar32 part = 0;
    U16_NEXT(units, i, length, part);
    out[count++] = static_cast<char32_t>(part);
  }
  return count;
}

std::uint8_t CombiningClass(char32_t c) {
  const std::uint8_t value = u_getCombiningClass(static_cast<UChar32>(c));
  return value != 0 && NoNewerThan(c, 9) ? value : 0;
}

char32_t Compose(char32_t a, char32_t b) {
  const UChar32 both =
      unorm2_composePair(Composer(false), static_cast<UChar32>(a), static_cast<UChar32>(b));
  return both > 0 && NoNewerThan(static_cast<char32_t>(both), 9) ? static_cast<char32_t>(both) : 0;
}

bool ClusterBreaker::Joins(std::uint32_t flags, Cluster next) const {
  using enum Cluster;
  if (previous_ == kCr && next == kLf) return true;
  if (previous_ == kControl || previous_ == kCr || previous_ == kLf) return false;
  if (next == kControl || next == kCr || next == kLf) return false;
  if (next == kExtend || next == kZwj || next == kSpacingMark || previous_ == kPrepend) return true;
  if (previous_ == kL) return next == kL || next == kV || next == kLv || next == kLvt;
  if ((previous_ == kLv || previous_ == kV) && next == kV) return true;
  if (next == kT) {
    return previous_ == kLv || previous_ == kV || previous_ == kLvt || previous_ == kT;
  }
  if (consonant_linker_ && (flags & kConjunctConsonant) != 0) return true;
  if (pictographic_zwj_ && (flags & kPictographic) != 0) return true;
  return odd_regionals_ && next == kRegional;
}

bool ClusterBreaker::BreaksBefore(std::uint32_t flags) {
  const Cluster next = ClusterOf(flags);
  const bool joins = Joins(flags, next);
  const bool extends = next == Cluster::kExtend || next == Cluster::kZwj;
  pictographic_zwj_ = pictographic_ && next == Cluster::kZwj;
  pictographic_ = (flags & kPictographic) != 0 || (pictographic_ && next == Cluster::kExtend);
  consonant_linker_ =
      consonant_ && ((flags & kConjunctLinker) != 0 || (consonant_linker_ && extends));
  consonant_ = (flags & kConjunctConsonant) != 0 || (consonant_ && extends);
  odd_regionals_ = next == Cluster::kRegional && !(odd_regionals_ && joins);
  previous_ = next;
  return !joins;
}

}  // namespace malmoi::text
