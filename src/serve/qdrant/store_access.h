#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "qdrant/service.h"
#include "serve/qdrant/store_settings.h"

// What the store's wires (REST, gRPC) share beside qdrant::Service: who may do what, and counts.
namespace malmoi::serve {

// What a call needs. kRead and kWrite: of its collection (of all of them where it names none);
// kPoints: writes of points alone; kGlobal: reads of the server as a whole, which a token for
// single collections does not give; kManage: changes of collections and of the server.
enum class Access : std::uint8_t { kPublic, kRead, kPoints, kWrite, kGlobal, kManage };

// The outcome of a check, with the HTTP status (401, 403) and text of a refusal.
struct Verdict {
  bool allowed = false;
  int status = 401;
  std::string message = {};
  // How the client showed who it is ("None", "ApiKey", "Jwt"), and a token's claim "subject".
  std::string_view auth = "None";
  std::string subject = {};
};

// `key` is what the client presented: an API key or a token (JWT, HS256) whose claims are those of
// Qdrant: exp; access "r", "m" or [{collection, access "r" | "rw" | "prw"}]; value_exists
// {collection, matches: [{key, value}]}, for which a point is looked up. A claim that is not
// understood refuses. Thread-safe.
Verdict CheckKey(qdrant::Service& service, const StoreSettings& settings, std::string_view key,
                 Access access, const std::string& collection);
// Whether a key that CheckKey allowed to read may see that collection in a list.
bool MaySee(const StoreSettings& settings, std::string_view key, const std::string& collection);

// Requests counted by route and status, for telemetry and metrics. Thread-safe.
class RequestCounts {
 public:
  static constexpr double kBounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                       0.2,   0.5,   1,     2,    5,    10,   50};  // Seconds.
  struct Entry {
    std::uint64_t count = 0;
    double seconds = 0, min = 0, max = 0;
    std::uint64_t within[std::size(kBounds)] = {};  // At most kBounds[i], the smaller ones too.
    std::int64_t last = 0;                          // Seconds since 1970.
  };
  void Add(const std::string& route, int status, double seconds);
  std::map<std::string, std::map<int, Entry>> All() const;

 private:
  mutable std::mutex mutex_;  // guards: entries_
  std::map<std::string, std::map<int, Entry>> entries_;
};

}  // namespace malmoi::serve
