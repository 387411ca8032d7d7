#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/server.h"
#include "qdrant/service.h"
#include "qdrant/snapshots.h"
#include "serve/qdrant/store_records.h"
#include "serve/qdrant/store_settings.h"

namespace malmoi::serve {

// What clients compare their own version with.
constexpr std::string_view kStoreTitle = "qdrant - vector search engine";
constexpr std::string_view kStoreVersion = "1.20.0";

// Qdrant's REST interface (version 1.20) over a qdrant::Service. The arguments outlive it;
// without `records` it keeps its own. The routes are those of Qdrant's OpenAPI document and the
// search, recommend and discover routes that came before; docs/api/qdrant.md lists what differs.
class StoreServer {
 public:
  // Errors: kUnavailable where the port is taken.
  static Result<std::unique_ptr<StoreServer>> Start(qdrant::Service& service,
                                                    qdrant::Snapshots& snapshots,
                                                    const StoreSettings& settings,
                                                    StoreRecords* records = nullptr);
  // The same without a port, for use in a process: Answer alone.
  static std::unique_ptr<StoreServer> Local(qdrant::Service& service, qdrant::Snapshots& snapshots,
                                            const StoreSettings& settings);
  virtual ~StoreServer() = default;
  // What a client gets for the request; files are in the body. For many threads.
  virtual net::Response Answer(const net::Request& request) = 0;
  virtual std::uint16_t port() const = 0;
  virtual void Stop(double seconds) = 0;
};

}  // namespace malmoi::serve
