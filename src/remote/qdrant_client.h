#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/result.h"
#include "json/value.h"

namespace malmoi::remote {

// A store that speaks Qdrant's REST interface: this program's or Qdrant's own, a node or a cluster.
struct StoreAddress {
  std::string url;  // "http://host:6333"; no slash at the end.
  std::string key;  // API key; empty: none.
};
// qdrant://HOST[:6333] and qdrants:// (TLS), http:// and https:// as they are. Errors:
// kInvalidArgument.
Result<std::string> StoreUrl(const std::string& text);
// Whether the text names a store on the network, not a folder.
bool IsStoreUrl(std::string_view text);

// A path segment: everything but unreserved characters as %XX.
std::string Escaped(std::string_view text);

// Calls of that interface. Thread-safe; connections are kept between calls.
class QdrantClient {
 public:
  explicit QdrantClient(StoreAddress address, const Cancel* cancel = nullptr)
      : address_(std::move(address)), cancel_(cancel) {}

  struct Answer {
    int status = 0;
    std::string body;
  };
  // One exchange, whatever its status; `cancel` in place of the client's own where it is given.
  // Errors: those of net::Fetch.
  Result<Answer> Exchange(const std::string& method, const std::string& path,
                          const std::string& body = "", const Cancel* cancel = nullptr) const;

  // The member `result`. 429 and 503 and lost connections are tried again, three times in about a
  // second: every call made here may be repeated. Errors: kNotFound 404, kAlreadyExists 409,
  // kOutOfRange 413, kPermissionDenied 401 and 403, kInvalidArgument 400 and 422, kOverloaded 429,
  // kUnavailable 503 and no answer, kInternal, with the status and the answer's text.
  Result<json::Value> Call(const std::string& method, const std::string& path,
                           const std::string& body = "", const Cancel* cancel = nullptr) const;

  Result<bool> Has(const std::string& collection) const;
  Result<std::uint64_t> Count(const std::string& collection) const;

  const StoreAddress& address() const { return address_; }

 private:
  StoreAddress address_;
  const Cancel* cancel_;
};

}  // namespace malmoi::remote
