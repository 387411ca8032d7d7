/* malmoi's vector store inside a program: one shared object (libmalmoi_store.so), no server, no
 * other header. C functions, and under C++ a class over them.
 *
 *   malmoi::Store store("./data");
 *   store.Create("notes", 3, malmoi::Distance::kCosine);
 *   store.Upsert("notes", {1, 2}, {{1, 0, 0}, {0, 1, 0}}, {R"({"lang":"ko"})", "{}"});
 *   for (const auto& hit : store.Search("notes", {1, 0.1f, 0}, {.limit = 1})) use(hit.id,
 * hit.score);
 *
 * Everything else that the server answers is one call away, in its words (Qdrant's REST interface,
 * version 1.20): Request("POST", "/collections/notes/points/scroll", R"({"limit":10})").
 *
 * Store::Connect("qdrant://host:6333") gives the same class over a Qdrant node or cluster.
 *
 * A directory has one owner: opening it twice, or while a server has it, fails. Writes are on disk
 * when the call returns. Handles may be used by many threads.
 */
#ifndef MALMOI_STORE_H_
#define MALMOI_STORE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MALMOI_STORE_API __attribute__((visibility("default")))

typedef struct malmoi_store malmoi_store;

typedef struct {
  uint64_t id;      /* 0 where the point's id is a UUID. */
  char uuid[37];    /* "" where the point's id is a number. */
  float score;      /* Cosine, dot: larger is better; Euclid, Manhattan: a distance. */
  uint64_t version; /* The number of the operation that last changed the point. */
} malmoi_store_hit;

/* The text of the last failure of this thread. */
MALMOI_STORE_API const char* malmoi_store_error(void);
/* Frees what malmoi_store_request gave. */
MALMOI_STORE_API void malmoi_store_free(void* text);

/* Opens the directory, which is made where it is missing. threads 0: all usable cores. Null where
 * it fails. */
MALMOI_STORE_API malmoi_store* malmoi_store_open(const char* directory, int32_t threads);
/* The same calls to a store on the network in place of a directory, a node or a cluster of Qdrant's
 * or of malmoi's: "qdrant://HOST[:6333]", "qdrants://" for TLS, http:// and https://. `api_key` may
 * be null. Null where no store answers there. */
MALMOI_STORE_API malmoi_store* malmoi_store_connect(const char* url, const char* api_key);
MALMOI_STORE_API void malmoi_store_close(malmoi_store* store);

/* One request of the REST interface: its answer's text, which the caller frees, and HTTP status.
 * `target` is a path with its query; a body may be null. Null where memory is short. */
MALMOI_STORE_API char* malmoi_store_request(malmoi_store* store, const char* method,
                                            const char* target, const char* body, int32_t* status);

/* Inserts or replaces points with numbers as ids, durable on return: vectors [count, dim],
 * row-major, under the name `using_name` ("": unnamed); payloads JSON objects, null for none.
 * 0, or 1 where it failed and nothing changed. At most 100,000 at once. */
MALMOI_STORE_API int32_t malmoi_store_upsert(malmoi_store* store, const char* collection,
                                             const char* using_name, const uint64_t* ids,
                                             const float* vectors, int64_t count, int64_t dim,
                                             const char* const* payloads);

/* The `limit` points nearest to the vector, best first, into hits. `options` is null or a JSON
 * object of the query's further members ("filter", "params", "score_threshold"). The number of
 * hits, or -1. */
MALMOI_STORE_API int64_t malmoi_store_search(malmoi_store* store, const char* collection,
                                             const char* using_name, const float* vector,
                                             int64_t dim, int64_t limit, const char* options,
                                             malmoi_store_hit* hits);

#ifdef __cplusplus
} /* extern "C" */

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace malmoi {

class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Distance { kCosine, kDot, kEuclid, kManhattan };

// The C functions with C++ types. Failures are StoreError with the engine's text. Movable; for many
// threads.
class Store {
 public:
  using Hit = malmoi_store_hit;
  struct SearchOptions {
    std::int64_t limit = 10;
    std::string filter = {};  // Qdrant's filter, JSON; "": none.
    std::string vector = {};  // The vector's name.
  };

  explicit Store(const std::string& directory, int threads = 0)
      : store_(malmoi_store_open(directory.c_str(), threads)) {
    if (store_ == nullptr) throw StoreError(malmoi_store_error());
  }

  // A store on the network, in the same words: malmoi_store_connect.
  static Store Connect(const std::string& url, const std::string& api_key = {}) {
    Store store(malmoi_store_connect(url.c_str(), api_key.c_str()));
    if (store.store_ == nullptr) throw StoreError(malmoi_store_error());
    return store;
  }

  // A collection of points with one unnamed vector.
  void Create(const std::string& collection, int dim, Distance distance) {
    constexpr const char* kNames[] = {"Cosine", "Dot", "Euclid", "Manhattan"};
    Request("PUT", "/collections/" + collection,
            R"({"vectors":{"size":)" + std::to_string(dim) + R"(,"distance":")" +
                kNames[static_cast<int>(distance)] + "\"}}");
  }
  // `payloads`: empty, or a JSON object a point.
  void Upsert(const std::string& collection, const std::vector<std::uint64_t>& ids,
              const std::vector<std::vector<float>>& vectors,
              const std::vector<std::string>& payloads = {}) {
    if (vectors.size() != ids.size() || (!payloads.empty() && payloads.size() != ids.size())) {
      throw StoreError("ids, vectors and payloads differ in number");
    }
    std::vector<float> rows;
    for (const auto& v : vectors) {
      if (v.size() != vectors.front().size()) throw StoreError("vectors differ in length");
      rows.insert(rows.end(), v.begin(), v.end());
    }
    std::vector<const char*> texts;
    for (const auto& p : payloads) texts.push_back(p.c_str());
    const auto count = static_cast<std::int64_t>(ids.size());
    const auto dim = static_cast<std::int64_t>(vectors.empty() ? 0 : vectors.front().size());
    if (malmoi_store_upsert(store_.get(), collection.c_str(), "", ids.data(), rows.data(), count,
                            dim, texts.empty() ? nullptr : texts.data()) != 0) {
      throw StoreError(malmoi_store_error());
    }
  }
  std::vector<Hit> Search(const std::string& collection, const std::vector<float>& vector,
                          const SearchOptions& options) const {
    std::vector<Hit> hits(static_cast<std::size_t>(options.limit < 0 ? 0 : options.limit));
    const std::string more = options.filter.empty() ? "" : "{\"filter\":" + options.filter + "}";
    const std::int64_t n = malmoi_store_search(
        store_.get(), collection.c_str(), options.vector.c_str(), vector.data(),
        static_cast<std::int64_t>(vector.size()), options.limit, more.c_str(), hits.data());
    if (n < 0) throw StoreError(malmoi_store_error());
    hits.resize(static_cast<std::size_t>(n));
    return hits;
  }
  // The answer's text. An answer that is no success (2xx) is a StoreError.
  std::string Request(const std::string& method, const std::string& target,
                      const std::string& body = {}) {
    std::int32_t status = 0;
    const std::unique_ptr<char, void (*)(void*)> text(
        malmoi_store_request(store_.get(), method.c_str(), target.c_str(), body.c_str(), &status),
        malmoi_store_free);
    if (text == nullptr) throw StoreError(malmoi_store_error());
    if (status < 200 || status > 299) {
      throw StoreError(method + " " + target + ": " + std::to_string(status) + ": " + text.get());
    }
    return text.get();
  }

 private:
  explicit Store(malmoi_store* store) : store_(store) {}
  struct Close {
    void operator()(malmoi_store* store) const { malmoi_store_close(store); }
  };
  std::unique_ptr<malmoi_store, Close> store_;
};

}  // namespace malmoi
#endif

#endif /* MALMOI_STORE_H_ */
