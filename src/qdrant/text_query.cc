#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "os/paths.h"
#include "qdrant/query_run_internal.h"
#include "text/search_tokens.h"

// The `text` query of 1.20: BM25 over the payload field whose text index has `scoring`.
//
//   score(d) = sum over the query's different terms t in d of
//              ln(1 + (N - df + 0.5) / (df + 0.5)) * tf * (k + 1) / (tf + k (1 - b + b |d| / avg))
//
// N, df and avg count the points with at least one token in the field, whatever the filter is.
// Qdrant's lengths lose the bits behind their thirteen leading ones; so do these. Tokens are made
// from payloads when the query runs: the points that have a term each time, all of them once after
// each write, for N and avg.
namespace malmoi::qdrant {
namespace {

using json::Value;

struct Field {
  std::string key;
  std::vector<vec::PathStep> path;
  std::shared_ptr<const text::SearchTokens> tokens;
  vec::Selection selection;
};

Result<std::shared_ptr<const text::SearchTokens>> TokensOf(const vec::TextParams& params) {
  text::SearchTokenOptions options;
  options.tokenizer = static_cast<text::SearchTokenOptions::Tokenizer>(params.tokenizer);
  options.min_length = params.min_token_len;
  options.max_length = params.max_token_len;
  options.lowercase = params.lowercase;
  options.ascii_folding = params.ascii_folding;
  options.stopword_languages = params.stopword_languages;
  options.stopwords = params.stopwords;
  options.stemmer = params.stemmer;
  if (params.tokenizer == vec::Tokenizer::kMultilingual) {
    options.korean_dictionary = os::FindAsset("mecab-ko-dic").value_or("");
  }
  return text::SearchTokens::Create(options);
}

bool HasScoring(const std::string& settings) {
  const auto parsed = json::Parse(settings);
  const Value* scoring = parsed.ok() ? parsed.value().Find("scoring") : nullptr;
  return scoring != nullptr && (scoring->AsBool() == true || scoring->is_object());
}

Result<Field> FieldOf(const vec::Reader& reader, const std::string& key) {
  if (key.empty()) {
    return BadInput("A text query needs `using` to name the payload field to search");
  }
  const auto indexes = reader.PayloadIndexes();
  const auto index = indexes.find(key);
  if (index == indexes.end() || index->second.params.kind != vec::IndexKind::kText ||
      !HasScoring(index->second.params.settings)) {
    return BadInput("A text query needs a text index with `scoring` on `" + key + "`");
  }
  Field field{.key = key, .path = {}, .tokens = {}, .selection = {}};
  MALMOI_TRY(field.path, vec::ParsePath(key));
  MALMOI_TRY(field.tokens, TokensOf(index->second.params.text));
  field.selection.payload.include = {key};
  return field;
}

std::vector<std::string> DocumentTokens(const Field& field, const vec::Point& point) {
  std::vector<std::string> tokens;
  const auto payload = json::Parse(point.payload);
  if (!payload.ok()) return tokens;
  std::vector<const Value*> values;
  ValuesAt(payload.value(), field.path, &values);
  for (const Value* value : values) {
    if (!value->is_string()) continue;
    for (std::string& token : field.tokens->Document(*value->AsString())) {
      tokens.push_back(std::move(token));
    }
  }
  return tokens;
}

std::uint64_t RoundedLength(std::uint64_t length) {
  std::uint64_t step = 1;
  while (length / step >= 1u << 13) step *= 2;
  return length / step * step;
}

// Calls `visit` with each point that the filter keeps.
template <class Visit>
Status EachPoint(const vec::Reader& reader, const vec::Filter* filter,
                 const vec::Selection& selection, const Visit& visit) {
  std::optional<PointId> from;
  do {
    auto page = reader.Scroll(from, 1000, filter, selection);
    if (!page.ok()) return FromStore(std::move(page.error()));
    for (const vec::Point& point : page.value().points) MALMOI_TRY(visit(point));
    from = page.value().next;
  } while (from);
  return Ok();
}

struct Candidate {
  PointId id;
  double length = 0;
  std::vector<double> frequencies;  // In the order of the terms.
};

// The wanted candidates with a word of the query, best first.
Ranked RankByBm25(const std::vector<Candidate>& candidates, const std::vector<bool>& wanted,
                  const std::vector<double>& idf, const TextQuery& query, double average) {
  Ranked ranked;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!wanted[i]) continue;
    const Candidate& c = candidates[i];
    const double norm = query.k * (1 - query.b + query.b * c.length / average);
    double score = 0;
    for (std::size_t t = 0; t < idf.size(); ++t) {
      const double tf = c.frequencies[t];
      if (tf > 0) score += idf[t] * tf * (query.k + 1) / (tf + norm);
    }
    const auto value = static_cast<float>(score);
    if (value > 0) ranked.push_back({.id = c.id, .score = value});
  }
  std::ranges::stable_sort(ranked, [](const ScoredId& a, const ScoredId& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  return ranked;
}

}  // namespace

void ValuesAt(const Value& value, std::span<const vec::PathStep> path,
              std::vector<const Value*>* out) {
  if (path.empty()) {
    if (value.is_array()) {
      for (const Value& item : value.items()) out->push_back(&item);
    } else {
      out->push_back(&value);
    }
    return;
  }
  const vec::PathStep& step = path.front();
  const auto rest = path.subspan(1);
  if (step.kind == vec::PathStep::Kind::kKey) {
    if (const Value* member = value.Find(step.key)) ValuesAt(*member, rest, out);
    return;
  }
  if (!value.is_array()) return;
  if (step.kind == vec::PathStep::Kind::kIndex) {
    if (step.index < value.items().size()) ValuesAt(value.items()[step.index], rest, out);
    return;
  }
  for (const Value& item : value.items()) ValuesAt(item, rest, out);
}

Result<TextStatistics> QueryRun::StatisticsOf(const std::string& key) {
  MALMOI_TRY(const Field field, FieldOf(*reader_, key));
  const std::uint64_t state = reader_->Info().last_operation;
  {
    const std::lock_guard lock(collection_->text.mutex);
    const auto known = collection_->text.fields.find(key);
    if (known != collection_->text.fields.end() && known->second.state == state) {
      return known->second;
    }
  }
  TextStatistics counted{.state = state};
  MALMOI_TRY(EachPoint(*reader_, nullptr, field.selection, [&](const vec::Point& p) -> Status {
    const std::size_t length = DocumentTokens(field, p).size();
    if (length == 0) return Ok();
    ++counted.documents;
    counted.tokens += RoundedLength(length);
    return CheckTime();
  }));
  const std::lock_guard lock(collection_->text.mutex);
  collection_->text.fields[key] = counted;
  return counted;
}

Result<Ranked> QueryRun::RunText(const Prefetch& node, const TextQuery& query,
                                 const FilterPtr& filter, std::size_t limit) {
  MALMOI_TRY(const Field field, FieldOf(*reader_, node.using_vector));
  const auto asked = field.tokens->Query(query.query);
  const std::set<std::string> terms(asked.begin(), asked.end());
  MALMOI_TRY(const TextStatistics all, StatisticsOf(field.key));
  if (terms.empty() || all.documents == 0) return Ranked{};
  auto any = std::make_shared<vec::Filter>();
  any->must.push_back(
      {.test = vec::FieldCondition{
           .key = field.key,
           .test = vec::MatchText{.text = query.query, .mode = vec::MatchText::Mode::kAny}}});
  std::vector<Candidate> candidates;
  MALMOI_TRY(EachPoint(*reader_, any.get(), field.selection, [&](const vec::Point& p) -> Status {
    const auto tokens = DocumentTokens(field, p);
    std::map<std::string_view, double> counts;
    for (const std::string& token : tokens) ++counts[token];
    Candidate& c = candidates.emplace_back();
    c.id = p.id;
    c.length = static_cast<double>(RoundedLength(tokens.size()));
    for (const std::string& term : terms) {
      const auto found = counts.find(term);
      c.frequencies.push_back(found == counts.end() ? 0 : found->second);
    }
    return CheckTime();
  }));
  std::vector<PointId> ids;
  for (const Candidate& c : candidates) ids.push_back(c.id);
  // Document frequencies of the corpus, where the request names one.
  const auto in = [&](const FilterPtr& which) -> Result<std::vector<bool>> {
    if (which == nullptr) return std::vector<bool>(ids.size(), true);
    auto kept = reader_->Test(ids, *which);
    if (!kept.ok()) return FromStore(std::move(kept.error()));
    return kept;
  };
  MALMOI_TRY(const auto in_corpus, in(node.params.idf_corpus));
  MALMOI_TRY(const auto wanted, in(filter));
  double documents = static_cast<double>(all.documents);
  if (node.params.idf_corpus != nullptr) {
    documents = 0;
    MALMOI_TRY(EachPoint(*reader_, node.params.idf_corpus.get(), field.selection,
                         [&](const vec::Point& p) -> Status {
                           documents += DocumentTokens(field, p).empty() ? 0 : 1;
                           return CheckTime();
                         }));
  }
  std::vector<double> idf(terms.size(), 0);
  for (std::size_t t = 0; t < idf.size(); ++t) {
    double df = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      df += in_corpus[i] && candidates[i].frequencies[t] > 0 ? 1 : 0;
    }
    idf[t] = std::log((documents - df + 0.5) / (df + 0.5) + 1);
  }
  const double average = static_cast<double>(all.tokens) / static_cast<double>(all.documents);
  Ranked ranked = RankByBm25(candidates, wanted, idf, query, average);
  std::erase_if(ranked, [&](const ScoredId& r) {
    return node.score_threshold && r.score <= *node.score_threshold;
  });
  if (ranked.size() > limit) ranked.resize(limit);
  return ranked;
}

}  // namespace malmoi::qdrant
