#include <malmoi/store.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "json/value.h"
#include "json/writer.h"
#include "os/cpu_info.h"
#include "os/vfs.h"
#include "qdrant/parse.h"
#include "remote/qdrant_client.h"
#include "serve/qdrant/store_server.h"

using malmoi::Code;
using malmoi::Error;
using malmoi::Result;
using malmoi::Status;
namespace json = malmoi::json;
namespace net = malmoi::net;
namespace os = malmoi::os;
namespace qdrant = malmoi::qdrant;
namespace remote = malmoi::remote;
namespace serve = malmoi::serve;
namespace vec = malmoi::vec;

// A directory's store or, with `client`, one on the network.
struct malmoi_store {
  std::optional<remote::QdrantClient> client;
  std::optional<os::FileLock> lock;  // Let go last.
  serve::StoreSettings settings;
  std::unique_ptr<qdrant::Service> service;
  std::unique_ptr<qdrant::Snapshots> snapshots;
  std::unique_ptr<serve::StoreServer> server;
};

namespace {

// Requests to a store on the network are sent when they are this long: servers refuse over 32 MB.
constexpr std::size_t kRequestBytes = 8u << 20;

std::string& LastError() {
  thread_local std::string text;
  return text;
}

// What `work` returns, or `failed` with the error's text kept: nothing is thrown into C.
template <class T, class Work>
T Guarded(T failed, const Work& work) {
  try {
    auto result = work();
    if (result.ok()) return std::move(result).value();
    LastError() = result.error().message();
  } catch (const std::exception& e) {
    LastError() = e.what();
  }
  return failed;
}

Result<malmoi_store*> Open(const std::string& directory, std::int32_t threads) {
  os::Vfs& vfs = os::PosixVfs();
  MALMOI_TRY(os::CheckCpuLevel());
  MALMOI_TRY(vfs.MakeDirs(directory));
  MALMOI_TRY(auto lock, os::FileLock::Acquire(os::JoinPath(directory, ".lock")));
  auto store = std::make_unique<malmoi_store>();
  store->lock.emplace(std::move(lock));
  store->settings.storage = directory;
  store->settings.enable_cors = false;
  store->settings.max_request_mb = 512;  // Nothing comes from the network.
  qdrant::ServiceOptions options;
  options.vfs = &vfs;
  options.directory = os::JoinPath(directory, "collections");
  options.threads = threads > 0 ? static_cast<std::size_t>(threads) : os::UsableCores();
  MALMOI_TRY(store->service, qdrant::Service::Open(options));
  store->snapshots = std::make_unique<qdrant::Snapshots>(*store->service, vfs,
                                                         os::JoinPath(directory, "snapshots"));
  store->server = serve::StoreServer::Local(*store->service, *store->snapshots, store->settings);
  return store.release();
}

Result<malmoi_store*> Connect(const std::string& text, const std::string& key) {
  MALMOI_TRY(const std::string url, remote::StoreUrl(text));
  auto store = std::make_unique<malmoi_store>();
  store->client.emplace(remote::StoreAddress{url, key});
  MALMOI_TRY(store->client->Call("GET", "/collections"));
  return store.release();
}

std::string Path(const std::string& collection) {
  return "/collections/" + remote::Escaped(collection);
}

void PrintRow(std::span<const float> row, json::Writer* w) {
  w->BeginArray();
  for (const float number : row) w->Put(number);
  w->EndArray();
}

// The two calls on arrays, as requests.
Status UpsertThere(const remote::QdrantClient& client, const std::string& collection,
                   const std::string& name, const std::uint64_t* ids, std::span<const float> rows,
                   std::size_t dim, const char* const* payloads) {
  const std::size_t count = dim == 0 ? 0 : rows.size() / dim;
  for (std::size_t at = 0; at < count;) {
    json::Writer w;
    w.BeginObject().Key("points").BeginArray();
    for (; at < count && w.text().size() < kRequestBytes; ++at) {
      w.BeginObject().Field("id", ids[at]).Key("vector");
      if (!name.empty()) w.BeginObject().Key(name);
      PrintRow(rows.subspan(at * dim, dim), &w);
      if (!name.empty()) w.EndObject();
      if (payloads != nullptr && payloads[at] != nullptr) {
        MALMOI_TRY(const auto payload, json::Parse(payloads[at]).With("payload"));
        w.Field("payload", payload);
      }
      w.EndObject();
    }
    w.EndArray().EndObject();
    MALMOI_TRY(client.Call("PUT", Path(collection) + "/points?wait=true", w.text()));
  }
  return malmoi::Ok();
}

void SetId(const vec::PointId& id, malmoi_store_hit* hit) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    hit->id = *number;
  } else {
    std::strncpy(hit->uuid, vec::ToString(id).c_str(), sizeof hit->uuid - 1);
  }
}

Result<std::int64_t> SearchThere(const remote::QdrantClient& client, const std::string& collection,
                                 const std::string& name, std::span<const float> vector,
                                 std::int64_t limit, const char* options, malmoi_store_hit* hits) {
  json::Writer w;
  w.BeginObject().Key("query");
  PrintRow(vector, &w);
  if (!name.empty()) w.Field("using", name);
  w.Field("limit", limit).Field("with_payload", false);
  if (options != nullptr && *options != '\0') {
    MALMOI_TRY(const auto more, json::Parse(options).With("options"));
    for (const auto& [member, value] : more.members()) w.Field(member, value);
  }
  w.EndObject();
  MALMOI_TRY(const auto answer, client.Call("POST", Path(collection) + "/points/query", w.text()));
  const json::Value* points = answer.Find("points");
  std::int64_t n = 0;
  if (points == nullptr) return n;
  for (const json::Value& point : points->items()) {
    if (n == limit) break;
    vec::PointId id;
    qdrant::Why why;
    const json::Value* shown = point.Find("id");
    if (shown == nullptr || !qdrant::ReadPointId(*shown, &id, &why)) {
      return Error(Code::kCorruption, "the store answered a point without an id");
    }
    malmoi_store_hit& hit = hits[n++];
    hit = {};
    SetId(id, &hit);
    hit.score = static_cast<float>(point.GetDouble("score"));
    hit.version = static_cast<std::uint64_t>(point.GetInt("version"));
  }
  return n;
}

Status Upsert(malmoi_store& store, const std::string& collection, const std::string& name,
              const std::uint64_t* ids, std::span<const float> rows, std::size_t dim,
              const char* const* payloads) {
  if (store.client) {
    return UpsertThere(*store.client, collection, name, ids, rows, dim, payloads);
  }
  MALMOI_TRY(const auto open, store.service->Find(collection));
  std::vector<vec::Point> points(dim == 0 ? 0 : rows.size() / dim);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i].id = ids[i];
    const auto row = rows.subspan(i * dim, dim);
    points[i].vectors.dense[name].assign(row.begin(), row.end());
    if (payloads != nullptr && payloads[i] != nullptr) points[i].payload = payloads[i];
  }
  return open->store->Upsert(points);
}

Result<std::int64_t> Search(malmoi_store& store, const std::string& collection,
                            const std::string& name, std::span<const float> vector,
                            std::int64_t limit, const char* options, malmoi_store_hit* hits) {
  if (store.client) {
    return SearchThere(*store.client, collection, name, vector, limit, options, hits);
  }
  qdrant::QueryPoints request;
  if (options != nullptr && *options != '\0') {
    MALMOI_TRY(const auto value, json::Parse(options).With("options"));
    MALMOI_TRY(request, qdrant::ReadAs<qdrant::QueryPoints>(value));
  }
  request.query =
      qdrant::NearestQuery{.nearest = qdrant::DenseVector(vector.begin(), vector.end()), .mmr = {}};
  request.using_vector = name;
  request.limit = static_cast<std::uint64_t>(limit);
  qdrant::Checks checks;
  Validate(request, "", &checks);
  MALMOI_TRY(checks.Finish("options"));
  qdrant::InferenceUsage usage;
  MALMOI_TRY(const auto found, store.service->QueryBatch(collection, {request}, {}, &usage));
  std::int64_t n = 0;
  for (const qdrant::ScoredPoint& point : found.front()) {
    malmoi_store_hit& hit = hits[n++];
    hit = {};
    SetId(point.id, &hit);
    hit.score = point.score;
    hit.version = point.version;
  }
  return n;
}

char* Copy(const std::string& text) {
  char* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (out == nullptr) {
    LastError() = "out of memory";
    return nullptr;
  }
  std::memcpy(out, text.c_str(), text.size() + 1);
  return out;
}

}  // namespace

extern "C" {

const char* malmoi_store_error(void) {
  return LastError().c_str();
}

void malmoi_store_free(void* text) {
  std::free(text);
}

malmoi_store* malmoi_store_open(const char* directory, int32_t threads) {
  return Guarded<malmoi_store*>(
      nullptr, [&]() -> Result<malmoi_store*> { return Open(directory, threads); });
}

malmoi_store* malmoi_store_connect(const char* url, const char* api_key) {
  return Guarded<malmoi_store*>(nullptr, [&]() -> Result<malmoi_store*> {
    return Connect(url, api_key == nullptr ? "" : api_key);
  });
}

void malmoi_store_close(malmoi_store* store) {
  delete store;
}

char* malmoi_store_request(malmoi_store* store, const char* method, const char* target,
                           const char* body, int32_t* status) {
  return Guarded<char*>(nullptr, [&]() -> Result<char*> {
    if (store->client) {
      MALMOI_TRY(const auto answer,
                 store->client->Exchange(method, target, body == nullptr ? "" : body));
      *status = answer.status;
      return Copy(answer.body);
    }
    net::Request request;
    request.method = method;
    const std::string_view all(target);
    const std::size_t mark = all.find('?');
    request.path = net::PathDecode(all.substr(0, mark));
    if (mark != std::string_view::npos) request.query = all.substr(mark + 1);
    if (body != nullptr) request.body = body;
    request.headers.emplace_back("Content-Type", "application/json");
    const net::Response response = store->server->Answer(request);
    *status = response.status;
    return Copy(response.body);
  });
}

int32_t malmoi_store_upsert(malmoi_store* store, const char* collection, const char* using_name,
                            const uint64_t* ids, const float* vectors, int64_t count, int64_t dim,
                            const char* const* payloads) {
  return Guarded<int32_t>(1, [&]() -> Result<int32_t> {
    if (count < 0 || dim < 0 || (count > 0 && dim == 0)) {
      return Error(Code::kInvalidArgument, "vectors of " + std::to_string(dim) + " numbers");
    }
    const auto rows = static_cast<std::size_t>(count), width = static_cast<std::size_t>(dim);
    MALMOI_TRY(
        Upsert(*store, collection, using_name, ids, {vectors, rows * width}, width, payloads));
    return 0;
  });
}

int64_t malmoi_store_search(malmoi_store* store, const char* collection, const char* using_name,
                            const float* vector, int64_t dim, int64_t limit, const char* options,
                            malmoi_store_hit* hits) {
  return Guarded<int64_t>(-1, [&]() -> Result<std::int64_t> {
    if (dim < 0 || limit < 0) {
      return Error(Code::kInvalidArgument, "a limit of " + std::to_string(limit));
    }
    return Search(*store, collection, using_name, {vector, static_cast<std::size_t>(dim)}, limit,
                  options, hits);
  });
}

}  // extern "C"
