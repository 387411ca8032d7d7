#pragma once

#include <span>
#include <vector>

#include "json/value.h"
#include "vec/filter.h"

namespace malmoi::vec {

// Changes of payloads, as Qdrant makes them.

// Members of `patch` replace those of the same name; null takes one away.
json::Value Merge(const json::Value& object, const json::Value& patch);
// The same inside of what the path leads to. Missing members on the way are made as objects, and
// so is what stands at its end but is none; array elements that do not exist are not made.
json::Value MergeAt(const json::Value& object, std::span<const PathStep> path,
                    const json::Value& patch);
// Without what the paths lead to. Brackets at the end of a path: "[]" empties the array, an index
// changes nothing.
json::Value DropPaths(const json::Value& object, std::span<const std::vector<PathStep>> paths);
// Only what the paths lead to, and what is on the way.
json::Value KeepPaths(const json::Value& object, std::span<const std::vector<PathStep>> paths);

}  // namespace malmoi::vec
