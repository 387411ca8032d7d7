#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "ann/index.h"

// Clustered vectors and exact answers for the tests of this module.
namespace malmoi::ann::sample {

struct Data {
  std::uint32_t dim = 0;
  std::uint32_t rows = 0;
  std::vector<float> x;                // [rows, dim].
  std::vector<std::uint32_t> cluster;  // Of each row.
  std::vector<float> queries;          // [n, dim].
  std::size_t query_count() const { return queries.size() / dim; }
  std::span<const float> query(std::size_t i) const {
    return std::span(queries).subspan(i * dim, dim);
  }
  DenseRows source() const { return {x.data(), dim}; }
};

// Points around centres that lie around a common mean; a query is a point with noise.
inline Data Clustered(std::uint32_t rows, std::uint32_t dim, std::uint32_t clusters,
                      std::size_t queries, std::uint64_t seed = 7) {
  std::mt19937_64 rng(seed);
  const auto normal = [&] {  // Sum of uniforms: the same on every standard library.
    double sum = 0;
    for (int i = 0; i < 6; ++i) sum += static_cast<double>(rng() >> 11) * 0x1p-53 - 0.5;
    return static_cast<float>(sum * 1.41421356);
  };
  Data out{.dim = dim, .rows = rows, .x = {}, .cluster = {}, .queries = {}};
  std::vector<float> centres(std::size_t{clusters} * dim);
  for (float& c : centres) c = 0.6f * normal() + 0.3f;
  const auto point = [&](std::uint32_t cluster, std::vector<float>* to) {
    for (std::uint32_t i = 0; i < dim; ++i) {
      to->push_back(centres[std::size_t{cluster} * dim + i] + 0.5f * normal());
    }
  };
  for (std::uint32_t r = 0; r < rows; ++r) {
    out.cluster.push_back(static_cast<std::uint32_t>(rng() % clusters));
    point(out.cluster.back(), &out.x);
  }
  for (std::size_t q = 0; q < queries; ++q) {
    point(static_cast<std::uint32_t>(rng() % clusters), &out.queries);
  }
  return out;
}

// The same rows, those of a cluster behind one another.
inline Data Sorted(Data data) {
  std::vector<std::uint32_t> order(data.rows);
  for (std::uint32_t r = 0; r < data.rows; ++r) order[r] = r;
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return data.cluster[a] < data.cluster[b];
  });
  Data out = data;
  for (std::uint32_t r = 0; r < data.rows; ++r) {
    out.cluster[r] = data.cluster[order[r]];
    std::copy_n(data.x.begin() + std::ptrdiff_t{order[r]} * data.dim, data.dim,
                out.x.begin() + std::ptrdiff_t{r} * data.dim);
  }
  return out;
}

inline double Score(Metric metric, std::span<const float> q, const float* row) {
  double dot = 0, qq = 0, rr = 0, distance = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    dot += double{q[i]} * row[i];
    qq += double{q[i]} * q[i];
    rr += double{row[i]} * row[i];
    distance += (double{q[i]} - row[i]) * (double{q[i]} - row[i]);
  }
  if (metric == Metric::kEuclid) return -distance;
  return metric == Metric::kDot || qq * rr == 0 ? dot : dot / std::sqrt(qq * rr);
}

// Part of the exact `limit` best that `found` holds, over rows for which keep(row).
template <class Keep>
double Recall(const Data& data, Metric metric, std::size_t query, std::size_t limit,
              const std::vector<Found>& found, const Keep& keep) {
  std::vector<std::pair<double, std::uint32_t>> exact;
  for (std::uint32_t r = 0; r < data.rows; ++r) {
    if (keep(r)) {
      exact.emplace_back(-Score(metric, data.query(query), &data.x[std::size_t{r} * data.dim]), r);
    }
  }
  limit = std::min(limit, exact.size());
  if (limit == 0) return found.empty() ? 1 : 0;
  std::partial_sort(exact.begin(), exact.begin() + static_cast<std::ptrdiff_t>(limit), exact.end());
  std::size_t hits = 0;
  for (std::size_t k = 0; k < limit; ++k) {
    for (const Found& f : found) hits += f.id == exact[k].second;
  }
  return static_cast<double>(hits) / static_cast<double>(limit);
}

// Mean recall@10 of the data's queries.
template <class Keep>
double MeanRecall(const Index& index, const Data& data, SearchParams params, const Keep& keep) {
  double sum = 0;
  for (std::size_t q = 0; q < data.query_count(); ++q) {
    auto found = index.Search(data.query(q), params);
    if (!found.ok()) return -1;
    for (const Found& f : found.value()) {
      if (!keep(f.id)) return -2;  // It must never give a row that it may not.
    }
    sum += Recall(data, index.options().metric, q, params.limit, found.value(), keep);
  }
  return sum / static_cast<double>(data.query_count());
}

inline std::vector<std::uint32_t> Ids(std::uint32_t from, std::uint32_t to) {
  std::vector<std::uint32_t> ids;
  for (std::uint32_t i = from; i < to; ++i) ids.push_back(i);
  return ids;
}

}  // namespace malmoi::ann::sample
