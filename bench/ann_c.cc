// A C interface to ann::Index for bench/store_vs_peers.py, which times it through ctypes in the
// same way as other engines through their bindings. Errors print to stderr and give -1 or null.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <vector>

#include "ann/index.h"

namespace {

using namespace malmoi;

struct Handle {
  std::unique_ptr<ann::Index> index;
  std::unique_ptr<ann::DenseRows> rows;
  std::unique_ptr<os::ThreadPool> pool;
  std::vector<std::uint64_t> bits;
  ann::IdFilter filter;
  ann::SearchParams params;
};

template <class T>
bool Good(const Result<T>& result) {
  if (!result.ok()) std::fprintf(stderr, "ann: %s\n", result.error().message().c_str());
  return result.ok();
}

}  // namespace

extern "C" {

void* ann_create(int metric, int codes, std::uint32_t dim, std::uint32_t capacity,
                 std::uint32_t degree, std::uint32_t window, float alpha, std::uint64_t seed,
                 std::uint32_t threads) {
  auto index = ann::Index::Create({.metric = static_cast<ann::Metric>(metric),
                                   .codes = static_cast<ann::Codes>(codes),
                                   .dim = dim,
                                   .capacity = capacity,
                                   .degree = degree,
                                   .build_window = window,
                                   .alpha = alpha,
                                   .seed = seed});
  if (!Good(index)) return nullptr;
  auto* handle = new Handle;
  handle->index = std::move(index).value();
  if (threads > 1) handle->pool = std::make_unique<os::ThreadPool>(threads, "ann");
  return handle;
}

// `placement`: of ann::Placement, 0 to 2.
void* ann_open(const char* path, int placement, std::uint32_t threads) {
  auto index = ann::Index::Open(os::PosixVfs(), path, static_cast<ann::Placement>(placement));
  if (!Good(index)) return nullptr;
  auto* handle = new Handle;
  handle->index = std::move(index).value();
  if (threads > 1) handle->pool = std::make_unique<os::ThreadPool>(threads, "ann");
  return handle;
}

void ann_free(void* handle) {
  delete static_cast<Handle*>(handle);
}

int ann_save(void* handle, const char* path) {
  auto* h = static_cast<Handle*>(handle);
  if (!Good(h->index->Partition(h->pool.get()))) return -1;
  return Good(static_cast<Handle*>(handle)->index->Save(os::PosixVfs(), path)) ? 0 : -1;
}

// Rows [from, to) of a row-major array, which must stay for searches with rescoring.
int ann_insert(void* handle, const float* base, std::uint32_t from, std::uint32_t to) {
  auto* h = static_cast<Handle*>(handle);
  std::vector<std::uint32_t> ids(to - from);
  std::iota(ids.begin(), ids.end(), from);
  const ann::DenseRows rows(base, h->index->options().dim);
  return Good(h->index->Insert(ids, rows, h->pool.get())) ? 0 : -1;
}

int ann_delete(void* handle, const std::uint32_t* ids, std::uint32_t n) {
  return Good(static_cast<Handle*>(handle)->index->Delete({ids, n})) ? 0 : -1;
}

int ann_relink(void* handle) {
  auto* h = static_cast<Handle*>(handle);
  return Good(h->index->Relink(h->pool.get())) ? 0 : -1;
}

// `base` null: no rows. `count` 0: no filter.
void ann_params(void* handle, std::uint32_t limit, std::uint32_t window, std::uint32_t rescore,
                const float* base, const std::uint64_t* bits, std::uint64_t words,
                std::uint64_t count) {
  auto* h = static_cast<Handle*>(handle);
  h->rows =
      base == nullptr ? nullptr : std::make_unique<ann::DenseRows>(base, h->index->options().dim);
  h->bits.assign(bits, bits + words);
  h->filter = {h->bits, count};
  h->params = {.limit = limit,
               .window = window,
               .filter = count == 0 ? nullptr : &h->filter,
               .rows = h->rows.get(),
               .rescore = rescore};
}

// Of searches to come: 0 what costs less, 1 a scan of the kept, 2 the graph.
void ann_way(void* handle, int way) {
  auto* h = static_cast<Handle*>(handle);
  h->params.exhaustive = way == 1;
  h->params.walk = way == 2;
}

// One query; the ids found, their number as result.
int ann_search(void* handle, const float* query, std::uint32_t* ids) {
  auto* h = static_cast<Handle*>(handle);
  auto found = h->index->Search({query, h->index->options().dim}, h->params);
  if (!Good(found)) return -1;
  int n = 0;
  for (const ann::Found& f : found.value()) ids[n++] = f.id;
  return n;
}

// n queries after one another, without the caller's overhead, on one thread or on all that
// ann_create had. stats: distances, hops, rescored.
int ann_search_many(void* handle, const float* queries, std::uint32_t n, std::uint32_t* ids,
                    std::uint64_t* stats, std::uint32_t threads) {
  auto* h = static_cast<Handle*>(handle);
  const std::size_t dim = h->index->options().dim;
  ann::SearchStats sums;
  auto all = h->index->SearchBatch({queries, n * dim}, h->params,
                                   threads > 1 ? h->pool.get() : nullptr, &sums);
  if (!Good(all)) return -1;
  for (const auto& found : all.value()) {
    std::size_t k = 0;
    for (; k < found.size(); ++k) *ids++ = found[k].id;
    for (; k < h->params.limit; ++k) *ids++ = UINT32_MAX;
  }
  stats[0] = sums.distances;
  stats[1] = sums.hops;
  stats[2] = sums.rescored;
  return 0;
}

void ann_info(void* handle, std::uint64_t* out) {
  const ann::IndexInfo info = static_cast<Handle*>(handle)->index->Info();
  out[0] = info.size;
  out[1] = info.links;
  out[2] = info.search_bytes;
  out[3] = info.update_bytes;
}

}  // extern "C"
