#include <string_view>

#include "text/analysis/korean_internal.h"

namespace malmoi::text {
namespace {

// Particles (josa), endings (eomi) and verb-making suffixes as they stand at the end of a word,
// by their number of syllables, longest tried first.
constexpr std::string_view kEndings[] = {
    // Five and four syllables.
    "하였습니다", "되었습니다", "이었습니다", "에서부터는", "했습니다만", "하겠습니다", "입니까",
    "했습니다", "됐습니다", "합니다만", "하였으며", "되었으며", "에서부터", "으로부터", "이라고는",
    "에게서는", "하였다가", "하십시오", "으로서의", "으로써의", "이었으며", "하려고는", "했었는데",
    // Three.
    "합니다", "됩니다", "입니다", "습니다", "하세요", "인가요", "하나요", "되나요", "할까요",
    "는가요", "였으며", "했으며", "됐으며", "이라는", "이라고", "이라면", "에서는", "에서도",
    "에서의", "에게서", "에게는", "에게도", "으로는", "으로도", "으로써", "으로서", "부터는",
    "까지는", "까지도", "까지의", "만으로", "하였다", "되었다", "이었다", "했는데", "하려고",
    "하려면", "하면서", "되면서", "이지만", "하지만", "처럼은", "보다는", "보다도", "라고는",
    "이라도", "이나마", "한다면", "된다면", "했지만", "되지만", "하도록", "되도록", "하기에",
    "하거나", "되거나", "한다는", "된다는", "들에게", "들에서", "들이다", "들에는",
    // Two.
    "에서", "에게", "에는", "에도", "에만", "에의", "으로", "부터", "까지", "처럼", "만큼", "보다",
    "마다", "조차", "마저", "밖에", "이나", "이며", "이고", "이란", "이라", "이다", "인지", "인데",
    "라고", "라는", "라도", "라면", "께서", "한테", "하고", "하며", "하면", "하는", "하게", "하기",
    "하여", "하지", "하다", "한다", "했다", "해서", "해야", "했던", "되고", "되며", "되면", "되는",
    "되어", "되지", "되다", "된다", "됐다", "들은", "들이", "들을", "들의", "들과", "들도", "로는",
    "로서", "로써", "와의", "과의", "과는", "와는", "적인", "적으"};

// Particles of one syllable; only after a noun of at least one more syllable.
constexpr std::string_view kShortEndings[] = {"은", "는", "이", "가", "을", "를", "에", "의",
                                              "로", "와", "과", "도", "만", "들", "나", "요"};

constexpr std::size_t kSyllableBytes = 3;

// The word without its last ending; the word itself when it has none.
std::string_view StripOne(std::string_view word) {
  std::string_view best;
  for (const std::string_view ending : kEndings) {
    if (word.size() >= ending.size() + kSyllableBytes && word.ends_with(ending) &&
        ending.size() > best.size()) {
      best = ending;
    }
  }
  if (!best.empty()) return word.substr(0, word.size() - best.size());
  if (word.size() < 2 * kSyllableBytes) return word;
  for (const std::string_view ending : kShortEndings) {
    if (word.ends_with(ending)) return word.substr(0, word.size() - kSyllableBytes);
  }
  return word;
}

}  // namespace

std::string_view StripKoreanEnding(std::string_view word) {
  // Until nothing is left to strip: a noun may end like a particle (회의, 나이), and only so does
  // it come to the same stem alone and before a particle (회의는).
  while (true) {
    const std::string_view shorter = StripOne(word);
    if (shorter.size() == word.size()) return word;
    word = shorter;
  }
}

}  // namespace malmoi::text
