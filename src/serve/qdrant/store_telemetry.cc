#include <algorithm>
#include <ctime>
#include <fstream>
#include <thread>

#include "base/strings.h"
#include "qdrant/config_store.h"
#include "serve/qdrant/store_front_internal.h"
#include "serve/qdrant/store_server.h"

// GET /telemetry and GET /metrics, with Qdrant's members and names. Neither opens a collection: of
// one that nobody has used yet they tell what its list of files says.
namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;
using Entry = RequestCounts::Entry;

constexpr std::string_view kId = "00000000-0000-4000-8000-6d616c6d6f69";

std::string TimeText(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

struct Memory {
  std::uint64_t total = 0, resident = 0, data = 0;  // Bytes.
};
Memory ReadMemory() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0, shared = 0, text = 0, library = 0, data = 0;
  statm >> total >> resident >> shared >> text >> library >> data;
  return {.total = total * 4096, .resident = resident * 4096, .data = data * 4096};
}

std::uint64_t VectorsOf(const vec::CollectionInfo& info) {
  std::uint64_t vectors = 0;
  for (const auto& [name, count] : info.with_vector) vectors += count;
  return vectors;
}

void PrintStatistics(const Entry& entry, Writer* writer) {
  writer->BeginObject().Field("count", entry.count);
  writer->Field("avg_duration_micros", entry.seconds * 1e6 / static_cast<double>(entry.count));
  writer->Field("min_duration_micros", entry.min * 1e6)
      .Field("max_duration_micros", entry.max * 1e6);
  writer->Field("total_duration_micros", static_cast<std::uint64_t>(entry.seconds * 1e6));
  writer->Field("last_responded", TimeText(entry.last)).EndObject();
}

void PrintResponses(std::string_view name, const RequestCounts& counts, Writer* writer) {
  writer->Key(name).BeginObject().Key("responses").BeginObject();
  for (const auto& [route, by_status] : counts.All()) {
    writer->Key(route).BeginObject();
    for (const auto& [status, entry] : by_status) {
      writer->Key(std::to_string(status));
      PrintStatistics(entry, writer);
    }
    writer->EndObject();
  }
  writer->EndObject().EndObject();
}

void PrintApp(const Front& front, std::uint64_t level, Writer* writer) {
  writer->Key("app").BeginObject().Field("name", "qdrant").Field("version", kStoreVersion);
  if (level >= 1) {
    writer->Key("features").BeginObject();
    for (const std::string_view name :
         {"debug", "service_debug_feature", "recovery_mode", "gpu", "rocksdb", "staging"}) {
      writer->Field(name, name == "recovery_mode" && !front.settings.recovery_reason.empty());
    }
    writer->EndObject().Key("system").BeginObject().Field("is_docker", false);
    writer->Field("cores", std::thread::hardware_concurrency()).Field("cpu_flags", "");
    writer->EndObject();
  }
  writer->Field("jwt_rbac", front.settings.jwt_rbac).Field("startup", front.started).EndObject();
}

// One collection in full: a single shard, whose segments are vec's.
void PrintInFull(const std::string& name, const vec::Glance& glance, Writer* writer) {
  const vec::CollectionInfo& info = glance.info;
  writer->BeginObject().Field("id", name).Field("init_time_ms", 0);
  writer->Key("config").Put(qdrant::ShownConfig(glance.config));
  writer->Key("shards").BeginArray().BeginObject().Field("id", 0).Key("key").PutNull();
  writer->Key("local").BeginObject().Field("variant_name", "local shard");
  writer->Field("status", info.error ? "red" : "green").Field("total_optimized_points", 0);
  writer->Field("num_points", info.points).Field("num_vectors", VectorsOf(info));
  writer->Key("num_vectors_by_name").BeginObject();
  for (const auto& [vector, count] : info.with_vector) writer->Field(vector, count);
  writer->EndObject().Key("segments").BeginArray().EndArray();
  writer->Key("optimizations").BeginObject().Field("status", "ok");
  writer->Key("optimizations").BeginObject().Field("count", 0).EndObject();
  writer->Key("log").BeginArray().EndArray().EndObject();
  writer->Field("async_scorer", false).EndObject();
  writer->Key("remote").BeginArray().EndArray();
  writer->Key("replicate_states").BeginObject().EndObject().EndObject().EndArray();
  writer->Key("transfers").BeginArray().EndArray();
  writer->Key("resharding").BeginArray().EndArray().EndObject();
}

void PrintCollections(Front& front, std::uint64_t level, Writer* writer) {
  const auto names = front.service.ListCollections();
  writer->Key("collections").BeginObject().Field("number_of_collections", names.size());
  if (level >= 1) {
    writer->Key("collections").BeginArray();
    for (const std::string& name : names) {
      const auto glance = front.service.GlanceAtCollection(name);
      if (!glance.ok()) continue;
      if (level >= 2) {
        PrintInFull(name, glance.value(), writer);
        continue;
      }
      const Value config = qdrant::ShownConfig(glance.value().config);
      writer->BeginObject().Field("vectors", VectorsOf(glance.value().info));
      writer->Field("optimizers_status", "ok").Key("params").Put(*config.Find("params"));
      writer->EndObject();
    }
    writer->EndArray();
  }
  writer->EndObject();
}

class MetricsText {
 public:
  explicit MetricsText(const std::string& prefix) : prefix_(prefix) {}
  void Head(std::string_view name, std::string_view type, std::string_view help) {
    name_ = prefix_ + std::string(name);
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " +
             std::string(type) + "\n";
  }
  template <class T>
  void Line(std::string_view labels, T value, std::string_view suffix = "") {
    text_ += name_ + std::string(suffix) + std::string(labels) + " ";
    Writer number;
    number.Put(value);
    text_ += number.text() + "\n";
  }
  template <class T>
  void Gauge(std::string_view name, std::string_view help, T value) {
    Head(name, "gauge", help);
    Line("", value);
  }
  std::string Take() { return std::move(text_); }

 private:
  const std::string prefix_;
  std::string name_, text_;
};

void CollectionMetrics(Front& front, MetricsText* text) {
  const auto names = front.service.ListCollections();
  text->Gauge("collections_total", "number of collections", names.size());
  std::vector<std::pair<std::string, vec::Glance>> all;
  std::uint64_t vectors = 0;
  for (const std::string& name : names) {
    auto glance = front.service.GlanceAtCollection(name);
    if (!glance.ok()) continue;
    vectors += VectorsOf(glance.value().info);
    all.emplace_back(name, std::move(glance).value());
  }
  text->Gauge("collections_vector_total", "total number of vectors in all collections", vectors);
  const auto each = [&](std::string_view name, std::string_view help, const auto& value) {
    text->Head(name, "gauge", help);
    for (const auto& [id, d] : all) text->Line("{id=" + json::Quote(id) + "}", value(d));
  };
  each("collection_points", "approximate amount of points per collection",
       [](const auto& d) { return d.info.points; });
  text->Head("collection_vectors", "gauge", "amount of vectors grouped by vector name");
  for (const auto& [id, d] : all) {
    for (const auto& [name, count] : d.info.with_vector) {
      text->Line("{collection=" + json::Quote(id) + ",vector=" + json::Quote(name) + "}", count);
    }
  }
  each("collection_running_optimizations",
       "number of currently running optimization tasks per collection",
       [](const auto&) { return 0; });
  each("collection_segments", "number of segments per collection",
       [](const auto& d) { return std::max<std::uint64_t>(d.info.segments, 1); });
  each("collection_indexed_vectors", "number of indexed vectors per collection",
       [](const auto& d) { return d.info.indexed_vectors; });
}

// Counts, failures and times of one wire.
void WireMetrics(const std::string& wire, const RequestCounts& counts, MetricsText* text) {
  const auto all = counts.All();
  const auto labels = [&](const std::string& route, int status) {
    if (wire == "grpc") {
      return "endpoint=" + json::Quote(route) + ",status=\"" + std::to_string(status) + "\"";
    }
    const std::size_t space = route.find(' ');
    return "method=" + json::Quote(route.substr(0, space)) +
           ",endpoint=" + json::Quote(route.substr(space + 1)) + ",status=\"" +
           std::to_string(status) + "\"";
  };
  const auto each = [&](const std::string& name, std::string_view type, std::string_view help,
                        const auto& line) {
    text->Head(wire + "_responses_" + name, type, help);
    for (const auto& [route, by_status] : all) {
      for (const auto& [status, entry] : by_status) line("{" + labels(route, status) + "}", entry);
    }
  };
  each("total", "counter", "total number of responses",
       [&](const std::string& at, const Entry& e) { text->Line(at, e.count); });
  each("avg_duration_seconds", "gauge", "average response duration",
       [&](const std::string& at, const Entry& e) {
         text->Line(at, e.seconds / static_cast<double>(e.count));
       });
  each("min_duration_seconds", "gauge", "minimum response duration",
       [&](const std::string& at, const Entry& e) { text->Line(at, e.min); });
  each("max_duration_seconds", "gauge", "maximum response duration",
       [&](const std::string& at, const Entry& e) { text->Line(at, e.max); });
  each("duration_seconds", "histogram", "response duration histogram",
       [&](const std::string& at, const Entry& e) {
         const std::string open = at.substr(0, at.size() - 1) + ",le=\"";
         for (std::size_t i = 0; i < std::size(RequestCounts::kBounds); ++i) {
           Writer bound;
           bound.Put(RequestCounts::kBounds[i]);
           text->Line(open + bound.text() + "\"}", e.within[i], "_bucket");
         }
         text->Line(open + "+Inf\"}", e.count, "_bucket");
         text->Line(at, e.seconds, "_sum");
         text->Line(at, e.count, "_count");
       });
}

}  // namespace

Result<Reply> AnswerTelemetry(Front& front, Call& call) {
  const auto given = call.request.Parameter("details_level").value_or("0");
  const auto level = ParseInt(given);
  if (!level || *level < 0) {
    return Error(Code::kInvalidArgument,
                 "Deserialize error in query parameters: invalid digit found in string");
  }
  const auto depth = static_cast<std::uint64_t>(*level);
  Writer writer;
  writer.BeginObject().Field("id", kId);
  PrintApp(front, depth, &writer);
  PrintCollections(front, depth, &writer);
  if (depth >= 1) {
    writer.Key("cluster").BeginObject().Field("enabled", false).EndObject();
    writer.Key("requests").BeginObject();
    PrintResponses("rest", front.records.rest, &writer);
    PrintResponses("grpc", front.records.grpc, &writer);
    writer.EndObject();
    const Memory memory = ReadMemory();
    writer.Key("memory").BeginObject().Field("active_bytes", memory.data);
    writer.Field("allocated_bytes", memory.data).Field("metadata_bytes", 0);
    writer.Field("resident_bytes", memory.resident).Field("retained_bytes", memory.total);
    writer.EndObject().Key("hardware").BeginObject();
    writer.Key("collection_data").BeginObject().EndObject().EndObject();
  }
  writer.EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> AnswerMetrics(Front& front, Call&) {
  MetricsText text(front.settings.metrics_prefix);
  text.Head("app_info", "gauge", "information about qdrant server");
  text.Line("{name=\"qdrant\",version=\"" + std::string(kStoreVersion) + "\"}", 1);
  text.Gauge("app_status_recovery_mode", "is recovery mode enabled",
             front.settings.recovery_reason.empty() ? 0 : 1);
  CollectionMetrics(front, &text);
  text.Gauge("cluster_enabled", "is cluster support enabled", 0);
  WireMetrics("rest", front.records.rest, &text);
  WireMetrics("grpc", front.records.grpc, &text);
  const Memory memory = ReadMemory();
  text.Gauge("memory_active_bytes",
             "Total number of bytes in active pages allocated by the "
             "application",
             memory.data);
  text.Gauge("memory_allocated_bytes", "Total number of bytes allocated by the application",
             memory.data);
  text.Gauge("memory_metadata_bytes", "Total number of bytes dedicated to metadata", 0);
  text.Gauge("memory_resident_bytes",
             "Maximum number of bytes in physically resident data pages mapped", memory.resident);
  text.Gauge("memory_retained_bytes", "Total number of bytes in virtual memory mappings",
             memory.total);
  return Plain(text.Take());
}

}  // namespace malmoi::serve
