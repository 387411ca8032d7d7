#include <libstemmer.h>

#include "text/analysis/stem_internal.h"

namespace malmoi::text {
namespace {

// Longer "words" are keys, sequences or noise; some Snowball rules look back over the whole word.
constexpr std::size_t kLongestStemmedBytes = 120;

const char* AlgorithmOf(Language language) {
  switch (language) {
    case Language::kEnglish:
      return "english";
    case Language::kGerman:
      return "german";
    case Language::kFrench:
      return "french";
    case Language::kSpanish:
      return "spanish";
    case Language::kItalian:
      return "italian";
    case Language::kPortuguese:
      return "portuguese";
    case Language::kDutch:
      return "dutch";
    case Language::kRussian:
      return "russian";
    case Language::kArabic:
      return "arabic";
    case Language::kGreek:
      return "greek";
    case Language::kHindi:
      return "hindi";
    case Language::kTurkish:
      return "turkish";
    case Language::kRomanian:
      return "romanian";
    case Language::kSwedish:
      return "swedish";
    case Language::kDanish:
      return "danish";
    case Language::kNorwegian:
      return "norwegian";
    case Language::kFinnish:
      return "finnish";
    case Language::kHungarian:
      return "hungarian";
    default:
      return nullptr;
  }
}

}  // namespace

Stemmers::Stemmers() = default;
Stemmers::~Stemmers() = default;

void Stemmers::Deleter::operator()(sb_stemmer* stemmer) const {
  sb_stemmer_delete(stemmer);
}

std::string_view Stemmers::Stem(std::string_view word, Language language) {
  if (word.size() > kLongestStemmedBytes) return word;
  const auto index = static_cast<std::size_t>(language);
  if (!tried_[index]) {
    tried_[index] = true;
    if (const char* algorithm = AlgorithmOf(language); algorithm != nullptr) {
      stemmers_[index].reset(sb_stemmer_new(algorithm, nullptr));
    }
  }
  sb_stemmer* stemmer = stemmers_[index].get();
  if (stemmer == nullptr) return word;
  const auto* stem = sb_stemmer_stem(stemmer, reinterpret_cast<const sb_symbol*>(word.data()),
                                     static_cast<int>(word.size()));
  const int length = sb_stemmer_length(stemmer);
  // A stem of nothing would make all such words equal.
  if (stem == nullptr || length <= 0) return word;
  return {reinterpret_cast<const char*>(stem), static_cast<std::size_t>(length)};
}

}  // namespace malmoi::text
