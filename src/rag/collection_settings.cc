#include "rag/collection_settings.h"

#include <utility>

#include "json/value.h"
#include "json/writer.h"
#include "rag/ports.h"

namespace malmoi::rag {
namespace {

constexpr std::string_view kKind = "malmoi-library";
constexpr int kFormat = 1;

}  // namespace

std::string StoreSettings(std::size_t dim) {
  json::Writer w;
  w.BeginObject().Key("optimizer_config").BeginObject();
  w.Field("indexing_threshold", kExactVectors * dim * sizeof(float) / 1024);  // In KB.
  w.EndObject().EndObject();
  return std::move(w).Take();
}

std::string SettingsToJson(const CollectionSettings& settings) {
  json::Writer w;
  w.BeginObject();
  w.Field("kind", kKind).Field("format", kFormat);
  w.Field("analyzer", settings.analyzer);
  w.Field("average_bucket", settings.average_bucket);
  w.Field("rewriting_to", settings.rewriting_to);
  w.Field("model", settings.model);
  w.Field("model_fingerprint", settings.model_fingerprint);
  w.Field("indexing", settings.indexing);
  w.EndObject();
  return std::move(w).Take();
}

Result<CollectionSettings> SettingsFromJson(std::string_view json) {
  MALMOI_TRY(const json::Value value, json::Parse(json).With("collection metadata"));
  if (value.GetString("kind") != kKind || value.GetInt("format") != kFormat) {
    return Error(Code::kCorruption,
                 "collection metadata is not that of a malmoi library, format 1");
  }
  CollectionSettings out;
  out.analyzer = value.GetString("analyzer");
  out.average_bucket = value.GetDouble("average_bucket");
  out.rewriting_to = value.GetDouble("rewriting_to");
  out.model = value.GetString("model");
  out.model_fingerprint = value.GetString("model_fingerprint");
  out.indexing = value.GetBool("indexing");
  return out;
}

}  // namespace malmoi::rag
