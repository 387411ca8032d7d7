#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace malmoi::text {

// How a stretch of text is analysed.
enum class RunKind : std::uint8_t {
  kWord,     // Letters and digits between word boundaries: lower-cased and stemmed.
  kHangul,   // Korean, without the Latin or digits that touch it.
  kCjk,      // Han and Kana, as long as they go on.
  kComplex,  // Thai, Lao, Khmer, Myanmar: no spaces, words by ICU's dictionaries.
};

struct Run {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  RunKind kind = RunKind::kWord;
  bool ascii = true;
};

// True for Hangul syllables and jamo; for Han, Kana and Bopomofo.
bool IsHangul(char32_t c);
bool IsCjk(char32_t c);
// Letters and marks of scripts that need a dictionary to find words.
bool IsComplexContext(char32_t c);

// Ends of all segments between word boundaries of UAX #29 (Unicode as ICU has it), in order, the
// last one text.size(). `text` is valid UTF-8, at most 4 GiB. Linear.
void WordBoundaries(std::string_view text, std::vector<std::uint32_t>* ends);

// The segments with a letter or digit, cut where Hangul, Han/Kana or complex scripts touch other
// letters; neighbouring Han/Kana segments are joined. Appends in order.
void SplitRuns(std::string_view text, std::vector<Run>* runs);

}  // namespace malmoi::text
