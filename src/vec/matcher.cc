#include <algorithm>

#include "base/strings.h"
#include "json/value.h"
#include "vec/matcher_internal.h"

namespace malmoi::vec {
namespace {

bool Equals(const json::Value& v, const std::variant<std::string, std::int64_t, bool>& wanted) {
  if (const auto* s = std::get_if<std::string>(&wanted)) return v.AsString() == *s;
  if (const auto* b = std::get_if<bool>(&wanted)) return v.AsBool() == *b;
  return v.AsInt() == std::get<std::int64_t>(wanted);
}

bool Test(const json::Value& v, const MatchAny& test) {
  return std::any_of(test.values.begin(), test.values.end(),
                     [&](const auto& wanted) { return Equals(v, wanted); });
}
bool Test(const json::Value& v, const Range& r) {
  if (!v.is_number()) return false;
  const double x = *v.AsDouble();
  return !(r.lt && !(x < *r.lt)) && !(r.lte && !(x <= *r.lte)) && !(r.gt && !(x > *r.gt)) &&
         !(r.gte && !(x >= *r.gte));
}
bool Test(const json::Value& v, const PrefixMatch& test) {
  const auto s = v.AsString();
  return s && s->starts_with(test.prefix);
}

// Calls visit(value) for each value the path leads to; stops when it returns true.
template <class Visit>
bool Walk(const json::Value& v, const std::vector<std::string>& path, std::size_t at,
          const Visit& visit) {
  if (at == path.size()) return visit(v);
  std::string_view key = path[at];
  const bool each = key.ends_with("[]");
  if (each) key.remove_suffix(2);
  const json::Value* next = v.Find(key);
  if (next == nullptr) return false;
  if (!each) return Walk(*next, path, at + 1, visit);
  return std::any_of(next->items().begin(), next->items().end(),
                     [&](const json::Value& item) { return Walk(item, path, at + 1, visit); });
}

}  // namespace

// A row whose payload is parsed when a condition first asks for it.
class Matcher::Lazy {
 public:
  Lazy(const Part& part, std::uint32_t row) : part_(part), row_(row) {}
  PointId id() const { return part_.Id(row_); }
  const json::Value& payload() {
    if (!parsed_) {
      auto value = json::Parse(part_.Payload(row_));
      parsed_ = value.ok() ? std::move(value).value() : json::Value();
    }
    return *parsed_;
  }

 private:
  const Part& part_;
  std::uint32_t row_;
  std::optional<json::Value> parsed_;
};

Matcher::Matcher(const Filter& filter)
    : must_(Compile(filter.must)),
      must_not_(Compile(filter.must_not)),
      should_(Compile(filter.should)) {}

std::vector<Matcher::Node> Matcher::Compile(const std::vector<Condition>& conditions) {
  std::vector<Node> out;
  for (const Condition& c : conditions) {
    Node& node = out.emplace_back();
    if (const auto* field = std::get_if<FieldCondition>(&c.test)) {
      node.field = field;
      for (const auto piece : Split(field->key, '.')) node.path.emplace_back(piece);
    } else if (const auto* has = std::get_if<HasId>(&c.test)) {
      node.ids = has->ids;
      std::sort(node.ids.begin(), node.ids.end());
      node.ids.erase(std::unique(node.ids.begin(), node.ids.end()), node.ids.end());
    } else if (const auto& nested = std::get<std::shared_ptr<const Filter>>(c.test)) {
      node.nested = std::make_unique<Matcher>(*nested);
    }
  }
  // Cheap tests first: those on ids need no payload.
  std::stable_partition(out.begin(), out.end(),
                        [](const Node& n) { return n.field == nullptr && n.nested == nullptr; });
  return out;
}

const std::vector<PointId>* Matcher::candidates() const {
  for (const Node& node : must_) {
    if (node.field == nullptr && node.nested == nullptr) return &node.ids;
  }
  return nullptr;
}

bool Matcher::Holds(const Node& node, Lazy& row) {
  if (node.nested != nullptr) return node.nested->Keep(row);
  if (node.field == nullptr) return std::binary_search(node.ids.begin(), node.ids.end(), row.id());
  if (std::holds_alternative<IsEmpty>(node.field->test)) {
    return !Walk(row.payload(), node.path, 0, [](const json::Value& v) {
      return !v.is_null() && !(v.is_array() && v.items().empty());
    });
  }
  const auto holds = [&](const json::Value& v) {
    return std::visit(
        [&](const auto& test) {
          using T = std::decay_t<decltype(test)>;
          if constexpr (std::is_same_v<T, MatchAny> || std::is_same_v<T, Range> ||
                        std::is_same_v<T, PrefixMatch>) {
            return Test(v, test);
          } else {
            return false;
          }
        },
        node.field->test);
  };
  return Walk(row.payload(), node.path, 0, [&](const json::Value& v) {
    return v.is_array() ? std::any_of(v.items().begin(), v.items().end(), holds) : holds(v);
  });
}

bool Matcher::Keep(Lazy& row) const {
  const auto holds = [&](const Node& node) { return Holds(node, row); };
  return std::all_of(must_.begin(), must_.end(), holds) &&
         std::none_of(must_not_.begin(), must_not_.end(), holds) &&
         (should_.empty() || std::any_of(should_.begin(), should_.end(), holds));
}

bool Matcher::Keep(const Part& part, std::uint32_t row) const {
  Lazy lazy(part, row);
  return Keep(lazy);
}

}  // namespace malmoi::vec
