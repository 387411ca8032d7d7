#include "text/analyzer.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <mutex>

#include "base/utf8.h"
#include "text/analysis/cjk_internal.h"
#include "text/analysis/japanese_internal.h"
#include "text/analysis/korean_internal.h"
#include "text/analysis/latin_internal.h"
#include "text/analysis/mecab_internal.h"
#include "text/analysis/words_internal.h"
#include "text/unicode.h"

namespace malmoi::text {
namespace {

// Raised whenever the rules of this folder could give other terms for some text.
constexpr int kRulesVersion = 3;

// Without a dictionary the bigrams find what the table of endings misses.
constexpr float kFallbackBigramFactor = 1.5f;

// Offsets in a run are 32 bits and a text's copies are held in memory: longer texts are analysed
// in parts, cut at white space.
constexpr std::size_t kPartBytes = std::size_t{1} << 24;

// What one call needs besides the text; reused by later calls.
struct Scratch {
  WordForms words;
  ComplexWords complex;
  Morphemes::ScratchPtr korean;
  Morphemes::ScratchPtr japanese;
  std::vector<Run> runs;
};

// Full-width Latin and half-width Kana become the usual ones (UAX #15's compatibility mapping for
// U+FF01 to U+FF9F); the rest is NFC.
std::string Normalized(std::string_view text) {
  std::string valid = ToValidUtf8(text);
  if (valid.find('\xEF') == std::string::npos) return Nfc(valid);
  std::string out;
  out.reserve(valid.size());
  for (std::size_t at = 0; at < valid.size();) {
    const Rune rune = DecodeRune(valid, at);
    if (rune.value >= 0xFF01 && rune.value <= 0xFF5E) {
      AppendRune(&out, rune.value - 0xFEE0);
    } else {
      out.append(valid, at, rune.size);
    }
    at += rune.size;
  }
  return Nfc(out);
}

class AnalyzerImpl final : public Analyzer {
 public:
  using Dictionary = std::shared_ptr<const Morphemes>;
  AnalyzerImpl(AnalyzerOptions options, Dictionary korean, Dictionary japanese)
      : options_(std::move(options)),
        korean_(std::move(korean)),
        japanese_(std::move(japanese)),
        fingerprint_(MakeFingerprint()) {}

  std::vector<Term> Analyze(std::string_view text, Language language) const override {
    std::vector<Term> terms;
    FormSink sink(&terms, nullptr);
    Run(text, language, &sink);
    std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) {
      // Weights too: sums of floats must not depend on an unstable order.
      return a.id != b.id ? a.id < b.id : a.weight < b.weight;
    });
    std::size_t kept = 0;
    for (const Term& term : terms) {
      if (kept > 0 && terms[kept - 1].id == term.id) {
        terms[kept - 1].weight += term.weight;
      } else {
        terms[kept++] = term;
      }
    }
    terms.resize(kept);
    return terms;
  }

  std::vector<std::string> Forms(std::string_view text, Language language) const override {
    std::vector<std::string> forms;
    FormSink sink(nullptr, &forms);
    Run(text, language, &sink);
    return forms;
  }

  std::vector<std::string> SearchForms(std::string_view text, Language language,
                                       bool document) const override {
    std::vector<std::string> forms;
    FormSink sink(&forms, document ? FormSink::Nouns::kAllWords : FormSink::Nouns::kOneWord);
    Run(text, language, &sink);
    std::erase_if(forms, [](const std::string& form) { return form.starts_with('~'); });
    return forms;
  }

  std::string fingerprint() const override { return fingerprint_; }
  bool has_korean_dictionary() const override { return korean_ != nullptr; }
  bool has_japanese_dictionary() const override { return japanese_ != nullptr; }

 private:
  void Run(std::string_view text, Language language, FormSink* sink) const {
    auto scratch = Take();
    while (!text.empty()) {
      std::size_t end = text.size();
      if (end > kPartBytes) {
        const std::size_t space = text.find_last_of(" \n\t", kPartBytes);
        end = space != std::string_view::npos && space > kPartBytes / 2
                  ? space + 1
                  : FloorRune(text, kPartBytes);
      }
      RunPart(Normalized(text.substr(0, end)), language, scratch.get(), sink);
      text.remove_prefix(end);
    }
    Give(std::move(scratch));
  }

  void RunPart(const std::string& text, Language language, Scratch* scratch, FormSink* sink) const {
    scratch->runs.clear();
    SplitRuns(text, &scratch->runs);
    bool hangul = false;
    bool cjk = false;
    for (const auto& run : scratch->runs) {
      const std::string_view bytes = std::string_view(text).substr(run.begin, run.end - run.begin);
      switch (run.kind) {
        case RunKind::kWord:
          scratch->words.Add(bytes, run.ascii, language, sink);
          break;
        case RunKind::kCjk:
          cjk = true;
          AddCjkForms(bytes, options_.cjk_unigram_weight, sink);
          break;
        case RunKind::kComplex:
          scratch->complex.AddForms(bytes, sink);
          break;
        case RunKind::kHangul:
          hangul = true;
          if (korean_ == nullptr) sink->Add(StripKoreanEnding(bytes), 1);
          AddHangulBigrams(bytes, BigramWeight(), sink);
          break;
      }
    }
    if (hangul && korean_ != nullptr) {
      korean_->Parse(text, scratch->runs, RunKind::kHangul, AddKoreanNode, scratch->korean.get(),
                     sink);
      sink->EndNouns();
    }
    if (cjk && japanese_ != nullptr && (language == Language::kJapanese || HasKana(text))) {
      japanese_->Parse(text, scratch->runs, RunKind::kCjk, AddJapaneseNode, scratch->japanese.get(),
                       sink);
    }
  }

  float BigramWeight() const {
    return options_.korean_bigram_weight * (korean_ == nullptr ? kFallbackBigramFactor : 1.0f);
  }

  std::string MakeFingerprint() const {
    // Snowball has no version to ask for: its stems of the function words stand for it.
    Stemmers stemmers;
    std::uint64_t stems = 0;
    for (std::size_t i = 0; i < kLanguages; ++i) {
      const auto language = static_cast<Language>(i);
      std::string_view rest = FunctionWords(language);
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        stems = Hash64(stemmers.Stem(rest.substr(0, end), language), stems);
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    return "rules " + std::to_string(kRulesVersion) + "; icu " + U_ICU_VERSION + "; snowball " +
           std::to_string(stems) + "; bigram " + std::to_string(BigramWeight()) + "; unigram " +
           std::to_string(options_.cjk_unigram_weight) + "; korean " +
           (korean_ == nullptr ? "table" : korean_->identity()) + "; japanese " +
           (japanese_ == nullptr ? "bigrams" : japanese_->identity());
  }

  std::unique_ptr<Scratch> Take() const {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto scratch = std::move(idle_.back());
        idle_.pop_back();
        return scratch;
      }
    }
    auto scratch = std::make_unique<Scratch>();
    if (korean_ != nullptr) scratch->korean = korean_->NewScratch();
    if (japanese_ != nullptr) scratch->japanese = japanese_->NewScratch();
    return scratch;
  }

  void Give(std::unique_ptr<Scratch> scratch) const {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(scratch));  // At most as many as calls ever ran at once.
  }

  const AnalyzerOptions options_;
  const Dictionary korean_;
  const Dictionary japanese_;
  const std::string fingerprint_;
  mutable std::mutex mutex_;  // guards: idle_
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace

Result<std::shared_ptr<const Analyzer>> Analyzer::Create(const AnalyzerOptions& options) {
  std::shared_ptr<const Morphemes> korean;
  std::shared_ptr<const Morphemes> japanese;
  if (!options.korean_dictionary.empty()) {
    MALMOI_TRY(korean, Morphemes::Open("Korean", options.korean_dictionary));
  }
  if (!options.japanese_dictionary.empty()) {
    MALMOI_TRY(japanese, Morphemes::Open("Japanese", options.japanese_dictionary));
  }
  return std::shared_ptr<const Analyzer>(
      std::make_shared<AnalyzerImpl>(options, std::move(korean), std::move(japanese)));
}

}  // namespace malmoi::text
