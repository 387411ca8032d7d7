// A C interface to a collection of vec for bench/store_vs_peers.py: the whole store, with payload
// indexes, filters and log, in the call path of the other engines. Errors print to stderr and give
// -1 or null.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "os/vfs.h"
#include "vec/optimize.h"

namespace {

using namespace malmoi;

struct Handle {
  std::unique_ptr<vec::Database> db;
  std::shared_ptr<vec::Collection> c;
  vec::Filter filter;
  vec::VectorQuery query;
};

template <class T>
bool Good(const Result<T>& result) {
  if (!result.ok()) std::fprintf(stderr, "store: %s\n", result.error().message().c_str());
  return result.ok();
}

Status Make(const char* folder, std::uint32_t dim, std::uint32_t threads, Handle* h) {
  MALMOI_TRY(h->db, vec::Database::Open(os::PosixVfs(), folder, threads));
  if (auto there = h->db->Get("c"); there.ok()) {
    h->c = there.value();
    return vec::Optimize(*h->c);
  }
  vec::CollectionConfig config;
  config.dense[""] = {.dim = dim};
  MALMOI_TRY(h->c, h->db->Create("c", config));
  for (const char* key : {"u", "a"}) {
    const vec::Operation op =
        vec::CreateIndexOp{.key = key, .params = {.kind = vec::IndexKind::kInteger}};
    MALMOI_TRY(h->c->Write({&op, 1}));
  }
  return Ok();
}

}  // namespace

extern "C" {

// Cosine; the folder is made, or opened if it is there.
void* store_create(const char* folder, std::uint32_t dim, std::uint32_t threads) {
  auto h = std::make_unique<Handle>();
  return Good(Make(folder, dim, threads, h.get())) ? h.release() : nullptr;
}

void store_free(void* handle) {
  delete static_cast<Handle*>(handle);
}

// Rows [from, to) of a row-major array, with integers "u" and "a" by row.
int store_insert(void* handle, const float* base, std::uint32_t dim, std::uint32_t from,
                 std::uint32_t to, const std::int32_t* u, const std::int32_t* a) {
  auto* h = static_cast<Handle*>(handle);
  std::vector<vec::Point> points;
  for (std::uint32_t r = from; r < to; ++r) {
    vec::Point p{.id = std::uint64_t{r}};
    const float* row = base + std::size_t{r} * dim;
    p.vectors.dense[""].assign(row, row + dim);
    p.payload = R"({"u":)" + std::to_string(u[r]) + R"(,"a":)" + std::to_string(a[r]) + "}";
    points.push_back(std::move(p));
  }
  return Good(h->c->Upsert(points, {.wait = false})) ? 0 : -1;
}

int store_optimize(void* handle) {
  return Good(vec::Optimize(*static_cast<Handle*>(handle)->c)) ? 0 : -1;
}

// A collection of sparse vectors "s", weighted by IDF; the folder is made.
void* store_create_sparse(const char* folder, std::uint32_t threads) {
  auto h = std::make_unique<Handle>();
  const auto make = [&]() -> Status {
    MALMOI_TRY(h->db, vec::Database::Open(os::PosixVfs(), folder, threads));
    vec::CollectionConfig config;
    config.sparse["s"] = {.idf = true};
    MALMOI_TRY(h->c, h->db->Create("c", config));
    return Ok();
  };
  return Good(make()) ? h.release() : nullptr;
}

// Rows [from, to) of a matrix in rows: row r has entries [starts[r], starts[r + 1]), indices
// rising.
int store_insert_sparse(void* handle, const std::uint64_t* starts, const std::uint32_t* indices,
                        const float* values, std::uint32_t from, std::uint32_t to) {
  std::vector<vec::Point> points;
  for (std::uint32_t r = from; r < to; ++r) {
    vec::Point p{.id = std::uint64_t{r}};
    auto& v = p.vectors.sparse["s"];
    v.indices.assign(indices + starts[r], indices + starts[r + 1]);
    v.values.assign(values + starts[r], values + starts[r + 1]);
    points.push_back(std::move(p));
  }
  return Good(static_cast<Handle*>(handle)->c->Upsert(points, {.wait = false})) ? 0 : -1;
}

// The hits' ids and scores, their number as result.
int store_search_sparse(void* handle, const std::uint32_t* indices, const float* values,
                        std::uint32_t n, std::uint32_t limit, std::uint32_t* ids, float* scores) {
  vec::VectorQuery query{.using_vector = "s", .limit = limit, .with_payload = false};
  query.vector = vec::SparseVector{{indices, indices + n}, {values, values + n}};
  auto found = static_cast<Handle*>(handle)->c->Query(query);
  if (!Good(found)) return -1;
  int hits = 0;
  for (const auto& hit : found.value().hits) {
    ids[hits] = static_cast<std::uint32_t>(std::get<std::uint64_t>(hit.id));
    scores[hits++] = hit.score;
  }
  return hits;
}

// `key` null: no filter; else points whose value is below `below`.
void store_params(void* handle, std::uint32_t limit, std::uint32_t window, const char* key,
                  std::int32_t below) {
  auto* h = static_cast<Handle*>(handle);
  h->query = {};
  h->query.limit = limit;
  h->query.with_payload = false;
  h->query.params.ef = window;
  h->filter = {};
  if (key == nullptr) return;
  h->filter.must.push_back(
      {vec::FieldCondition{key, vec::Range{.lt = static_cast<double>(below)}}});
  h->query.filter = &h->filter;
}

// One query; the ids found, their number as result.
int store_search(void* handle, const float* query, std::uint32_t dim, std::uint32_t* ids) {
  auto* h = static_cast<Handle*>(handle);
  h->query.vector = std::vector<float>(query, query + dim);
  auto found = h->c->Query(h->query);
  if (!Good(found)) return -1;
  int n = 0;
  for (const auto& hit : found.value().hits) {
    ids[n++] = static_cast<std::uint32_t>(std::get<std::uint64_t>(hit.id));
  }
  return n;
}

void store_info(void* handle, std::uint64_t* out) {
  const auto info = static_cast<Handle*>(handle)->c->Info();
  out[0] = info.points;
  out[1] = info.segments;
  out[2] = info.memory_bytes;
  out[3] = info.disk_bytes;
}

}  // extern "C"
