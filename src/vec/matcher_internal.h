#pragma once

#include <optional>
#include <vector>

#include "vec/filter.h"
#include "vec/part_internal.h"

namespace malmoi::vec {

// A filter made ready for many rows. Immutable; the filter must outlive it.
class Matcher {
 public:
  explicit Matcher(const Filter& filter);
  bool Keep(const Part& part, std::uint32_t row) const;
  // The sorted ids that a point must be one of, where the filter says so at its top.
  const std::vector<PointId>* candidates() const;

 private:
  struct Node {
    const FieldCondition* field = nullptr;
    std::vector<std::string> path;
    std::vector<PointId> ids;  // Sorted.
    std::unique_ptr<Matcher> nested;
  };
  class Lazy;
  static std::vector<Node> Compile(const std::vector<Condition>& conditions);
  static bool Holds(const Node& node, Lazy& row);
  bool Keep(Lazy& row) const;

  std::vector<Node> must_, must_not_, should_;
};

}  // namespace malmoi::vec
