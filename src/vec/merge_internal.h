#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "vec/snapshot_internal.h"

namespace malmoi::vec {

// Bytes of a segment's rows that are not deleted.
std::uint64_t LiveBytes(const Segment& segment);

// Segments above it, and those that are to have graphs, are merged by the optimiser, which makes
// their graphs first; smaller ones by Store::Merge.
inline constexpr std::uint64_t kInlineBytes = 64ull << 20;
bool IsLarge(const Segment& segment, const OptimizerPlan& plan);

// Whether a field of it is to have a graph that it has not yet.
bool LacksGraphs(const Segment& segment, const OptimizerPlan& plan);

// Which of the snapshot's large segments are to become one; empty: none. `eager`: also where that
// saves little.
std::vector<std::shared_ptr<const Segment>> ChooseLargeMerge(const Snapshot& snapshot, bool eager);

}  // namespace malmoi::vec
