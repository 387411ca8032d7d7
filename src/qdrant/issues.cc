#include "qdrant/issues.h"

#include <algorithm>
#include <ctime>

namespace malmoi::qdrant {
namespace {

std::string TimeText(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

void PrintSolution(const std::string& collection, const std::string& field, const std::string& kind,
                   json::Writer* writer) {
  writer->BeginObject().Field("message", "Create an index on field '" + field + "' of schema \"" +
                                             kind + "\" in collection '" + collection + "'");
  writer->Key("action").BeginObject().Field("method", "PUT");
  writer->Field("uri", "/collections/" + collection + "/index");
  writer->Key("headers").BeginObject().Field("content-type", "application/json").EndObject();
  writer->Key("body").BeginObject().Field("field_name", field).Field("field_schema", kind);
  writer->EndObject().EndObject().EndObject();
}

}  // namespace

void Issues::Add(const std::string& collection, const MissingIndexes& missing) {
  const std::lock_guard lock(mutex_);
  for (const auto& [field, kinds] : missing) {
    if (entries_.size() >= kMost) return;
    Entry entry{.kinds = kinds, .seconds = static_cast<std::int64_t>(std::time(nullptr))};
    // Of a text that is a UUID, keyword is what others than UUIDs fit too.
    if (kinds.size() > 1) std::erase(entry.kinds, "uuid");
    entries_.try_emplace({collection, field}, std::move(entry));
  }
}

void Issues::Solve(const std::string& collection, const std::string& field) {
  const std::lock_guard lock(mutex_);
  entries_.erase({collection, field});
}

void Issues::Forget(const std::string& collection) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) { return entry.first.first == collection; });
}

void Issues::Clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

void Issues::Print(json::Writer* writer) const {
  const std::lock_guard lock(mutex_);
  writer->BeginObject().Key("issues").BeginArray();
  for (const auto& [key, entry] : entries_) {
    const auto& [collection, field] = key;
    writer->BeginObject().Field("id", "UNINDEXED_FIELD/" + collection + "/" + field);
    writer->Field("description", "Unindexed field '" + field +
                                     "' might be slowing queries down in collection '" +
                                     collection + "'");
    writer->Key("solution").BeginObject();
    writer->Key(entry.kinds.size() == 1 ? "Immediate" : "ImmediateChoice");
    if (entry.kinds.size() > 1) writer->BeginArray();
    for (const auto& kind : entry.kinds) PrintSolution(collection, field, kind, writer);
    if (entry.kinds.size() > 1) writer->EndArray();
    writer->EndObject().Field("timestamp", TimeText(entry.seconds));
    writer->Field("related_collection", collection).EndObject();
  }
  writer->EndArray().EndObject();
}

}  // namespace malmoi::qdrant
