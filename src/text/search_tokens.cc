#include "text/search_tokens.h"

#include <unicode/uchar.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <set>

#include "base/utf8.h"
#include "text/analysis/stem_internal.h"
#include "text/analyzer.h"
#include "text/identifiers.h"

namespace malmoi::text {
namespace {

using Tokenizer = SearchTokenOptions::Tokenizer;

struct NamedLanguage {
  std::string_view name;
  Language language;
};
constexpr NamedLanguage kNames[] = {
    {"arabic", Language::kArabic},       {"chinese", Language::kChinese},
    {"danish", Language::kDanish},       {"dutch", Language::kDutch},
    {"english", Language::kEnglish},     {"finnish", Language::kFinnish},
    {"french", Language::kFrench},       {"german", Language::kGerman},
    {"greek", Language::kGreek},         {"hinglish", Language::kHindi},
    {"hungarian", Language::kHungarian}, {"italian", Language::kItalian},
    {"japanese", Language::kJapanese},   {"korean", Language::kKorean},
    {"norwegian", Language::kNorwegian}, {"portuguese", Language::kPortuguese},
    {"romanian", Language::kRomanian},   {"russian", Language::kRussian},
    {"spanish", Language::kSpanish},     {"swedish", Language::kSwedish},
    {"turkish", Language::kTurkish},
};
// Qdrant's languages for which no stop words or stemmer are at hand: accepted, without effect.
constexpr std::string_view kWithoutRules[] = {
    "armenian", "azerbaijani", "basque", "bengali", "catalan", "hebrew", "indonesian",
    "kazakh",   "lithuanian",  "nepali", "slovene", "tajik",   "tamil",  "yiddish"};

Result<Language> LanguageOf(const std::string& name) {
  for (const auto& known : kNames) {
    if (known.name == name) return known.language;
  }
  for (const auto known : kWithoutRules) {
    if (known == name) return Language::kOther;
  }
  return Error(Code::kInvalidArgument, "text index: unknown language '" + name + "'");
}

bool IsAlphanumeric(char32_t c) {
  if (c < 128) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const auto code = static_cast<UChar32>(c);
  constexpr std::uint32_t kNumbers = U_GC_ND_MASK | U_GC_NL_MASK | U_GC_NO_MASK;
  return u_hasBinaryProperty(code, UCHAR_ALPHABETIC) != 0 ||
         (U_MASK(u_charType(code)) & kNumbers) != 0;
}

bool IsSpace(char32_t c) {
  return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0;
}

// Calls visit(piece) for each run of characters that `inside` accepts.
template <class Inside, class Visit>
void SplitWhere(std::string_view text, const Inside& inside, const Visit& visit) {
  std::size_t begin = std::string_view::npos;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    const bool in = rune.valid && inside(rune.value);
    if (in && begin == std::string_view::npos) begin = at;
    if (!in && begin != std::string_view::npos) {
      visit(text.substr(begin, at - begin));
      begin = std::string_view::npos;
    }
    at += rune.size;
  }
  if (begin != std::string_view::npos) visit(text.substr(begin));
}

std::string Lower(std::string_view word) {
  std::string out;
  out.reserve(word.size());
  for (std::size_t at = 0; at < word.size();) {
    const Rune rune = DecodeRune(word, at);
    AppendRune(&out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(rune.value))));
    if (rune.value == 0x130) AppendRune(&out, 0x307);  // The one letter that becomes two.
    at += rune.size;
  }
  return out;
}

// Accents dropped and Latin letters without a decomposition spelled out.
std::string Fold(const std::string& word) {
  if (std::all_of(word.begin(), word.end(), [](char c) { return (c & 0x80) == 0; })) return word;
  constexpr std::pair<char32_t, std::string_view> kLetters[] = {
      {0xC6, "AE"},  {0xE6, "ae"}, {0xD8, "O"},  {0xF8, "o"},  {0xDF, "ss"}, {0x152, "OE"},
      {0x153, "oe"}, {0x110, "D"}, {0x111, "d"}, {0x141, "L"}, {0x142, "l"}, {0xDE, "TH"},
      {0xFE, "th"},  {0xD0, "D"},  {0xF0, "d"},  {0x131, "i"}};
  std::string out;
  for (std::size_t at = 0; at < word.size();) {
    const Rune rune = DecodeRune(word, at);
    at += rune.size;
    const auto* known = std::find_if(std::begin(kLetters), std::end(kLetters),
                                     [&](const auto& l) { return l.first == rune.value; });
    if (known != std::end(kLetters)) {
      out += known->second;
      continue;
    }
    std::array<utf8proc_int32_t, 32> parts{};
    int boundary = 0;
    const auto n = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(rune.value), parts.data(), parts.size(),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK), &boundary);
    const bool latin = n == 1 && parts[0] < 128;
    AppendRune(&out, latin ? static_cast<char32_t>(parts[0]) : rune.value);
  }
  return out;
}

std::size_t Characters(std::string_view word) {
  return static_cast<std::size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Bytes of the first `count` characters.
std::size_t PrefixBytes(std::string_view word, std::size_t count) {
  std::size_t at = 0;
  for (; count > 0 && at < word.size(); --count) at += DecodeRune(word, at).size;
  return at;
}

class SearchTokensImpl final : public SearchTokens {
 public:
  explicit SearchTokensImpl(const SearchTokenOptions& options) : options_(options) {}

  Status Init() {
    for (const auto& name : options_.stopword_languages) {
      MALMOI_TRY(const auto language, LanguageOf(name));
      if (language != Language::kOther) languages_.push_back(language);
    }
    for (const auto& word : options_.stopwords) {
      stopwords_.insert(options_.lowercase ? Lower(word) : word);
    }
    if (!options_.stemmer.empty()) {
      MALMOI_TRY(stem_language_, LanguageOf(options_.stemmer));
    }
    if (options_.tokenizer == Tokenizer::kMultilingual) {
      MALMOI_TRY(analyzer_, Analyzer::Create({.korean_dictionary = options_.korean_dictionary}));
    }
    return Ok();
  }

  std::vector<std::string> Document(std::string_view text) const override {
    if (options_.tokenizer == Tokenizer::kCode) return OfCode(text, true);
    std::vector<std::string> out = Tokens(text, true);
    if (options_.tokenizer != Tokenizer::kPrefix) return out;
    std::vector<std::string> prefixes;
    for (const auto& word : out) {
      const std::size_t length = Characters(word);
      const std::size_t last = std::min<std::size_t>(length, options_.max_length.value_or(length));
      for (std::size_t n = std::max(options_.min_length.value_or(1), 1u); n <= last; ++n) {
        prefixes.push_back(word.substr(0, PrefixBytes(word, n)));
      }
    }
    return prefixes;
  }

  std::vector<std::string> Query(std::string_view text) const override {
    std::vector<std::string> out = Tokens(text, false);
    if (options_.tokenizer != Tokenizer::kPrefix || !options_.max_length) return out;
    for (auto& word : out) word.resize(PrefixBytes(word, *options_.max_length));
    return out;
  }

 private:
  std::vector<std::string> OfCode(std::string_view text, bool with_compounds) const {
    std::vector<std::string> out;
    const CodeWords code = SplitCode(text);
    for (const auto& word : code.words) Add(word, &out);
    if (!with_compounds) return out;
    for (const auto& compound : code.compounds) Add(compound, &out);
    return out;
  }

  std::vector<std::string> Tokens(std::string_view text, bool document) const {
    if (options_.tokenizer == Tokenizer::kCode) return OfCode(text, false);
    std::vector<std::string> out;
    const auto add = [&](std::string_view word) { Add(word, &out); };
    if (options_.tokenizer == Tokenizer::kMultilingual) {
      // One language for all: a query is too short to tell, and both sides must be cut alike.
      for (const auto& form : analyzer_->SearchForms(text, Language::kOther, document)) add(form);
    } else if (options_.tokenizer == Tokenizer::kWhitespace) {
      SplitWhere(
          text, [](char32_t c) { return !IsSpace(c); }, add);
    } else {
      SplitWhere(text, IsAlphanumeric, add);
    }
    return out;
  }

  void Add(std::string_view word, std::vector<std::string>* out) const {
    std::string token = options_.lowercase ? Lower(word) : std::string(word);
    if (options_.ascii_folding) token = Fold(token);
    if (stopwords_.contains(token)) return;
    for (const Language language : languages_) {
      if (IsStopWord(token, language)) return;
    }
    if (options_.tokenizer != Tokenizer::kPrefix) {
      const std::size_t length = Characters(token);
      if (options_.min_length && length < *options_.min_length) return;
      if (options_.max_length && length > *options_.max_length) return;
    }
    if (stem_language_ != Language::kOther) {
      const std::lock_guard lock(mutex_);
      token = std::string(stemmers_.Stem(token, stem_language_));
    }
    out->push_back(std::move(token));
  }

  SearchTokenOptions options_;
  std::vector<Language> languages_;
  std::set<std::string> stopwords_;
  Language stem_language_ = Language::kOther;
  std::shared_ptr<const Analyzer> analyzer_;
  mutable std::mutex mutex_;  // guards: stemmers_
  mutable Stemmers stemmers_;
};

}  // namespace

Result<std::shared_ptr<const SearchTokens>> SearchTokens::Create(
    const SearchTokenOptions& options) {
  auto tokens = std::make_shared<SearchTokensImpl>(options);
  MALMOI_TRY(tokens->Init());
  return std::shared_ptr<const SearchTokens>(std::move(tokens));
}

}  // namespace malmoi::text
