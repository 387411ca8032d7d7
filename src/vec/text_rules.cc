#include <algorithm>
#include <map>
#include <mutex>

#include "os/paths.h"
#include "text/search_tokens.h"
#include "text/unicode.h"
#include "vec/text_rules_internal.h"

namespace malmoi::vec {
namespace {

// Tells parameters apart that could give other tokens.
std::string Fingerprint(const TextParams& p) {
  std::string out = std::to_string(static_cast<int>(p.tokenizer)) + (p.lowercase ? "l" : "-") +
                    (p.ascii_folding ? "f" : "-") + std::to_string(p.min_token_len.value_or(0)) +
                    "," + (p.max_token_len ? std::to_string(*p.max_token_len) : "-") + ",";
  const auto add = [&](const std::string& s) { out += std::to_string(s.size()) + ":" + s; };
  for (const auto& s : p.stopword_languages) add(s);
  out += ';';
  for (const auto& s : p.stopwords) add(s);
  out += ';';
  add(p.stemmer);
  return out;
}

struct Cache {
  std::mutex mutex;  // guards: rules
  std::map<std::string, std::shared_ptr<const TextRules>> rules;
};

Cache& Rules() {
  static Cache* const cache = new Cache;  // Lives as long as the process.
  return *cache;
}

constexpr std::size_t kCachedMax = 256;

}  // namespace

TextRules::TextRules(const TextParams& params, std::shared_ptr<const text::SearchTokens> tokens)
    : params_(params), tokens_(std::move(tokens)) {}

Result<std::shared_ptr<const TextRules>> TextRules::For(const TextParams& params) {
  const std::string key = Fingerprint(params);
  const std::lock_guard lock(Rules().mutex);
  auto& cached = Rules().rules;
  if (const auto it = cached.find(key); it != cached.end()) return it->second;
  text::SearchTokenOptions options;
  options.tokenizer = static_cast<text::SearchTokenOptions::Tokenizer>(params.tokenizer);
  options.min_length = params.min_token_len;
  options.max_length = params.max_token_len;
  options.lowercase = params.lowercase;
  options.ascii_folding = params.ascii_folding;
  options.stopword_languages = params.stopword_languages;
  options.stopwords = params.stopwords;
  options.stemmer = params.stemmer;
  if (params.tokenizer == Tokenizer::kMultilingual) {
    options.korean_dictionary = os::FindAsset("mecab-ko-dic").value_or("");
  }
  MALMOI_TRY(auto tokens, text::SearchTokens::Create(options));
  auto rules = std::make_shared<const TextRules>(params, std::move(tokens));
  if (cached.size() >= kCachedMax) cached.clear();
  cached[key] = rules;
  return rules;
}

std::vector<std::string> TextRules::Document(std::string_view text) const {
  return tokens_->Document(text);
}

std::vector<std::string> TextRules::Query(std::string_view text) const {
  return tokens_->Query(text);
}

TextMatcher::TextMatcher(std::shared_ptr<const TextRules> rules, const MatchText& query)
    : rules_(std::move(rules)), mode_(query.mode), text_(text::Nfc(query.text)) {
  phrase_ = rules_->Query(query.text);
  tokens_ = phrase_;
  std::sort(tokens_.begin(), tokens_.end());
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end()), tokens_.end());
}

bool TextMatcher::HasPhrase(std::string_view text, const std::vector<std::string>& document) const {
  if (!rules_->ordered()) return text::Nfc(text).find(text_) != std::string::npos;
  const auto within = [&](const std::vector<std::string>& tokens) {
    return std::search(tokens.begin(), tokens.end(), phrase_.begin(), phrase_.end()) !=
           tokens.end();
  };
  const bool has_compounds = rules_->params().tokenizer == Tokenizer::kCode && phrase_.size() > 1;
  return within(has_compounds ? rules_->Query(text) : document);  // Compounds have no place.
}

void TextMatcher::Mark(std::string_view text, std::vector<bool>* seen) const {
  for (const std::string& token : rules_->Document(text)) {
    const auto at = std::lower_bound(tokens_.begin(), tokens_.end(), token);
    if (at == tokens_.end() || *at != token) continue;
    (*seen)[static_cast<std::size_t>(at - tokens_.begin())] = true;
  }
}

bool TextMatcher::Matches(std::string_view text) const {
  if (tokens_.empty()) return false;
  const std::vector<std::string> document = rules_->Document(text);
  if (mode_ == MatchText::Mode::kPhrase && !HasPhrase(text, document)) return false;
  std::vector<std::string_view> sorted(document.begin(), document.end());
  std::sort(sorted.begin(), sorted.end());
  const auto has = [&](const std::string& token) {
    return std::binary_search(sorted.begin(), sorted.end(), token);
  };
  if (mode_ == MatchText::Mode::kAny) return std::any_of(tokens_.begin(), tokens_.end(), has);
  return std::all_of(tokens_.begin(), tokens_.end(), has);
}

}  // namespace malmoi::vec
