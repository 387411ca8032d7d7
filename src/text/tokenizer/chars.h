#pragma once

#include <cstdint>

namespace malmoi::text {

// What the stages ask about a code point, as the imitated package answers it.
//
// The package's parts were built against different Unicode versions, all seen in its answers over
// every code point: general categories in BertNormalizer, BertPreTokenizer and Punctuation are
// those of Unicode 8, normalisation and combining marks those of Unicode 9, \w that of Unicode 16,
// letter case and numbers those of Unicode 17. The library underneath here (ICU 72) knows Unicode
// 15, so each answer is limited by the age of the code point or extended by a short list.
enum CharFlag : std::uint32_t {
  kSpace = 1u << 0,         // White_Space.
  kBertDropped = 1u << 1,   // Cc, Cf, Co but tab and line ends; NUL and U+FFFD.
  kPunctuation = 1u << 2,   // P* and ASCII symbols.
  kNonspacing = 1u << 3,    // Mn.
  kMark = 1u << 4,          // M*.
  kNumeric = 1u << 5,       // N*.
  kWord = 1u << 6,          // \w of regular expressions.
  kIdeograph = 1u << 7,     // BERT's "Chinese characters".
  kReordered = 1u << 8,     // Canonical combining class other than 0.
  kHasLower = 1u << 9,      // Lower-case form differs.
  kDecomposes = 1u << 10,   // Canonical decomposition differs.
  kDecomposesK = 1u << 11,  // Compatibility decomposition differs.
  kPictographic = 1u << 12,
  kConjunctConsonant = 1u << 13,  // Indic_Conjunct_Break, for grapheme rule GB9c.
  kConjunctLinker = 1u << 14,
  kLetter = 1u << 20,  // \p{L} and \p{N} of regular expressions.
  kNumber = 1u << 21,
  kClusterShift = 16,  // Grapheme_Cluster_Break in the bits above, see Cluster.
};

// Grapheme_Cluster_Break, UAX #29.
enum class Cluster : std::uint8_t {
  kOther,
  kControl,
  kCr,
  kLf,
  kExtend,
  kZwj,
  kRegional,
  kPrepend,
  kSpacingMark,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
};

// CharFlags of `c`. Basic plane and emoji: one load from a table that the first call builds (some
// ms).
std::uint32_t FlagsOf(char32_t c);
inline Cluster ClusterOf(std::uint32_t flags) {
  return static_cast<Cluster>(flags >> kClusterShift & 15);
}
inline bool Has(char32_t c, CharFlag flag) {
  return (FlagsOf(c) & flag) != 0;
}

// The script of `c` (a UScriptCode of Unicode 9), with kana as Han; -1 for a space and what has
// none.
int ScriptOf(char32_t c);

// Lower-case form: one or two code points into out[2]; returns how many.
int LowerCase(char32_t c, char32_t* out);

// Full decomposition of one code point into out[kMaxDecomposition]; returns how many.
inline constexpr int kMaxDecomposition = 18;
int Decompose(char32_t c, bool compatibility, char32_t* out);
std::uint8_t CombiningClass(char32_t c);
// The primary composite of two code points; 0 where there is none.
char32_t Compose(char32_t a, char32_t b);

// Finds extended grapheme clusters (UAX #29, Unicode 15.1 rules) in one pass.
class ClusterBreaker {
 public:
  // True if a cluster begins before the code point with these flags. The first call gives true.
  bool BreaksBefore(std::uint32_t flags);

 private:
  bool Joins(std::uint32_t flags, Cluster next) const;
  Cluster previous_ = Cluster::kControl;
  bool odd_regionals_ = false;     // An odd number of regional indicators precedes.
  bool pictographic_ = false;      // Pictographic, then only Extend.
  bool pictographic_zwj_ = false;  // As above, then ZWJ.
  bool consonant_ = false;         // A conjunct consonant, then only Extend and linkers.
  bool consonant_linker_ = false;  // As above with a linker.
};

}  // namespace malmoi::text
