#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/result.h"
#include "vec/point.h"

namespace malmoi::cli {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
};
using Figures = std::vector<Figure>;

inline constexpr std::uint32_t kBenchDim = 384;
inline constexpr std::size_t kBenchBatch = 1000;

// A random vector and a payload of four fields.
vec::Point BenchPoint(std::uint64_t id, std::mt19937_64& random);
// Of kBenchDim numbers, by cosine. Without graphs the figures are of writing alone: where vectors
// await a graph, writers are held to the rate at which it is made.
vec::CollectionConfig BenchConfig(bool graphs);
double Percentile(std::vector<double> values, double p);

// Bytes a second that `threads` threads read from memory, best of several passes.
double MemoryBandwidth(std::size_t threads);

// Batches of kBenchBatch points, durable, from `clients` threads: in process, and over REST and
// gRPC to a server in this process by clients that send prepared bodies. Five rounds of each in
// turn; figures are medians of the rounds, shares those of a round and the one in process beside
// it. Segments are made between rounds, outside of the time taken. `folder` is made.
Status BenchStoreRest(const std::string& folder, std::size_t points, std::size_t clients,
                      std::size_t threads, Figures* figures);

}  // namespace malmoi::cli
