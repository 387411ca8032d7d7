#include "serve/qdrant/audit_log.h"

#include <algorithm>

#include "base/clock.h"
#include "base/strings.h"
#include "json/writer.h"
#include "obs/log.h"
#include "vec/filter.h"

namespace malmoi::serve {
namespace {

using json::Value;

bool IsLog(std::string_view name) {
  return name.starts_with("audit") && name.ends_with(".log");
}

std::string LineOf(const AuditEvent& event, std::int64_t microseconds) {
  json::Writer writer;
  writer.BeginObject().Field("timestamp", vec::FormatDatetime(microseconds));
  const auto put = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) writer.Field(name, value);
  };
  put("method", event.method);
  put("api", event.api);
  writer.Field("auth_type", event.auth);
  put("subject", event.subject);
  put("remote", event.remote);
  put("collection", event.collection);
  put("tracing_id", event.tracing_id);
  writer.Field("result", event.error.empty() ? "ok" : "denied");
  put("error", event.error);
  writer.EndObject();
  return std::move(writer).Take() + "\n";
}

bool Fits(const AuditLog::Query& query, const Value& entry) {
  const auto at = vec::ParseDatetime(entry.GetString("timestamp"));
  if (query.from && (!at || *at < *query.from)) return false;
  if (query.to && (!at || *at >= *query.to)) return false;
  return std::ranges::all_of(query.filters, [&](const auto& filter) {
    return entry.Find(filter.first) != nullptr && entry.GetString(filter.first) == filter.second;
  });
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::Open(os::Vfs& vfs, const AuditSettings& settings) {
  MALMOI_TRY(vfs.MakeDirs(settings.directory).With("audit.dir"));
  return std::unique_ptr<AuditLog>(new AuditLog(vfs, settings));
}

// "2026-11-28T14:05:06.000000Z" begins with the date and the hour.
std::string AuditLog::NameAt(std::int64_t microseconds) const {
  std::string name = vec::FormatDatetime(microseconds).substr(0, settings_.hourly ? 13 : 10);
  std::ranges::replace(name, 'T', '-');
  return "audit." + name + ".log";
}

Result<std::vector<std::string>> AuditLog::Names() const {
  MALMOI_TRY(auto names, vfs_.List(settings_.directory));
  std::erase_if(names, [](const std::string& name) { return !IsLog(name); });
  std::ranges::sort(names);
  return names;
}

void AuditLog::RemoveOld() {
  const auto names = Names();
  if (!names.ok()) return;
  const std::size_t kept = std::max<std::size_t>(settings_.files_max, 1);
  for (std::size_t i = 0; i + kept < names.value().size(); ++i) {
    (void)vfs_.Remove(os::JoinPath(settings_.directory, names.value()[i])).ok();  // Next time.
  }
}

Status AuditLog::Append(std::int64_t microseconds, std::string_view line) {
  if (std::string name = NameAt(microseconds); file_ == nullptr || name != name_) {
    const std::string path = os::JoinPath(settings_.directory, name);
    MALMOI_TRY(file_, vfs_.Open(path, os::OpenMode::kReadWrite));
    MALMOI_TRY(size_, file_->Size());
    name_ = std::move(name);
    RemoveOld();
  }
  MALMOI_TRY(file_->Write(size_, line));
  size_ += line.size();
  return Ok();
}

void AuditLog::Write(const AuditEvent& event) {
  const std::int64_t now = WallNs() / 1000;
  const std::string line = LineOf(event, now);
  const std::lock_guard lock(mutex_);
  const Status done = Append(now, line);
  if (!done.ok() && !told_) {
    obs::LogLine(obs::Level::kError, "audit_log_failed").Field("error", done.error().message());
  }
  told_ = !done.ok();
}

Result<std::vector<Value>> AuditLog::Read(const Query& query) const {
  std::vector<Value> found;
  MALMOI_TRY(const auto names, Names());
  for (auto name = names.rbegin(); name != names.rend() && found.size() < query.limit; ++name) {
    auto text = os::ReadFile(vfs_, os::JoinPath(settings_.directory, *name));
    if (!text.ok()) continue;  // Removed meanwhile.
    const auto lines = Split(text.value(), '\n');
    for (auto line = lines.rbegin(); line != lines.rend() && found.size() < query.limit; ++line) {
      auto entry =
          json::Parse(*line);  // What is no JSON, as the end of a torn file, is passed over.
      if (entry.ok() && Fits(query, entry.value())) found.push_back(std::move(entry).value());
    }
  }
  return found;
}

}  // namespace malmoi::serve
