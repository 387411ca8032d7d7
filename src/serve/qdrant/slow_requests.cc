#include "serve/qdrant/slow_requests.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/hash.h"
#include "vec/filter.h"

namespace malmoi::serve {
namespace {

using json::Value;

Value Shortened(const Value& value) {
  if (value.is_object()) {
    std::vector<Value::Member> members;
    for (const auto& [name, member] : value.members())
      members.emplace_back(name, Shortened(member));
    return Value::Object(std::move(members));
  }
  if (!value.is_array()) return value;
  std::vector<Value> items;
  for (const Value& item : value.items()) {
    if (items.size() == SlowRequests::kItems) {
      const std::size_t left = value.items().size() - items.size();
      items.push_back(Value::String("... (" + std::to_string(left) + " more items)"));
      break;
    }
    items.push_back(Shortened(item));
  }
  return Value::Array(std::move(items));
}

}  // namespace

std::string_view SlowKind(std::string_view operation) {
  struct Kind {
    std::string_view kind;
    std::initializer_list<std::string_view> operations;
  };
  static const Kind kKinds[] = {
      {"points-update",
       {"upsert_points", "delete_points", "update_vectors", "delete_vectors", "set_payload",
        "overwrite_payload", "delete_payload", "clear_payload", "batch_update"}},
      {"scroll", {"scroll_points"}},
      {"count", {"count_points"}},
      {"facet", {"facet"}},
      {"retrieve", {"get_points", "get_point"}},
      {"query",
       {"query_points", "query_batch_points", "query_points_groups", "search_matrix_pairs",
        "search_matrix_offsets", "search_points", "search_batch_points", "search_point_groups",
        "recommend_points", "recommend_batch_points", "recommend_point_groups", "discover_points",
        "discover_batch_points"}}};
  for (const Kind& kind : kKinds) {
    if (std::ranges::find(kind.operations, operation) != kind.operations.end()) return kind.kind;
  }
  return {};
}

void SlowRequests::Add(Request request) {
  if (request.seconds < kShortestSeconds) return;
  Entry entry{.request = std::move(request), .wall_ns = WallNs()};
  Request& added = entry.request;
  entry.hash = Hash64(added.collection, Hash64(added.body.Dump(), Hash64(added.kind)));
  added.body = Shortened(added.body);
  const std::lock_guard lock(mutex_);
  const auto same = std::ranges::find(entries_, entry.hash, &Entry::hash);
  if (same != entries_.end()) {
    entry.count = same->count + 1;
    if (same->request.seconds >= added.seconds) {
      same->count = entry.count;
      return;
    }
    *same = std::move(entry);
    return;
  }
  const auto of_kind = [&](const Entry& e) { return e.request.kind == added.kind; };
  if (static_cast<std::size_t>(std::ranges::count_if(entries_, of_kind)) >= kKept) {
    auto fastest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (!of_kind(*it)) continue;
      if (fastest == entries_.end() || it->request.seconds < fastest->request.seconds) fastest = it;
    }
    if (fastest->request.seconds >= added.seconds) return;
    entries_.erase(fastest);
  }
  entries_.push_back(std::move(entry));
}

void SlowRequests::Print(std::size_t limit, std::string_view kind, json::Writer* writer) const {
  const std::lock_guard lock(mutex_);
  std::vector<const Entry*> shown;
  for (const Entry& entry : entries_) {
    if (entry.request.kind.find(kind) != std::string_view::npos) shown.push_back(&entry);
  }
  std::ranges::stable_sort(shown, std::greater<>(),
                           [](const Entry* e) { return e->request.seconds; });
  if (shown.size() > limit) shown.resize(limit);
  writer->BeginObject().Key("requests").BeginArray();
  for (const Entry* entry : shown) {
    const Request& request = entry->request;
    writer->BeginObject().Field("collection_name", request.collection);
    writer->Field("duration", std::floor(request.seconds * 1000) / 1000);
    writer->Field("datetime", vec::FormatDatetime(entry->wall_ns / 1000));
    writer->Field("request_name", request.kind).Field("approx_count", entry->count);
    writer->Key("request_body").Put(request.body);
    writer->EndObject();
  }
  writer->EndArray().EndObject();
}

}  // namespace malmoi::serve
