#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/qdrant/audit_log.h"

namespace malmoi::serve {

// Settings of the vector store's server under Qdrant's names: dotted keys ("service.http_port")
// from a YAML file, then from environment variables QDRANT__SERVICE__HTTP_PORT, which win.
struct StoreSettings {
  std::string host = "127.0.0.1";                 // service.host; Qdrant's default is 0.0.0.0
  std::uint16_t http_port = 6333;                 // service.http_port
  std::optional<std::uint16_t> grpc_port = 6334;  // service.grpc_port; null: no gRPC
  std::string storage = "./storage";              // storage.storage_path
  std::string snapshots;               // storage.snapshots_path; empty: STORAGE/snapshots
  std::string api_key;                 // service.api_key
  std::string alt_api_key;             // service.alt_api_key
  std::string read_only_api_key;       // service.read_only_api_key
  bool jwt_rbac = false;               // service.jwt_rbac
  bool enable_cors = true;             // service.enable_cors
  bool enable_tls = false;             // service.enable_tls
  std::string tls_certificate;         // tls.cert, a PEM file
  std::string tls_key;                 // tls.key
  std::string tls_ca;                  // tls.ca_cert: whose certificates clients may show
  bool verify_clients = false;         // service.verify_https_client_certificate; REST, as Qdrant
  bool verify_grpc_clients = false;    // service.verify_grpc_client_certificate, malmoi's own
  std::uint64_t tls_reload = 3600;     // tls.cert_ttl, seconds; 0 or null: never
  std::uint64_t max_request_mb = 32;   // service.max_request_size_mb
  std::string metrics_prefix;          // service.metrics_prefix
  std::size_t workers = 8;             // service.max_workers
  std::uint64_t memory_budget_mb = 0;  // storage.memory_budget_mb, malmoi's own; 0: none
  double slow_query_seconds = 1.2;     // service.slow_query_secs: what /issues looks at
  std::string recovery_reason;         // storage.recovery_mode; set: nothing is opened
  AuditSettings audit;                 // audit.*
};

// The subset of YAML that such files use: maps by indentation, scalars, comments, quotes. Lists
// are skipped. Errors: kInvalidArgument naming the line.
Result<std::map<std::string, std::string>> ParseYamlSettings(std::string_view text);

// Applies known keys; unknown ones are ignored, since one file may serve several versions. Errors:
// kInvalidArgument naming key and value.
Status ApplyStoreSettings(const std::map<std::string, std::string>& values, StoreSettings* out);

// "QDRANT__SERVICE__HTTP_PORT=6333" entries of an environment as dotted keys in lower case.
std::map<std::string, std::string> EnvironmentSettings(const char* const* environment);

}  // namespace malmoi::serve
