#include <algorithm>
#include <fstream>
#include <thread>

#include "base/strings.h"
#include "qdrant/config_store.h"
#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;

constexpr std::string_view kVersion = "1.20.0";
constexpr std::string_view kId = "00000000-0000-4000-8000-6d616c6d6f69";

Reply Plain(std::string text) {
  return Reply{.body = std::move(text), .content_type = "text/plain; charset=utf-8"};
}

Result<Reply> Root(Front&, Call&) {
  Writer writer;
  writer.BeginObject()
      .Field("title", "qdrant - vector search engine")
      .Field("version", kVersion)
      .EndObject();
  return Reply{.body = std::move(writer).Take()};
}

Result<Reply> Healthz(Front&, Call&) {
  return Plain("healthz check passed");
}
Result<Reply> Ready(Front&, Call&) {
  return Plain("all shards are ready");
}

void PrintStatistics(const RequestCounts::Entry& entry, Writer* writer) {
  writer->BeginObject().Field("count", entry.count);
  writer->Field("avg_duration_micros", entry.seconds * 1e6 / static_cast<double>(entry.count));
  writer->Field("min_duration_micros", entry.min * 1e6)
      .Field("max_duration_micros", entry.max * 1e6);
  writer->Field("total_duration_micros", static_cast<std::uint64_t>(entry.seconds * 1e6));
  writer->EndObject();
}

void PrintApp(const Front& front, std::uint64_t level, Writer* writer) {
  writer->Key("app").BeginObject().Field("name", "qdrant").Field("version", kVersion);
  if (level >= 1) {
    writer->Key("features").BeginObject();
    for (const std::string_view name :
         {"debug", "service_debug_feature", "recovery_mode", "gpu", "rocksdb", "staging"}) {
      writer->Field(name, false);
    }
    writer->EndObject().Key("system").BeginObject().Field("is_docker", false);
    writer->Field("cores", std::thread::hardware_concurrency()).Field("cpu_flags", "");
    writer->EndObject();
  }
  writer->Field("jwt_rbac", front.settings.jwt_rbac).Field("startup", front.started).EndObject();
}

void PrintCollections(Front& front, std::uint64_t level, Writer* writer) {
  const auto names = front.service.ListCollections();
  writer->Key("collections").BeginObject().Field("number_of_collections", names.size());
  if (level >= 1) {
    writer->Key("collections").BeginArray();
    for (const std::string& name : names) {
      const auto description = front.service.DescribeCollection(name);
      if (!description.ok()) continue;
      const auto& info = description.value().info;
      std::uint64_t vectors = 0;
      for (const auto& [vector, count] : info.with_vector) vectors += count;
      const Value config = qdrant::ShownConfig(description.value().config);
      writer->BeginObject().Field("vectors", vectors);
      writer->Field("optimizers_status", "ok").Key("params").Put(*config.Find("params"));
      writer->EndObject();
    }
    writer->EndArray();
  }
  writer->EndObject();
}

Result<Reply> Telemetry(Front& front, Call& call) {
  const auto level = ParseInt(call.request.Parameter("details_level").value_or("0")).value_or(0);
  const auto depth = static_cast<std::uint64_t>(std::max<std::int64_t>(level, 0));
  Writer writer;
  writer.BeginObject().Field("id", kId);
  PrintApp(front, depth, &writer);
  PrintCollections(front, std::min<std::uint64_t>(depth, 1), &writer);
  if (depth >= 1) {
    writer.Key("cluster").BeginObject().Field("enabled", false).EndObject();
    writer.Key("requests").BeginObject().Key("rest").BeginObject().Key("responses").BeginObject();
    for (const auto& [route, by_status] : front.counts.All()) {
      writer.Key(route).BeginObject();
      for (const auto& [status, entry] : by_status) {
        writer.Key(std::to_string(status));
        PrintStatistics(entry, &writer);
      }
      writer.EndObject();
    }
    writer.EndObject().EndObject().Key("grpc").BeginObject().Key("responses").BeginObject();
    writer.EndObject().EndObject().EndObject();
  }
  writer.EndObject();
  return ReplyOf(std::move(writer));
}

class MetricsText {
 public:
  void Head(std::string_view name, std::string_view type, std::string_view help) {
    text_ += "# HELP " + std::string(name) + " " + std::string(help) + "\n# TYPE " +
             std::string(name) + " " + std::string(type) + "\n";
  }
  template <class T>
  void Line(std::string_view name, std::string_view labels, T value) {
    text_ += std::string(name) + std::string(labels) + " ";
    Writer number;
    number.Put(value);
    text_ += number.text() + "\n";
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

Result<Reply> Metrics(Front& front, Call&) {
  MetricsText text;
  text.Head("app_info", "gauge", "information about qdrant server");
  text.Line("app_info", "{name=\"qdrant\",version=\"1.20.0\"}", 1);
  text.Head("app_status_recovery_mode", "gauge", "is recovery mode enabled");
  text.Line("app_status_recovery_mode", "", 0);
  const auto names = front.service.ListCollections();
  text.Head("collections_total", "gauge", "number of collections");
  text.Line("collections_total", "", names.size());
  std::uint64_t all_vectors = 0;
  std::string points, vectors;
  for (const std::string& name : names) {
    const auto description = front.service.DescribeCollection(name);
    if (!description.ok()) continue;
    std::uint64_t count = 0;
    for (const auto& [vector, n] : description.value().info.with_vector) count += n;
    all_vectors += count;
    const std::string id = "{id=" + json::Quote(name) + "} ";
    points += "collection_points" + id + std::to_string(description.value().info.points) + "\n";
    vectors += "collection_vectors" + id + std::to_string(count) + "\n";
  }
  text.Head("collections_vector_total", "gauge", "total number of vectors in all collections");
  text.Line("collections_vector_total", "", all_vectors);
  MetricsText per;
  per.Head("collection_points", "gauge", "approximate amount of points per collection");
  std::string body = text.Take() + per.Take() + points;
  per.Head("collection_vectors", "gauge", "amount of vectors grouped by vector name");
  body += per.Take() + vectors;
  MetricsText requests;
  requests.Head("rest_responses_total", "counter", "total number of responses");
  std::string seconds;
  for (const auto& [route, by_status] : front.counts.All()) {
    const std::size_t space = route.find(' ');
    for (const auto& [status, entry] : by_status) {
      const std::string labels = "{method=\"" + route.substr(0, space) + "\",endpoint=\"" +
                                 route.substr(space + 1) + "\",status=\"" + std::to_string(status) +
                                 "\"}";
      requests.Line("rest_responses_total", labels, entry.count);
    }
  }
  body += requests.Take();
  MetricsText process;
  process.Head("memory_resident_bytes", "gauge",
               "Maximum number of bytes in physically resident "
               "data pages mapped");
  process.Line("memory_resident_bytes", "", ResidentBytes());
  return Plain(body + process.Take());
}

Result<Reply> Issues(Front&, Call&) {
  return Reply{.result = R"({"issues":[]})"};
}
Result<Reply> ClearIssues(Front&, Call&) {
  return ReplyOf(true);
}

Result<Reply> Cluster(Front&, Call&) {
  return Reply{.result = R"({"status":"disabled"})"};
}
Result<Reply> ClusterTelemetry(Front&, Call&) {
  return qdrant::BadRequest("Distributed telemetry is only available in distributed mode");
}
Result<Reply> StandAloneOnly(Front&, Call&) {
  return qdrant::StandAlone();
}

Result<Reply> Quotas(Front& front, Call&) {
  const std::lock_guard lock(front.quota_mutex);
  Writer writer;
  writer.BeginObject().Key("config").PutRaw(front.quotas);
  writer.Key("usage").BeginObject().EndObject();
  writer.EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> SetQuotas(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  bool enabled = false;
  std::uint64_t number = 0;
  qdrant::Why why;
  qdrant::Fields fields(body, "struct QuotaConfig", &why);
  fields.Optional("enabled", &enabled);
  qdrant::Checks checks;
  std::vector<Value::Member> kept = {{"enabled", Value::Bool(enabled)}};
  for (const std::string name :
       {"max_resident_memory_percent", "max_disk_usage_percent", "release_margin_percent"}) {
    const Value* member = fields.Member(name);
    if (member == nullptr || member->is_null()) continue;
    fields.Optional(name, &number);
    if (!fields.ok()) break;
    checks.Within(name, static_cast<double>(number), 1, 100);
    kept.emplace_back(name, Value::Uint(number));
  }
  if (!fields.ok()) return qdrant::FormatError(why);
  MALMOI_TRY(checks.Finish("JSON body"));
  const std::lock_guard lock(front.quota_mutex);
  front.quotas = Value::Object(std::move(kept)).Dump();
  return ReplyOf(true);
}

Result<Reply> Logger(Front&, Call&) {
  return Reply{.result = R"({"log_level":"info"})"};
}
Result<Reply> SlowRequests(Front&, Call&) {
  return Reply{.result = R"({"requests":[]})"};
}

}  // namespace

std::vector<RouteEntry> ServiceRoutes() {
  return {
      {"GET", "/", Access::kPublic, Root},
      {"GET", "/healthz", Access::kPublic, Healthz},
      {"GET", "/livez", Access::kPublic, Healthz},
      {"GET", "/readyz", Access::kPublic, Ready},
      {"GET", "/telemetry", Access::kRead, Telemetry},
      {"GET", "/metrics", Access::kRead, Metrics},
      {"GET", "/issues", Access::kRead, Issues},
      {"DELETE", "/issues", Access::kManage, ClearIssues},
      {"GET", "/cluster", Access::kRead, Cluster},
      {"GET", "/cluster/telemetry", Access::kRead, ClusterTelemetry},
      {"POST", "/cluster/recover", Access::kManage, StandAloneOnly},
      {"DELETE", "/cluster/peer/{}", Access::kManage, StandAloneOnly},
      {"GET", "/quotas", Access::kRead, Quotas},
      {"PUT", "/quotas", Access::kManage, SetQuotas},
      {"GET", "/logger", Access::kManage, Logger},
      {"GET", "/profiler/slow_requests", Access::kRead, SlowRequests},
  };
}

}  // namespace malmoi::serve
