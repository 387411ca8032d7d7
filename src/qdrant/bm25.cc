#include "qdrant/bm25.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>

#include "base/strings.h"
#include "qdrant/errors.h"
#include "qdrant/fields.h"
#include "text/search_tokens.h"

namespace malmoi::qdrant {
namespace {

using json::Value;
using text::SearchTokenOptions;

struct Bm25Options {
  double k = 1.2, b = 0.75, avg_len = 256;
  SearchTokenOptions tokens;
};

constexpr std::string_view kSnowball[] = {
    "arabic",  "armenian", "danish",    "dutch",   "english",   "finnish",    "french",
    "german",  "greek",    "hungarian", "italian", "norwegian", "portuguese", "romanian",
    "russian", "spanish",  "swedish",   "tamil",   "turkish"};

bool KnowsStopwords(const std::string& language) {
  SearchTokenOptions options;
  options.stopword_languages = {language};
  return text::SearchTokens::Create(options).ok();
}

Error BadConfig(std::string_view why) {
  return BadInput("Invalid BM25 config: " + std::string(why));
}

Result<Bm25Options> ReadOptions(const Value& options) {
  Bm25Options out;
  std::string language = "english";
  if (options.is_null()) {
    out.tokens.stemmer = language;
    out.tokens.stopword_languages = {language};
    return out;
  }
  Why why;
  Fields fields(options, "struct Bm25Config", &why);
  fields.Optional("k", &out.k);
  fields.Optional("b", &out.b);
  fields.Optional("avg_len", &out.avg_len);
  fields.Optional("language", &language);
  fields.Optional("lowercase", &out.tokens.lowercase);
  fields.Optional("ascii_folding", &out.tokens.ascii_folding);
  fields.Optional("min_token_len", &out.tokens.min_length);
  fields.Optional("max_token_len", &out.tokens.max_length);
  if (const Value* tokenizer = fields.Member("tokenizer");
      tokenizer != nullptr && !tokenizer->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*tokenizer, {"word", "whitespace", "prefix", "multilingual", "code"}, &i, &why)) {
      return BadConfig(why);
    }
    out.tokens.tokenizer = static_cast<SearchTokenOptions::Tokenizer>(i);
  }
  language = AsciiLower(language);
  const Value* stopwords = fields.Member("stopwords");
  if (stopwords == nullptr || stopwords->is_null()) {
    if (KnowsStopwords(language)) out.tokens.stopword_languages = {language};
  } else if (stopwords->is_string()) {
    fields.Optional("stopwords", &out.tokens.stopword_languages.emplace_back());
  } else {
    Fields set(*stopwords, "struct StopwordsSet", &why);
    set.Optional("languages", &out.tokens.stopword_languages);
    set.Optional("custom", &out.tokens.stopwords);
    if (!set.ok()) return BadConfig(why);
  }
  const Value* stemmer = fields.Member("stemmer");
  if (stemmer == nullptr || stemmer->is_null()) {
    if (std::ranges::find(kSnowball, language) != std::end(kSnowball)) {
      out.tokens.stemmer = language;
    }
  } else if (stemmer->GetString("type") == "snowball") {
    out.tokens.stemmer = std::string(stemmer->GetString("language"));
  } else if (stemmer->GetString("type") != "none") {
    return BadConfig("data did not match any variant of untagged enum StemmingAlgorithm");
  }
  if (!fields.ok()) return BadConfig(why);
  if (!(out.k >= 0) || !std::isfinite(out.k)) return BadInput("BM25 k1 must be finite and >= 0");
  if (!(out.b >= 0 && out.b <= 1)) return BadInput("BM25 b must be finite and in [0.0, 1.0]");
  if (!(out.avg_len > 0) || !std::isfinite(out.avg_len)) {
    return BadInput("BM25 avg_doc_len must be finite and > 0");
  }
  return out;
}

std::uint32_t TokenId(std::string_view token) {
  const auto hash = static_cast<std::int32_t>(Murmur3(token));
  return hash < 0 ? 0u - static_cast<std::uint32_t>(hash) : static_cast<std::uint32_t>(hash);
}

}  // namespace

std::uint32_t Murmur3(std::string_view bytes) {
  constexpr std::uint32_t kC1 = 0xcc9e2d51, kC2 = 0x1b873593;
  std::uint32_t hash = 0;
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t block = 0;
    std::memcpy(&block, bytes.data() + at, 4);
    hash ^= std::rotl(block * kC1, 15) * kC2;
    hash = std::rotl(hash, 13) * 5 + 0xe6546b64;
  }
  std::uint32_t tail = 0;
  for (std::size_t i = bytes.size(); i-- > at;) {
    tail = tail << 8 | static_cast<unsigned char>(bytes[i]);
  }
  if (at < bytes.size()) hash ^= std::rotl(tail * kC1, 15) * kC2;
  hash ^= static_cast<std::uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6b;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35;
  return hash ^ hash >> 16;
}

Result<vec::SparseVector> Bm25Embed(std::string_view text, const Value& options, bool is_query,
                                    std::uint64_t* tokens) {
  MALMOI_TRY(const auto parsed, ReadOptions(options));
  auto rules = text::SearchTokens::Create(parsed.tokens);
  if (!rules.ok()) return BadConfig(rules.error().message());
  // A Korean noun of a query should rank what has its parts too.
  const bool parts = parsed.tokens.tokenizer == SearchTokenOptions::Tokenizer::kMultilingual;
  const auto list = is_query && !parts ? rules.value()->Query(text) : rules.value()->Document(text);
  if (tokens != nullptr) *tokens = list.size();
  std::map<std::string_view, double> counts;
  for (const std::string& token : list) counts[token] += 1;
  std::map<std::uint32_t, float> terms;
  const auto length = static_cast<double>(list.size());
  for (const auto& [token, n] : counts) {
    const double norm = parsed.k * (1 - parsed.b + parsed.b * length / parsed.avg_len);
    terms[TokenId(token)] = is_query ? 1.0f : static_cast<float>(n * (parsed.k + 1) / (norm + n));
  }
  vec::SparseVector vector;
  for (const auto& [index, value] : terms) {
    vector.indices.push_back(index);
    vector.values.push_back(value);
  }
  return vector;
}

}  // namespace malmoi::qdrant
