#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "os/vfs.h"

namespace malmoi::serve {

// config.yaml's section "audit", with Qdrant's names and defaults.
struct AuditSettings {
  bool enabled = false;
  std::string directory;         // audit.dir; empty: STORAGE/audit
  bool hourly = false;           // audit.rotation: daily or hourly
  std::size_t files_max = 7;     // audit.max_log_files
  bool trust_forwarded = false;  // audit.trust_forwarded_headers: X-Forwarded-For
  bool log_api = true;           // audit.log_api
};

// One request that had to show what it may do.
struct AuditEvent {
  std::string_view method = {};    // "upsert_points"
  std::string api = {};            // "PUT /collections/{collection_name}/points"
  std::string_view auth = "None";  // "Jwt", "ApiKey"
  std::string subject = {};        // Of the token.
  std::string remote = {};         // An address without its port.
  std::string collection = {};
  std::string tracing_id = {};  // x-request-id, x-tracing-id or traceparent.
  std::string error = {};       // Set: it was refused.
};

// What a client sent to find its request again, at most 256 bytes; `header` gives the value of a
// header or "".
template <class Header>
std::string TracingId(const Header& header) {
  for (const char* name : {"x-request-id", "x-tracing-id", "traceparent"}) {
    const std::string_view value = header(name);
    if (!value.empty()) return std::string(value.substr(0, 256));
  }
  return {};
}

// Who did what: a line of JSON a request, in files "audit.2026-11-28.log" (daily) or
// "audit.2026-11-28-14.log" (hourly), UTC. When a new one begins the oldest beyond files_max go.
// Lines are written at once but not synced: a power loss may take the last seconds. A line that
// cannot be written is told of in the log once, and the request is answered all the same, as in
// Qdrant. Thread-safe.
class AuditLog {
 public:
  // Errors: kIo where the directory cannot be made.
  static Result<std::unique_ptr<AuditLog>> Open(os::Vfs& vfs, const AuditSettings& settings);

  void Write(const AuditEvent& event);

  struct Query {
    std::optional<std::int64_t> from = {}, to = {};  // Microseconds since 1970; to is excluded.
    std::size_t limit = 100;
    std::map<std::string, std::string> filters = {};  // Members that must be equal.
  };
  // The newest first. Cost: the files are read from the newest on until there are enough.
  Result<std::vector<json::Value>> Read(const Query& query) const;

  const AuditSettings& settings() const { return settings_; }

 private:
  AuditLog(os::Vfs& vfs, const AuditSettings& settings) : vfs_(vfs), settings_(settings) {}
  std::string NameAt(std::int64_t microseconds) const;
  Status Append(std::int64_t microseconds, std::string_view line);
  Result<std::vector<std::string>> Names() const;  // The oldest first.
  void RemoveOld();

  os::Vfs& vfs_;
  const AuditSettings settings_;
  mutable std::mutex mutex_;  // guards: all below; held over I/O
  std::string name_;
  std::unique_ptr<os::File> file_;
  std::uint64_t size_ = 0;
  bool told_ = false;
};

}  // namespace malmoi::serve
