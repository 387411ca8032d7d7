// What the settings of a collection say about its graphs.
#include <algorithm>

#include "json/value.h"
#include "vec/graph_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint64_t kKilobyte = 1024;
constexpr std::uint64_t kPartRows = 1024;  // Of a large collection: parts with fewer are scanned.

json::Value Object(const std::string& text) {
  auto parsed = json::Parse(text);
  if (!parsed.ok() || !parsed.value().is_object()) return json::Value::Object({});
  return std::move(parsed).value();
}

// A member of the vector's own object, else of the collection's, else `fallback`; null counts as
// absent.
std::int64_t Setting(const json::Value* own, const json::Value* shared, std::string_view name,
                     std::int64_t fallback) {
  for (const json::Value* object : {own, shared}) {
    if (object == nullptr || !object->is_object()) continue;
    const json::Value* value = object->Find(name);
    if (value != nullptr && value->is_number()) return object->GetInt(name, fallback);
  }
  return fallback;
}

std::uint64_t Bytes(std::int64_t kilobytes) {
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(kilobytes, 0, 1ll << 40)) * kKilobyte;
}

}  // namespace

GraphPlan PlanGraph(const Schema::Field& field, const std::string& settings) {
  const json::Value shared = Object(settings);
  const json::Value own = Object(field.settings);
  const json::Value* hnsw[] = {own.Find("hnsw_config"), shared.Find("hnsw_config")};
  const auto number = [&](std::string_view name, std::int64_t fallback) {
    return Setting(hnsw[0], hnsw[1], name, fallback);
  };
  GraphPlan plan;
  const std::int64_t m = number("m", 16);
  const std::int64_t construct = std::clamp<std::int64_t>(number("ef_construct", 100), 4, 4096);
  const std::int64_t from =
      Setting(nullptr, shared.Find("optimizer_config"), "indexing_threshold", 10'000);
  plan.wanted = field.kind == FieldKind::kDense && !field.dropped &&
                field.distance != Distance::kManhattan && m > 0 && from > 0;
  plan.from_bytes = Bytes(from);
  plan.scan_bytes = Bytes(number("full_scan_threshold", 10'000));
  plan.degree = static_cast<std::uint32_t>(std::clamp<std::int64_t>(m * 2, 8, 64));
  plan.build_window = std::max(static_cast<std::uint32_t>(construct), plan.degree * 4);
  plan.window = static_cast<std::uint32_t>(construct);
  for (const json::Value* object : {&own, &shared}) {
    const json::Value* quantization = object->Find("quantization_config");
    plan.bytes = plan.bytes || (quantization != nullptr && quantization->is_object());
  }
  const json::Value* where = own.Find("memory");
  plan.fine = own.GetBool("on_disk", false) ||
              (where != nullptr && where->is_string() && where->AsString() == "cold");
  for (const json::Value* object : {hnsw[1], hnsw[0]}) {
    if (object == nullptr || !object->is_object()) continue;
    plan.mapped = object->GetBool("on_disk", plan.mapped);
    const json::Value* memory = object->Find("memory");
    if (memory != nullptr && memory->is_string()) plan.mapped = memory->AsString() == "cold";
  }
  return plan;
}

OptimizerPlan PlanOptimizer(const Schema& schema, const std::string& settings) {
  OptimizerPlan plan;
  for (const auto& field : schema.fields) plan.graphs.push_back(PlanGraph(field, settings));
  const json::Value all = Object(settings);
  const json::Value* own = all.Find("optimizer_config");
  if (own == nullptr || !own->is_object()) return plan;
  const json::Value* share = own->Find("deleted_threshold");
  if (share != nullptr && share->is_number()) {
    plan.deleted_share = std::clamp(own->GetDouble("deleted_threshold"), 0.01, 1.0);
  }
  plan.deleted_rows = static_cast<std::uint32_t>(std::clamp<std::int64_t>(
      Setting(nullptr, own, "vacuum_min_vector_number", plan.deleted_rows), 1, 1 << 30));
  const std::int64_t most = Setting(nullptr, own, "max_segment_size", 0);
  if (most > 0) plan.segment_bytes_max = Bytes(most);
  plan.tail_points = static_cast<std::uint64_t>(std::max<std::int64_t>(
      Setting(nullptr, own, "max_unindexed_points", static_cast<std::int64_t>(plan.tail_points)),
      1));
  return plan;
}

OptimizerPlan PlanForSize(const OptimizerPlan& asked, const Schema& schema,
                          std::span<const std::uint64_t> live_with) {
  OptimizerPlan plan = asked;
  for (std::size_t f = 0; f < plan.graphs.size() && f < live_with.size(); ++f) {
    const std::uint64_t row = schema.fields[f].row_bytes();
    GraphPlan& graph = plan.graphs[f];
    for (std::uint64_t* from : {&graph.from_bytes, &graph.scan_bytes}) {
      if (live_with[f] * row > *from) *from = std::min(*from, kPartRows * row - 1);
    }
  }
  return plan;
}

}  // namespace malmoi::vec
