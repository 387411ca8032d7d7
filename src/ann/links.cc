#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "ann/graph_internal.h"

namespace malmoi::ann {

void ScoreFour(const Arrays& arrays, const CodeQuery& query, const std::uint32_t* ids,
               std::size_t count, std::int32_t* sums, float* out) {
  for (std::size_t k = 0; k < count; ++k) __builtin_prefetch(arrays.factors + ids[k]);
  Scores().four(query.high.data(), arrays.code_bytes / 64, arrays.first, ids, count, sums);
  const float scale = query.scale * 128;
  const float middle = kMiddleFour * static_cast<float>(query.sum_high);
  for (std::size_t k = 0; k < count; ++k) {
    const Factors& f = arrays.factors[ids[k]];
    out[k] =
        scale * f.scale * (static_cast<float>(sums[k]) - middle) - query.half_weight * f.half_norm;
  }
  if (query.extra != 0) {
    for (std::size_t k = 0; k < count; ++k) out[k] += query.extra * arrays.extra[ids[k]];
  }
}

void ScoreEight(const Arrays& arrays, const CodeQuery& query, const std::uint32_t* ids,
                std::size_t count, float* out) {
  constexpr std::size_t kGroup = 64;
  std::int64_t sums[kGroup];
  for (std::size_t k = 0; k < count; k += kGroup) {
    const std::size_t n = std::min(kGroup, count - k);
    Scores().eight(query.high.data(), query.low.data(), arrays.code_bytes / 64, arrays.first,
                   arrays.second, ids + k, n, sums);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t id = ids[k + i];
      out[k + i] =
          query.scale * arrays.fine_scale[id] * static_cast<float>(sums[i] - 128 * query.sum) -
          query.half_weight * arrays.factors[id].half_norm;
    }
  }
}

void StoredQuery(const Arrays& arrays, std::size_t blocks, std::uint32_t id, CodeQuery* out) {
  const std::size_t row = std::size_t{id} * arrays.code_bytes;
  Decode(arrays.first + row, arrays.second + row, blocks, out);
  out->scale = arrays.fine_scale[id] / 128;
  out->half_weight = 1;
  out->extra = arrays.extra != nullptr ? arrays.extra[id] : 0;
  out->norm2 = 2 * arrays.factors[id].half_norm;
}

namespace {

constexpr float kChosen = std::numeric_limits<float>::infinity();

// Candidates side by side, so that all that are left are compared with a chosen one at once.
struct Rivals {
  std::uint32_t* ids;
  float *distance, *scale, *half_norm, *extra;
  float* factor;  // How much nearer a chosen one is than the row; kChosen: of no further use.
};

Rivals Gather(const Arrays& arrays, const std::vector<Near>& all, LinkScratch* scratch) {
  const std::size_t n = all.size();
  scratch->ids.resize(n);
  scratch->sums.resize(n + 4);
  scratch->distances.resize(5 * n);
  float* at = scratch->distances.data();
  const Rivals r{scratch->ids.data(), at, at + n, at + 2 * n, at + 3 * n, at + 4 * n};
  for (std::size_t i = 0; i < n; ++i) {
    const Factors& f = arrays.factors[all[i].id];
    r.ids[i] = all[i].id;
    r.distance[i] = all[i].distance;
    r.scale[i] = f.scale;
    r.half_norm[i] = f.half_norm;
    r.extra[i] = arrays.extra != nullptr ? arrays.extra[all[i].id] : 0;
    r.factor[i] = 0;
  }
  return r;
}

// Compares those of [begin, end) with a chosen row, a query; the number that may yet be chosen.
std::size_t Compare(const CodeQuery& query, const std::int32_t* sums, float most, std::size_t begin,
                    std::size_t end, const Rivals& r) {
  const float scale = query.scale * 128, norm2 = query.norm2, weight = query.extra;
  const float middle = kMiddleFour * static_cast<float>(query.sum_high);
  const std::int32_t* __restrict sum = sums - begin;
  const float* __restrict distance = r.distance;
  const float* __restrict row_scale = r.scale;
  const float* __restrict half_norm = r.half_norm;
  const float* __restrict extra = r.extra;
  float* __restrict factor = r.factor;
  for (std::size_t i = begin; i < end; ++i) {
    const float score = scale * row_scale[i] * (static_cast<float>(sum[i]) - middle) -
                        half_norm[i] + weight * extra[i];
    const float between = norm2 - 2 * score;
    const float ratio = distance[i] / between;
    const float f = between > 0 ? ratio : most * 2;
    factor[i] = f > factor[i] ? f : factor[i];
  }
  std::uint32_t left = 0;
  for (std::size_t i = begin; i < end; ++i) left += factor[i] <= most ? 1u : 0u;
  return left;
}

// Takes out of [begin, end) what is of no further use; the new end.
std::size_t Compact(float most, std::size_t begin, std::size_t end, const Rivals& r) {
  std::size_t to = begin;
  for (std::size_t i = begin; i < end; ++i) {
    r.ids[to] = r.ids[i];
    r.distance[to] = r.distance[i];
    r.scale[to] = r.scale[i];
    r.half_norm[to] = r.half_norm[i];
    r.extra[to] = r.extra[i];
    r.factor[to] = r.factor[i];
    to += r.factor[i] <= most ? 1 : 0;
  }
  return to;
}

bool AreTwins(const Arrays& arrays, std::uint32_t a, std::uint32_t b) {
  const Factors &fa = arrays.factors[a], &fb = arrays.factors[b];
  return fa.scale == fb.scale && fa.half_norm == fb.half_norm &&
         std::memcmp(arrays.first + std::size_t{a} * arrays.code_bytes,
                     arrays.first + std::size_t{b} * arrays.code_bytes, arrays.code_bytes) == 0;
}

// Where as many are among the candidates, no more twins are linked to: a search would see nothing
// else, and what is beyond them not at all.
constexpr std::size_t kTwinsMany = 32;

// Another order of ids for each row.
std::uint64_t Drawn(std::uint32_t self, std::uint32_t id) {
  std::uint64_t x = (std::uint64_t{self} << 32 | id) * 0x9E3779B97F4A7C15;
  x ^= x >> 29;
  return x * 0xBF58476D1CE4E5B9;
}

// Takes the twins of `self` out of the candidates where there are several: `most` of them, drawn by
// chance, go to *twins. The first of all stays: so the same one is linked to by all, and what other
// rows know of these is known to it.
void TakeTwins(const Arrays& arrays, std::uint32_t self, std::size_t most,
               std::vector<Near>* candidates, std::vector<Near>* twins) {
  twins->clear();
  bool first = true;
  for (const Near& near : *candidates) {
    if (!AreTwins(arrays, self, near.id)) continue;
    if (!first) twins->push_back(near);
    first = false;
  }
  if (twins->empty()) return;
  first = true;
  std::erase_if(*candidates, [&](const Near& near) {
    return AreTwins(arrays, self, near.id) && !std::exchange(first, false);
  });
  most = twins->size() > kTwinsMany ? 0 : std::min(most, twins->size());
  std::partial_sort(
      twins->begin(), twins->begin() + static_cast<std::ptrdiff_t>(most), twins->end(),
      [&](const Near& a, const Near& b) { return Drawn(self, a.id) < Drawn(self, b.id); });
  twins->resize(most);
}

}  // namespace

void ChooseLinks(const Arrays& arrays, std::uint32_t self, float alpha, std::uint32_t limit,
                 std::vector<Near>* candidates, LinkScratch* scratch) {
  constexpr std::uint32_t kTwinShare = 8;
  const std::size_t blocks = arrays.code_bytes / 64;
  std::vector<Near>& kept = scratch->kept;
  kept.clear();
  TakeTwins(arrays, self, limit / kTwinShare, candidates, &scratch->twins);
  limit -= static_cast<std::uint32_t>(scratch->twins.size());
  const Rivals r = Gather(arrays, *candidates, scratch);
  std::size_t n = candidates->size();
  const float most = alpha * alpha;
  for (const float ratio : {1.0f, most}) {
    for (std::size_t i = 0; i < n && kept.size() < limit; ++i) {
      if (r.factor[i] > ratio) continue;
      kept.push_back({r.distance[i], r.ids[i]});
      r.factor[i] = kChosen;
      const std::size_t after = i + 1;
      if (after == n || kept.size() == limit) continue;
      StoredQuery(arrays, blocks, r.ids[i], &scratch->decoded);
      Scores().four(scratch->decoded.high.data(), blocks, arrays.first, r.ids + after, n - after,
                    scratch->sums.data());
      const std::size_t left = Compare(scratch->decoded, scratch->sums.data(), most, after, n, r);
      if (left * 4 < (n - after) * 3) n = Compact(most, after, n, r);
    }
    if (most == 1) break;
  }
  kept.insert(kept.end(), scratch->twins.begin(), scratch->twins.end());
  std::sort(kept.begin(), kept.end());
  candidates->swap(kept);
}

void WriteLinks(Arrays* arrays, std::uint32_t id, const std::vector<Near>& links) {
  const std::size_t base = std::size_t{id} * arrays->degree;
  std::uint32_t k = 0;
  for (const Near& link : links) {
    if (k == arrays->degree) break;
    arrays->link_distance[base + k] = link.distance;
    arrays->SetLink(id, k++, link.id);
  }
  arrays->EndLinks(id, k);
}

bool OfferLink(Arrays* arrays, float alpha, std::uint32_t target, std::uint32_t id, float distance,
               LinkScratch* scratch) {
  const std::size_t base = std::size_t{target} * arrays->degree;
  float* distances = arrays->link_distance + base;
  std::uint32_t* ids = scratch->ids.data();
  std::uint32_t n = 0;
  scratch->ids.resize(arrays->degree);
  ids = scratch->ids.data();
  while (n < arrays->degree && arrays->Link(target, n, &ids[n])) {
    if (ids[n] == id) return true;
    ++n;
  }
  if (n < arrays->degree) {
    distances[n] = distance;
    arrays->SetLink(target, n, id);
    return true;
  }
  std::vector<Near>& merged = scratch->merged;
  merged.clear();
  for (std::uint32_t k = 0; k < n; ++k) merged.push_back({distances[k], ids[k]});
  merged.push_back({distance, id});
  std::sort(merged.begin(), merged.end());
  // Less than a full list, so that the next links cost nothing. Three quarters would be made in 15
  // % less time, and need an eighth more of a window for a recall of .95.
  ChooseLinks(*arrays, target, alpha, n - n / 8, &merged, scratch);
  WriteLinks(arrays, target, merged);
  return std::any_of(merged.begin(), merged.end(), [&](const Near& near) { return near.id == id; });
}

void ForceLink(Arrays* arrays, std::uint32_t target, std::uint32_t id, float distance) {
  const std::uint32_t n = arrays->LinkCount(target);
  const std::uint32_t at = std::min(n, arrays->degree - 1);
  arrays->link_distance[std::size_t{target} * arrays->degree + at] = distance;
  arrays->EndLinks(target, at + 1);
  arrays->SetLink(target, at, id);
}

}  // namespace malmoi::ann
