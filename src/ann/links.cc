#include <algorithm>

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

void ChooseLinks(const Arrays& arrays, std::size_t blocks, float alpha, std::uint32_t limit,
                 std::vector<Near>* candidates, LinkScratch* scratch) {
  const std::vector<Near>& all = *candidates;
  std::vector<Near>& kept = scratch->kept;
  std::vector<float>& factor = scratch->distances;  // kChosen, or how much nearer a chosen one is.
  constexpr float kChosen = -1;
  kept.clear();
  factor.assign(all.size(), 0);
  scratch->ids.resize(all.size());
  scratch->places.resize(all.size());
  scratch->sums.resize(all.size());
  scratch->scores.resize(all.size());
  const float most = alpha * alpha;
  for (const float ratio : {1.0f, most}) {
    for (std::size_t i = 0; i < all.size() && kept.size() < limit; ++i) {
      if (factor[i] == kChosen || factor[i] > ratio) continue;
      factor[i] = kChosen;
      kept.push_back(all[i]);
      std::size_t n = 0;
      for (std::size_t j = i + 1; j < all.size(); ++j) {
        if (factor[j] == kChosen || factor[j] > most) continue;
        scratch->places[n] = static_cast<std::uint32_t>(j);
        scratch->ids[n++] = all[j].id;
      }
      if (n == 0) continue;
      StoredQuery(arrays, blocks, all[i].id, &scratch->decoded);
      ScoreFour(arrays, scratch->decoded, scratch->ids.data(), n, scratch->sums.data(),
                scratch->scores.data());
      for (std::size_t k = 0; k < n; ++k) {
        const std::size_t j = scratch->places[k];
        const float between = scratch->decoded.norm2 - 2 * scratch->scores[k];
        const float f = between > 0 ? all[j].distance / between : most * 2;
        factor[j] = std::max(factor[j], f);
      }
    }
    if (most == 1) break;
  }
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
  // Less than a full list, so that the next links cost nothing.
  ChooseLinks(*arrays, arrays->code_bytes / 64, alpha, n - n / 8, &merged, scratch);
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
