#pragma once

#include <memory>

#include "serve/qdrant/audit_log.h"
#include "serve/qdrant/slow_requests.h"
#include "serve/qdrant/store_access.h"

namespace malmoi::serve {

// What both wires write down about the requests that they answer. Thread-safe.
struct StoreRecords {
  RequestCounts rest, grpc;
  SlowRequests slow;
  std::unique_ptr<AuditLog> audit;  // Null: none is kept.
};

}  // namespace malmoi::serve
