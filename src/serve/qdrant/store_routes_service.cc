#include "base/strings.h"
#include "obs/log.h"
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

Result<std::size_t> LimitParameter(const Call& call, std::size_t fallback) {
  const auto text = call.request.Parameter("limit");
  if (!text) return fallback;
  const auto number = ParseInt(*text);
  if (!number || *number < 0) {
    return Error(Code::kInvalidArgument,
                 "Deserialize error in query parameters: invalid digit found in string");
  }
  return static_cast<std::size_t>(*number);
}

Result<Reply> Slow(Front& front, Call& call) {
  MALMOI_TRY(const std::size_t limit, LimitParameter(call, 10));
  Writer writer;
  front.records.slow.Print(limit, call.request.Parameter("request").value_or(""), &writer);
  return ReplyOf(std::move(writer));
}

constexpr std::pair<std::string_view, obs::Level> kLevels[] = {{"error", obs::Level::kError},
                                                               {"warn", obs::Level::kWarn},
                                                               {"info", obs::Level::kInfo},
                                                               {"debug", obs::Level::kDebug},
                                                               {"trace", obs::Level::kDebug}};

Result<Reply> Logger(Front&, Call&) {
  const obs::Level level = obs::CurrentLogLevel();
  Writer writer;
  for (const auto& [name, value] : kLevels) {
    if (value != level) continue;
    writer.BeginObject().Field("log_level", name).EndObject();
    break;
  }
  return ReplyOf(std::move(writer));
}

// {"log_level": "debug"}, or a list of directives as Qdrant's, of which the first names the level.
Result<Reply> SetLogger(Front&, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  qdrant::Why why;
  qdrant::Fields fields(body, "struct LoggerConfig", &why);
  std::optional<std::string> text;
  fields.Optional("log_level", &text);
  if (!fields.ok()) return qdrant::FormatError(why);
  if (!text) return ReplyOf(true);
  const std::string wanted = AsciiLower(Trim(text->substr(0, text->find(','))));
  for (const auto& [name, value] : kLevels) {
    if (name != wanted) continue;
    obs::SetLogLevel(value);
    return ReplyOf(true);
  }
  return qdrant::BadRequest("log_level '" + *text +
                            "' begins with none of error, warn, info, debug and trace");
}

// A time of a request for the audit log, which may be left out.
bool ReadTime(qdrant::Fields* fields, std::string_view name, std::optional<std::int64_t>* out,
              qdrant::Why* why) {
  std::optional<std::string> text;
  fields->Optional(name, &text);
  if (!fields->ok() || !text) return fields->ok();
  *out = vec::ParseDatetime(*text);
  if (!*out) *why = "input contains invalid characters";
  return out->has_value();
}

Result<Reply> AuditLogs(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(TimeoutParameter(call.request));
  AuditLog::Query query;
  qdrant::Why why;
  qdrant::Fields fields(body, "struct AuditLogRequest", &why);
  std::optional<std::uint64_t> limit;
  fields.Optional("limit", &limit);
  fields.Optional("filters", &query.filters);
  if (!ReadTime(&fields, "time_from", &query.from, &why) ||
      !ReadTime(&fields, "time_to", &query.to, &why)) {
    return qdrant::FormatError(why);
  }
  qdrant::Checks checks;
  if (limit && (*limit < 1 || *limit > 10'000)) {
    checks.Add("limit", "value " + std::to_string(*limit) + " invalid, must be from 1 to 10000");
  }
  MALMOI_TRY(checks.Finish("JSON body"));
  if (front.records.audit == nullptr) {
    return qdrant::BadRequest("Audit logging is not enabled: set audit.enabled");
  }
  query.limit = limit.value_or(100);
  MALMOI_TRY(const auto entries, front.records.audit->Read(query));
  Writer writer;
  writer.BeginObject().Key("entries").BeginArray();
  for (const Value& entry : entries) writer.Put(entry);
  writer.EndArray().EndObject();
  return ReplyOf(std::move(writer));
}

}  // namespace

std::vector<RouteEntry> ServiceRoutes() {
  return {
      {"GET", "/", Access::kPublic, Root, "root"},
      {"GET", "/healthz", Access::kPublic, Healthz, "healthz"},
      {"GET", "/livez", Access::kPublic, Healthz, "livez"},
      {"GET", "/readyz", Access::kPublic, Ready, "readyz"},
      {"GET", "/telemetry", Access::kGlobal, AnswerTelemetry, "telemetry"},
      {"GET", "/metrics", Access::kGlobal, AnswerMetrics, "metrics"},
      {"GET", "/issues", Access::kGlobal, Issues, "get_issues"},
      {"DELETE", "/issues", Access::kManage, ClearIssues, "clear_issues"},
      {"GET", "/cluster", Access::kGlobal, Cluster, "cluster_status"},
      {"GET", "/cluster/telemetry", Access::kGlobal, ClusterTelemetry, "cluster_telemetry"},
      {"POST", "/cluster/recover", Access::kManage, StandAloneOnly, "recover_current_peer"},
      {"DELETE", "/cluster/peer/{}", Access::kManage, StandAloneOnly, "remove_peer"},
      {"GET", "/quotas", Access::kGlobal, Quotas, "get_quotas"},
      {"PUT", "/quotas", Access::kManage, SetQuotas, "update_quotas"},
      {"GET", "/profiler/slow_requests", Access::kManage, Slow, "get_slow_requests"},
      {"POST", "/audit/logs", Access::kManage, AuditLogs, "get_audit_logs"},
      {"GET", "/logger", Access::kGlobal, Logger, "get_logger_config"},
      {"POST", "/logger", Access::kManage, SetLogger, "update_logger_config"},
  };
}

}  // namespace malmoi::serve
