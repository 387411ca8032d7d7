#pragma once

#include <span>

#include "vec/filter.h"
#include "vec/packed_internal.h"

namespace malmoi::vec {

// Calls visit(value) for each value that the path leads to, until one returns true; whether one
// did. A name needs an object, brackets an array: nothing is looked into by itself.
template <class Visit>
bool Walk(const Packed& value, std::span<const PathStep> path, const Visit& visit) {
  if (path.empty()) return visit(value);
  const PathStep& step = path.front();
  const auto rest = path.subspan(1);
  if (step.kind == PathStep::Kind::kKey) {
    const auto next = value.Find(step.key);
    return next && Walk(*next, rest, visit);
  }
  std::uint64_t at = 0;
  bool found = false;
  value.AnyItem([&](const Packed& item) {
    const bool wanted = step.kind == PathStep::Kind::kEach || at == step.index;
    ++at;
    found = wanted && Walk(item, rest, visit);
    return found || (wanted && step.kind == PathStep::Kind::kIndex);
  });
  return found;
}

// The same, arrays at the end of the path taken as their elements.
template <class Visit>
bool WalkValues(const Packed& value, std::span<const PathStep> path, const Visit& visit) {
  return Walk(value, path,
              [&](const Packed& v) { return v.is_array() ? v.AnyItem(visit) : visit(v); });
}

}  // namespace malmoi::vec
