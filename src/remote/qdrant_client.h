#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/result.h"
#include "json/value.h"
#include "remote/store_link.h"

namespace malmoi::remote {

// PEM files for a store over TLS: authorities to trust in place of the system's, and the
// certificate with its key that this side shows where it is asked for one. Empty: none.
struct StoreTls {
  std::string authorities, certificate, key;
};
// A store that speaks Qdrant's interface: this program's or Qdrant's own, a node or a cluster.
struct StoreAddress {
  std::string url;    // "http://host:6333"; no slash at the end. "grpc://host:6334" with a link.
  std::string key;    // API key; empty: none. A link has its own.
  StoreTls tls = {};  // Of REST; a link has its own.
  std::shared_ptr<StoreLink> link = nullptr;  // In place of REST.
};
// As a URL of one of four schemes. REST: http:// and https:// as they are, qdrant://HOST[:6333] and
// qdrants:// (TLS). gRPC: grpc://HOST[:6334] and grpcs:// (TLS), as are qdrant+grpc:// and
// qdrants+grpc://, and qdrant:// and qdrants:// with port 6334, which is Qdrant's for gRPC.
// Errors: kInvalidArgument.
Result<std::string> StoreUrl(const std::string& text);
// Whether StoreUrl gave a URL that needs a link (rpc/qdrant/store_link.h).
bool IsGrpcUrl(std::string_view url);
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
  // kUnavailable 503 and no answer, kUnsupported a gRPC address without a link, kInternal, with the
  // status and the answer's text.
  Result<json::Value> Call(const std::string& method, const std::string& path,
                           const std::string& body = "", const Cancel* cancel = nullptr) const;

  // Pages of all points with payloads and vectors, in the order of ids, and their upsert (waited
  // for) into this store, in halves where a request is too large; the page is used up.
  Result<std::unique_ptr<PointPage>> Scroll(const std::string& collection,
                                            const json::Value& offset, std::size_t limit) const;
  Status Upsert(const std::string& collection, PointPage& page) const;

  Result<bool> Has(const std::string& collection) const;
  Result<std::uint64_t> Count(const std::string& collection) const;

  const StoreAddress& address() const { return address_; }

 private:
  StoreAddress address_;
  const Cancel* cancel_;
};

}  // namespace malmoi::remote
