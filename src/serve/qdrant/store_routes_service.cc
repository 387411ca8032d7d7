#include "serve/qdrant/store_front_internal.h"
#include "serve/qdrant/store_server.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;

Result<Reply> Root(Front&, Call&) {
  Writer writer;
  writer.BeginObject().Field("title", kStoreTitle).Field("version", kStoreVersion).EndObject();
  return Reply{.body = std::move(writer).Take()};
}

Result<Reply> Healthz(Front&, Call&) {
  return Plain("healthz check passed");
}
Result<Reply> Ready(Front&, Call&) {
  return Plain("all shards are ready");
}

Result<Reply> Issues(Front& front, Call&) {
  Writer writer;
  front.service.issues().Print(&writer);
  return ReplyOf(std::move(writer));
}
Result<Reply> ClearIssues(Front& front, Call&) {
  front.service.issues().Clear();
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
  const qdrant::QuotaUsage usage = front.service.quotas().Usage();
  Writer writer;
  writer.BeginObject().Key("config");
  PrintQuotas(front.service.quotas().config(), &writer);
  writer.Key("usage").BeginObject();
  if (usage.resident_memory_percent) {
    writer.Field("resident_memory_percent", *usage.resident_memory_percent);
  }
  if (usage.disk_usage_percent) writer.Field("disk_usage_percent", *usage.disk_usage_percent);
  writer.EndObject().EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> SetQuotas(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  qdrant::QuotaConfig config;
  qdrant::Why why;
  if (!ReadQuotas(body, &config, &why)) return qdrant::FormatError(why);
  qdrant::Checks checks;
  Validate(config, &checks);
  MALMOI_TRY(checks.Finish("JSON body"));
  MALMOI_TRY(front.service.SetQuotas(config));
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
      {"GET", "/telemetry", Access::kGlobal, AnswerTelemetry},
      {"GET", "/metrics", Access::kGlobal, AnswerMetrics},
      {"GET", "/issues", Access::kGlobal, Issues},
      {"DELETE", "/issues", Access::kManage, ClearIssues},
      {"GET", "/cluster", Access::kGlobal, Cluster},
      {"GET", "/cluster/telemetry", Access::kGlobal, ClusterTelemetry},
      {"POST", "/cluster/recover", Access::kManage, StandAloneOnly},
      {"DELETE", "/cluster/peer/{}", Access::kManage, StandAloneOnly},
      {"GET", "/quotas", Access::kGlobal, Quotas},
      {"PUT", "/quotas", Access::kManage, SetQuotas},
      {"GET", "/logger", Access::kManage, Logger},
      {"GET", "/profiler/slow_requests", Access::kGlobal, SlowRequests},
  };
}

}  // namespace malmoi::serve
