#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "rag/library.h"

namespace malmoi::serve {

struct AppOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 7700;  // 0: any free one.
  std::string api_key;        // Empty: none asked for; then `host` must be a loopback address.
  std::string collection = "default";  // Where a request names none.
  double stop_seconds = 10;
};

// The HTTP side of a Library, on one port: the page at /, the OpenAI-compatible chat API
// (/v1/chat/completions, /v1/models), malmoi's own (/api/search, /api/ask, /api/index,
// /api/verify, /api/status, /api/document, /api/collections), /healthz and /metrics.
// docs/api/http.md describes every route.
class App {
 public:
  // `library` outlives the App. Errors: kInvalidArgument for an address other than loopback
  // without an API key; kUnavailable where the port is taken.
  static Result<std::unique_ptr<App>> Start(rag::Library& library, const AppOptions& options);
  virtual ~App() = default;
  virtual std::uint16_t port() const = 0;
  // Finishes requests under way for at most stop_seconds.
  virtual void Stop() = 0;
};

}  // namespace malmoi::serve
