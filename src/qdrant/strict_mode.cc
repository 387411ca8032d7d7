#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/clock.h"
#include "base/strings.h"
#include "qdrant/config_store.h"
#include "qdrant/service.h"

namespace malmoi::qdrant {
namespace {

using json::Value;
using Kinds = std::vector<std::string_view>;

// The collection's strict_mode_config, or null where it is not enabled.
const Value* Strict(const OpenCollection& collection) {
  const Value* config = collection.settings.Find("strict_mode_config");
  return config != nullptr && config->GetBool("enabled") ? config : nullptr;
}

std::optional<double> Limit(const Value* config, std::string_view name) {
  const Value* value = config == nullptr ? nullptr : config->Find(name);
  return value == nullptr ? std::nullopt : value->AsDouble();
}

std::string Number(double value) {
  return value == std::floor(value) ? std::to_string(static_cast<std::int64_t>(value))
                                    : Value::Double(value).Dump();
}

Status CheckLimit(const Value* config, std::string_view member, std::optional<double> value,
                  std::string_view name) {
  const auto limit = Limit(config, member);
  if (!limit || !value || *value <= *limit) return Ok();
  return StrictMode(
      "Limit exceeded " + Number(*value) + " > " + Number(*limit) + " for \"" + std::string(name) +
          "\"",
      "Reduce the \"" + std::string(name) + "\" parameter to or below " + Number(*limit) + ".");
}

Kinds KindsOfValues(const std::vector<vec::MatchValue>& values) {
  if (values.empty()) return {};
  if (std::holds_alternative<std::int64_t>(values[0])) return {"integer"};
  if (std::holds_alternative<bool>(values[0])) return {"bool"};
  Uuid ignored;
  const bool uuids = std::ranges::all_of(
      values, [&](const auto& v) { return ParseUuid(std::get<std::string>(v), &ignored); });
  return uuids ? Kinds{"keyword", "uuid"} : Kinds{"keyword"};
}

// The kinds of index that answer a test; empty where none is needed.
Kinds KindsFor(const vec::FieldCondition& field) {
  if (const auto* any = std::get_if<vec::MatchAny>(&field.test)) return KindsOfValues(any->values);
  if (const auto* except = std::get_if<vec::MatchExcept>(&field.test)) {
    return KindsOfValues(except->values);
  }
  if (std::holds_alternative<vec::MatchText>(field.test)) return {"text"};
  if (std::holds_alternative<vec::PrefixMatch>(field.test)) return {"keyword"};
  if (std::holds_alternative<vec::Range>(field.test)) return {"float", "integer"};
  if (std::holds_alternative<vec::DatetimeRange>(field.test)) return {"datetime"};
  if (std::holds_alternative<vec::GeoBox>(field.test) ||
      std::holds_alternative<vec::GeoRadius>(field.test) ||
      std::holds_alternative<vec::GeoPolygon>(field.test)) {
    return {"geo"};
  }
  return {"bool", "datetime", "float", "geo", "integer", "keyword", "text", "uuid"};
}

struct FilterFacts {
  std::size_t conditions = 0;
  std::size_t largest = 0;
  std::optional<std::pair<std::string, Kinds>> unindexed;  // The first.
  MissingIndexes missing;                                  // All.
};

class FilterReader {
 public:
  explicit FilterReader(const OpenCollection& collection)
      : indexes_(collection.store->PayloadIndexes()) {}

  void Read(const vec::Filter& filter, const std::string& prefix, FilterFacts* facts) const {
    for (const auto* list : {&filter.must, &filter.should, &filter.must_not}) {
      for (const vec::Condition& condition : *list) Read(condition, prefix, facts);
    }
    if (!filter.min_should) return;
    for (const vec::Condition& c : filter.min_should->conditions) Read(c, prefix, facts);
  }

  bool HasIndex(const std::string& key) const { return indexes_.contains(key); }
  const std::map<std::string, vec::PayloadIndexInfo>& indexes() const { return indexes_; }

 private:
  void Read(const vec::Condition& condition, const std::string& prefix, FilterFacts* facts) const {
    if (const auto* inner = std::get_if<std::shared_ptr<const vec::Filter>>(&condition.test)) {
      Read(**inner, prefix, facts);
      return;
    }
    if (const auto* nested = std::get_if<vec::Nested>(&condition.test)) {
      Read(*nested->filter, prefix + nested->key + "[].", facts);
      return;
    }
    ++facts->conditions;
    if (const auto* ids = std::get_if<vec::HasId>(&condition.test)) {
      facts->largest = std::max(facts->largest, ids->ids.size());
    }
    const auto* field = std::get_if<vec::FieldCondition>(&condition.test);
    if (field == nullptr) return;
    std::size_t size = 1;
    if (const auto* any = std::get_if<vec::MatchAny>(&field->test)) size = any->values.size();
    if (const auto* except = std::get_if<vec::MatchExcept>(&field->test)) {
      size = except->values.size();
    }
    if (const auto* polygon = std::get_if<vec::GeoPolygon>(&field->test)) {
      size = polygon->exterior.size();
      for (const auto& ring : polygon->interiors) size += ring.size();
    }
    facts->largest = std::max(facts->largest, size);
    const Kinds kinds = KindsFor(*field);
    if (kinds.empty()) return;
    const std::string key = prefix + field->key;
    const auto index = indexes_.find(key);
    if (index != indexes_.end()) {
      const auto name = IndexKindName(index->second.params.kind);
      if (std::ranges::find(kinds, name) != kinds.end()) return;
    }
    facts->missing.try_emplace(key, kinds.begin(), kinds.end());
    if (!facts->unindexed) facts->unindexed.emplace(key, kinds);
  }

  std::map<std::string, vec::PayloadIndexInfo> indexes_;
};

Status CheckFilter(const OpenCollection& collection, const Value* config, const vec::Filter* filter,
                   std::string_view flag) {
  if (config == nullptr || filter == nullptr) return Ok();
  FilterFacts facts;
  FilterReader(collection).Read(*filter, "", &facts);
  if (!config->GetBool(flag, true) && facts.unindexed) {
    std::string kinds;
    for (const auto& kind : facts.unindexed->second) {
      kinds += (kinds.empty() ? "" : ", ") + std::string(kind);
    }
    return StrictMode("Index required but not found for \"" + facts.unindexed->first +
                          "\" of one of the following types: [" + kinds + "]",
                      "Create an index for this key or use a different filter.");
  }
  const auto conditions = Limit(config, "filter_max_conditions");
  if (conditions && static_cast<double>(facts.conditions) > *conditions) {
    return StrictMode("Filter condition limit reached (" + std::to_string(facts.conditions) +
                          " > " + Number(*conditions) + ")",
                      "Reduce the amount of conditions of your filter.");
  }
  const auto size = Limit(config, "condition_max_size");
  if (size && static_cast<double>(facts.largest) > *size) {
    return StrictMode("Condition size limit reached (" + std::to_string(facts.largest) + " > " +
                          Number(*size) + ")",
                      "Reduce the size of your condition.");
  }
  return Ok();
}

Status CheckParams(const OpenCollection& collection, const Value* config,
                   const SearchParams& params) {
  MALMOI_TRY(CheckLimit(config, "search_max_oversampling", params.quantization_oversampling,
                        "oversampling"));
  std::optional<double> ef;
  if (params.hnsw_ef) ef = static_cast<double>(*params.hnsw_ef);
  MALMOI_TRY(CheckLimit(config, "search_max_hnsw_ef", ef, "hnsw_ef"));
  if (params.exact && !config->GetBool("search_allow_exact", true)) {
    return StrictMode("Exact search disabled!", "Set exact=false.");
  }
  return CheckFilter(collection, config, params.idf_corpus.get(), "unindexed_filtering_retrieve");
}

// Fields of a formula's variables and conditions must have an index.
Status CheckExpression(const FilterReader& reader, const Expression& e) {
  std::optional<std::pair<std::string, std::string>> missing;
  using Kind = Expression::Kind;
  if (e.kind == Kind::kVariable && !e.name.starts_with("$") && !reader.HasIndex(e.name)) {
    missing.emplace(e.name, "float, integer");
  } else if (e.kind == Kind::kGeoDistance && !reader.HasIndex(e.name)) {
    missing.emplace(e.name, "geo");
  } else if (e.kind == Kind::kDatetimeKey && !reader.HasIndex(e.name)) {
    missing.emplace(e.name, "datetime");
  } else if (e.kind == Kind::kCondition) {
    FilterFacts facts;
    reader.Read(*e.condition, "", &facts);
    if (facts.unindexed) {
      std::string kinds;
      for (const auto& kind : facts.unindexed->second) {
        kinds += (kinds.empty() ? "" : ", ") + std::string(kind);
      }
      missing.emplace(facts.unindexed->first, kinds);
    }
  }
  if (missing) {
    return StrictMode("Index required but not found for \"" + missing->first +
                          "\" of one of the following types: [" + missing->second + "]",
                      "Create an index for this key or use a different formula expression.");
  }
  for (const ExpressionPtr& argument : e.arguments) {
    MALMOI_TRY(CheckExpression(reader, *argument));
  }
  return Ok();
}

// Without a graph a vector query would read every point.
Status CheckFullScan(const OpenCollection& collection, const Value* config, const Prefetch& node) {
  if (config->GetBool("search_allow_exact", true) || !node.prefetch.empty() || !node.query) {
    return Ok();
  }
  const bool vector =
      node.query->index() <= 3 || std::holds_alternative<FeedbackQuery>(*node.query);
  const auto stored = collection.store->config();
  const auto params = stored.dense.find(node.using_vector);
  if (!vector || params == stored.dense.end()) return Ok();
  const Value own = ParseObject(params->second.settings);
  const Value* shared = collection.settings.Find("hnsw_config");
  const auto member = [&](std::string_view name, std::int64_t fallback) {
    const Value* hnsw = own.Find("hnsw_config");
    if (hnsw != nullptr && hnsw->Find(name) != nullptr) return hnsw->GetInt(name);
    return shared == nullptr ? fallback : shared->GetInt(name, fallback);
  };
  const std::int64_t m = member("m", 16);
  if (m > 0) return Ok();
  const std::string label = node.using_vector.empty() ? "" : " on '" + node.using_vector + "'";
  bool tenant = false;
  if (node.filter != nullptr) {
    for (const auto& [key, index] : collection.store->PayloadIndexes()) {
      if (!ParseObject(index.params.settings).GetBool("is_tenant")) continue;
      for (const vec::Condition& condition : node.filter->must) {
        const auto* field = std::get_if<vec::FieldCondition>(&condition.test);
        tenant = tenant || (field != nullptr && field->key == key);
      }
    }
  }
  if (!tenant) {
    return StrictMode("Request is forbidden" + label +
                          " because global vector indexing is disabled (hnsw_config.m = 0)",
                      "Use tenant-specific filter, enable global vector indexing or enable strict "
                      "mode `search_allow_exact` option");
  }
  if (member("payload_m", m) > 0) return Ok();
  return StrictMode("Request is forbidden" + label +
                        " because vector indexing is disabled (hnsw_config.m = 0 and "
                        "hnsw_config.payload_m = 0)",
                    "Enable vector indexing, use a prefetch query with indexed vectors or enable "
                    "strict mode `search_allow_exact` option");
}

Status CheckNode(const OpenCollection& collection, const Value* config, const Prefetch& node,
                 std::optional<std::uint64_t> limit) {
  for (const Prefetch& child : node.prefetch) {
    MALMOI_TRY(CheckNode(collection, config, child, child.limit.value_or(10)));
  }
  MALMOI_TRY(CheckFullScan(collection, config, node));
  if (node.query && !config->GetBool("unindexed_filtering_retrieve", true)) {
    if (const auto* formula = std::get_if<FormulaQuery>(&*node.query)) {
      MALMOI_TRY(CheckExpression(FilterReader(collection), *formula->formula));
    }
  }
  std::optional<double> asked;
  if (limit) asked = static_cast<double>(*limit);
  MALMOI_TRY(CheckLimit(config, "max_query_limit", asked, "limit"));
  MALMOI_TRY(CheckFilter(collection, config, node.filter.get(), "unindexed_filtering_retrieve"));
  return CheckParams(collection, config, node.params);
}

Status CheckVectors(const Value* config, const VectorMap& vectors) {
  for (const auto& [name, data] : vectors) {
    const auto limit_of = [&, &key = name](std::string_view group, std::string_view member) {
      const Value* list = config->Find(group);
      const Value* entry = list == nullptr ? nullptr : list->Find(key);
      return Limit(entry, member);
    };
    if (const auto* rows = std::get_if<RawMultiVector>(&data)) {
      const auto limit = limit_of("multivector_config", "max_vectors");
      if (limit && static_cast<double>(rows->size()) > *limit) {
        return BadRequest("Multivector '" + name + "' has a limit of " + Number(*limit) +
                          " vectors, but " + std::to_string(rows->size()) + " were provided!");
      }
    } else if (const auto* sparse = std::get_if<vec::SparseVector>(&data)) {
      const auto limit = limit_of("sparse_config", "max_length");
      if (limit && static_cast<double>(sparse->indices.size()) > *limit) {
        return BadRequest("Sparse vector '" + name + "' has a limit of " + Number(*limit) +
                          " indices, but " + std::to_string(sparse->indices.size()) +
                          " were provided!");
      }
    }
  }
  return Ok();
}

std::string Megabytes(double bytes) {
  std::string text = Value::Double(static_cast<double>(static_cast<float>(bytes / 1048576))).Dump();
  return text;
}

Status CheckSizes(const OpenCollection& collection, const Value* config) {
  const auto vectors = Limit(config, "max_collection_vector_size_bytes");
  const auto payload = Limit(config, "max_collection_payload_size_bytes");
  const auto points = Limit(config, "max_points_count");
  if (!vectors && !payload && !points) return Ok();
  const vec::CollectionInfo info = collection.store->Info();
  double vector_bytes = 0;
  for (const auto& [name, params] : collection.store->config().dense) {
    const auto count = info.with_vector.find(name);
    if (count != info.with_vector.end()) {
      vector_bytes += static_cast<double>(count->second) * params.dim * sizeof(float);
    }
  }
  if (vectors && vector_bytes >= *vectors) {
    return BadRequest("Max vector storage size limit of " + Megabytes(*vectors) + "MB reached!");
  }
  const double used = static_cast<double>(info.disk_bytes + info.memory_bytes) - vector_bytes;
  if (payload && info.points > 0 && used >= *payload) {
    return BadRequest("Max payload storage size limit of " + Megabytes(*payload) + "MB reached!");
  }
  if (points && static_cast<double>(info.points) >= *points) {
    return BadRequest("Max points count limit of " + Number(*points) + " reached!");
  }
  return Ok();
}

template <class Request>
const vec::Filter* WriteFilter(const Request& request) {
  if constexpr (requires { request.filter; }) {
    return request.filter.get();
  } else {
    return nullptr;
  }
}

Status TakeTokens(const OpenCollection& collection, OpenCollection::Bucket* bucket,
                  std::string_view member, std::string_view kind, double cost) {
  const auto limit = Limit(Strict(collection), member);
  if (!limit || cost == 0) return Ok();
  if (cost > *limit) {
    return Error(Code::kOverloaded, "Rate limiting exceeded: " + std::string(kind) +
                                        " rate limit exceeded, request larger than rate limiter "
                                        "capacity, please try to split your request");
  }
  const double now =
      std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  const std::lock_guard lock(bucket->mutex);
  if (bucket->tokens < 0) bucket->tokens = *limit;
  const double refill = bucket->last == 0 ? 0 : (now - bucket->last) * *limit / 60;
  bucket->tokens = std::min(*limit, bucket->tokens + refill);
  bucket->last = now;
  if (bucket->tokens >= cost) {
    bucket->tokens -= cost;
    return Ok();
  }
  const double wait = std::ceil((cost - bucket->tokens) / (*limit / 60));
  return Error(Code::kOverloaded, "Rate limiting exceeded: " + std::string(kind) +
                                      " rate limit exceeded: Operation requires " + Number(cost) +
                                      " tokens but only " + FormatFixed(bucket->tokens, 1) +
                                      " were available. Retry after " + Number(wait) + "s");
}

}  // namespace

Status CheckStrictTimeout(const OpenCollection& collection, std::optional<std::uint64_t> seconds) {
  if (!seconds) return Ok();
  return CheckLimit(Strict(collection), "max_timeout", static_cast<double>(*seconds), "timeout");
}

Status CheckStrictRead(const OpenCollection& collection, const vec::Filter* filter,
                       std::optional<std::uint64_t> limit) {
  const Value* config = Strict(collection);
  if (config == nullptr) return Ok();
  std::optional<double> asked;
  if (limit) asked = static_cast<double>(*limit);
  MALMOI_TRY(CheckLimit(config, "max_query_limit", asked, "limit"));
  return CheckFilter(collection, config, filter, "unindexed_filtering_retrieve");
}

Status CheckStrictQuery(const OpenCollection& collection, const Prefetch& query,
                        std::optional<std::uint64_t> limit) {
  const Value* config = Strict(collection);
  return config == nullptr ? Ok() : CheckNode(collection, config, query, limit);
}

Status CheckStrictGroup(const OpenCollection& collection, const std::string& key) {
  const Value* config = Strict(collection);
  if (config == nullptr || config->GetBool("unindexed_filtering_retrieve", true)) return Ok();
  const auto indexes = collection.store->PayloadIndexes();
  const auto index = indexes.find(key);
  constexpr std::string_view kHelp = "Create an index supporting `match` for this key.";
  if (index == indexes.end()) {
    return StrictMode("Index required but not found for \"" + key + "\"", kHelp);
  }
  const auto name = IndexKindName(index->second.params.kind);
  if (name == "keyword" || name == "integer" || name == "uuid" || name == "bool") return Ok();
  std::string shown(name);
  shown[0] = static_cast<char>(shown[0] - 'a' + 'A');
  return StrictMode("Index of type \"" + shown + "\" found for \"" + key + "\"", kHelp);
}

Status CheckStrictBatch(const OpenCollection& collection, std::size_t size) {
  return CheckLimit(Strict(collection), "search_max_batchsize", static_cast<double>(size),
                    "search batch size");
}

bool IsStrict(const OpenCollection& collection) {
  return Strict(collection) != nullptr;
}

Status CheckStrictUpdate(const OpenCollection& collection, const UpdateOperation& operation) {
  const Value* config = Strict(collection);
  if (config == nullptr) return Ok();
  if (const auto* upsert = std::get_if<UpsertPoints>(&operation)) {
    MALMOI_TRY(CheckLimit(config, "upsert_max_batchsize",
                          static_cast<double>(upsert->points.size()), "upsert limit"));
    MALMOI_TRY(CheckSizes(collection, config));
    for (const PointStruct& point : upsert->points) {
      MALMOI_TRY(CheckVectors(config, point.vectors));
    }
    return TakeWriteTokens(collection, upsert->points.size());
  }
  if (const auto* update = std::get_if<UpdateVectors>(&operation)) {
    MALMOI_TRY(CheckLimit(config, "upsert_max_batchsize",
                          static_cast<double>(update->points.size()), "update limit"));
    MALMOI_TRY(CheckSizes(collection, config));
    for (const PointVectors& point : update->points) {
      MALMOI_TRY(CheckVectors(config, point.vectors));
    }
    return TakeWriteTokens(collection, update->points.size());
  }
  if (std::holds_alternative<SetPayload>(operation) ||
      std::holds_alternative<OverwritePayload>(operation)) {
    MALMOI_TRY(CheckSizes(collection, config));
  }
  const vec::Filter* filter =
      std::visit([](const auto& request) { return WriteFilter(request); }, operation);
  MALMOI_TRY(CheckFilter(collection, config, filter, "unindexed_filtering_update"));
  return TakeWriteTokens(collection, 1);
}

std::optional<double> StrictMemoryPercent(const OpenCollection& collection) {
  return Limit(Strict(collection), "max_resident_memory_percent");
}

Status CheckStrictIndexCount(const OpenCollection& collection) {
  const auto limit = Limit(Strict(collection), "max_payload_index_count");
  if (!limit || static_cast<double>(collection.store->PayloadIndexes().size()) < *limit) {
    return Ok();
  }
  return StrictMode(
      "Collection already has the maximum number of payload indices (" + Number(*limit) + ")",
      "Please delete an existing index before creating a new one.");
}

Status TakeReadTokens(const OpenCollection& collection, std::size_t count) {
  return TakeTokens(collection, &collection.reads, "read_rate_limit", "Read",
                    static_cast<double>(count));
}

Status TakeWriteTokens(const OpenCollection& collection, std::size_t count) {
  return TakeTokens(collection, &collection.writes, "write_rate_limit", "Write",
                    static_cast<double>(count));
}

void Service::NoteIfSlow(const OpenCollection& collection, std::int64_t start_ns,
                         const vec::Filter* filter) {
  if (filter == nullptr || SecondsSince(start_ns) < options_.slow_seconds) return;
  FilterFacts facts;
  FilterReader(collection).Read(*filter, "", &facts);
  issues_.Add(collection.name, facts.missing);
}

void Service::NoteIfSlow(const OpenCollection& collection, std::int64_t start_ns,
                         const Prefetch& query) {
  NoteIfSlow(collection, start_ns, query.filter.get());
  for (const Prefetch& child : query.prefetch) NoteIfSlow(collection, start_ns, child);
}

}  // namespace malmoi::qdrant
