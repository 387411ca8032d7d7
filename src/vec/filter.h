#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vec/point.h"

namespace malmoi::json {
class Value;
}

namespace malmoi::vec {

struct Filter;

// One test of a point. `key` is a payload path: "metadata.page", array elements by "tags[]".
// A test on an array holds if it holds for any element.
struct MatchAny {  // Equal to one of the values (keyword, integer or bool).
  std::vector<std::variant<std::string, std::int64_t, bool>> values;
};
struct Range {  // Numbers; each bound optional.
  std::optional<double> lt, lte, gt, gte;
};
struct IsEmpty {};    // Missing, null or [].
struct PrefixMatch {  // A keyword that starts with this; malmoi's own addition, for folders.
  std::string prefix;
};
struct FieldCondition {
  std::string key;
  std::variant<MatchAny, Range, IsEmpty, PrefixMatch> test;
};
struct HasId {
  std::vector<PointId> ids;
};
struct Condition {
  std::variant<FieldCondition, HasId, std::shared_ptr<const Filter>> test;
};

// Holds for a point if all of `must`, none of `must_not`, and, unless `should` is empty, at least
// one of `should` hold. Evaluated inside the scan, before scoring.
struct Filter {
  std::vector<Condition> must;
  std::vector<Condition> must_not;
  std::vector<Condition> should;

  bool empty() const { return must.empty() && must_not.empty() && should.empty(); }
};

// Qdrant's JSON form: {"must":[{"key":"metadata.lang","match":{"value":"ko"}}], ...}; match also
// takes "any" and "prefix", range lt/lte/gt/gte, {"is_empty":{"key":...}}, {"has_id":[...]}, nested
// filters. Errors: kInvalidArgument naming the member.
Result<Filter> ParseFilter(const json::Value& json);

}  // namespace malmoi::vec
