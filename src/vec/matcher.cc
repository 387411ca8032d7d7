#include <algorithm>

#include "base/bytes.h"
#include "vec/geo_internal.h"
#include "vec/matcher_internal.h"
#include "vec/siphash_internal.h"
#include "vec/walk_internal.h"

namespace malmoi::vec {
namespace {

// Whether the bounds that are set hold for x.
template <class R, class T>
bool InRange(const R& r, T x) {
  return !(r.lt && !(x < *r.lt)) && !(r.lte && !(x <= *r.lte)) && !(r.gt && !(x > *r.gt)) &&
         !(r.gte && !(x >= *r.gte));
}

std::uint64_t CountValues(const Packed& value) {
  if (value.is_null()) return 0;
  if (!value.is_array()) return 1;
  std::uint64_t n = 0;
  value.AnyItem([&](const Packed&) {
    ++n;
    return false;
  });
  return n;
}

bool IsEmptyValue(const Packed& v) {
  return v.is_null() || (v.is_array() && CountValues(v) == 0);
}

bool HasNullValue(const Packed& v) {
  return v.is_null() || v.AnyItem([](const Packed& item) { return item.is_null(); });
}

std::uint64_t SliceHash(const PointId& id) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    return SipHash24({reinterpret_cast<const char*>(number), 8});
  }
  const auto& bytes = std::get<Uuid>(id).bytes;
  return SipHash24({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

class PointSubject : public Subject {
 public:
  explicit PointSubject(const Point& point) : point_(point) {
    if (const auto json = json::Parse(point.payload); json.ok()) Pack(json.value(), &packed_);
  }
  PointId Id() const override { return point_.id; }
  bool HasVector(const std::string& name) const override {
    return point_.vectors.dense.contains(name) || point_.vectors.sparse.contains(name) ||
           point_.vectors.multi.contains(name);
  }
  Packed Payload() override { return Packed(packed_); }

 private:
  const Point& point_;
  std::string packed_;
};

}  // namespace

bool Matcher::HoldsValue(const Node& node, const Packed& v) {
  return std::visit(
      [&](const auto& test) {
        using T = std::decay_t<decltype(test)>;
        if constexpr (std::is_same_v<T, MatchAny>) {
          if (const auto s = v.AsString()) {
            Uuid uuid;
            if (!node.uuids.empty() && ParseUuid(*s, &uuid) &&
                std::binary_search(node.uuids.begin(), node.uuids.end(), uuid)) {
              return true;
            }
            return std::binary_search(node.strings.begin(), node.strings.end(), *s);
          }
          if (const auto b = v.AsBool()) return node.bools[*b ? 1 : 0];
          const auto i = v.AsInt();
          return i && std::binary_search(node.integers.begin(), node.integers.end(), *i);
        } else if constexpr (std::is_same_v<T, MatchExcept>) {
          if (v.is_null()) return false;
          if (const auto s = v.AsString()) {
            if (node.typed_except && node.strings.empty() && !node.integers.empty()) return false;
            return !std::binary_search(node.strings.begin(), node.strings.end(), *s);
          }
          if (const auto i = v.AsInt()) {
            if (node.typed_except && node.integers.empty()) return false;
            return !std::binary_search(node.integers.begin(), node.integers.end(), *i);
          }
          return !node.typed_except;
        } else if constexpr (std::is_same_v<T, PrefixMatch>) {
          const auto s = v.AsString();
          return s && s->starts_with(test.prefix);
        } else if constexpr (std::is_same_v<T, MatchSubstring>) {
          const auto s = v.AsString();
          return s && s->find(test.text) != std::string_view::npos;
        } else if constexpr (std::is_same_v<T, MatchText>) {
          const auto s = v.AsString();
          return s && node.text->Matches(*s);
        } else if constexpr (std::is_same_v<T, Range>) {
          const auto x = v.AsDouble();
          return x && InRange(test, *x);
        } else if constexpr (std::is_same_v<T, DatetimeRange>) {
          const auto s = v.AsString();
          const auto x = s ? ParseDatetime(*s) : std::nullopt;
          return x && InRange(test, *x);
        } else if constexpr (std::is_same_v<T, GeoBox> || std::is_same_v<T, GeoRadius> ||
                             std::is_same_v<T, GeoPolygon>) {
          const auto p = AsGeoPoint(v);
          return p && Inside(test, *p);
        } else {
          return false;  // Tests of whole values: HoldsPayload.
        }
      },
      node.field->test);
}

bool Matcher::HoldsPayload(const Node& node, const Packed& payload) {
  const auto& test = node.field->test;
  if (std::holds_alternative<IsEmpty>(test)) {
    return !Walk(payload, node.path, [](const Packed& v) { return !IsEmptyValue(v); });
  }
  if (std::holds_alternative<IsNull>(test)) return Walk(payload, node.path, HasNullValue);
  bool any = false;
  if (const auto* empty = std::get_if<ValueEmpty>(&test)) {
    if (node.whole) {
      return Walk(payload, node.path, [](const Packed& v) { return !IsEmptyValue(v); }) !=
             empty->expected;
    }
    const bool found = Walk(payload, node.path, [&](const Packed& v) {
      any = true;
      return IsEmptyValue(v) == empty->expected;
    });
    return found || (!any && empty->expected);
  }
  if (const auto* null = std::get_if<ValueNull>(&test)) {
    if (node.whole) return Walk(payload, node.path, HasNullValue) == null->expected;
    const bool found = Walk(payload, node.path, [&](const Packed& v) {
      any = true;
      return HasNullValue(v) == null->expected;
    });
    return found || (!any && !null->expected);
  }
  if (const auto* counts = std::get_if<ValuesCount>(&test)) {
    const bool found = Walk(payload, node.path, [&](const Packed& v) {
      any = true;
      return InRange(*counts, CountValues(v));
    });
    return found || (!any && InRange(*counts, std::uint64_t{0}));
  }
  if (node.across) {
    std::vector<bool> seen(node.text->tokens().size());
    WalkValues(payload, node.path, [&](const Packed& v) {
      if (const auto s = v.AsString()) node.text->Mark(*s, &seen);
      return false;
    });
    return !seen.empty() && std::find(seen.begin(), seen.end(), false) == seen.end();
  }
  return WalkValues(payload, node.path, [&](const Packed& v) { return HoldsValue(node, v); });
}

bool Matcher::Holds(const Node& node, Subject& subject) {
  if (node.field != nullptr) return HoldsPayload(node, subject.Payload());
  const auto& test = node.condition->test;
  if (std::holds_alternative<HasId>(test)) {
    return std::binary_search(node.ids.begin(), node.ids.end(), subject.Id());
  }
  if (const auto* vector = std::get_if<HasVector>(&test)) return subject.HasVector(vector->name);
  if (const auto* slice = std::get_if<Slice>(&test)) {
    return SliceHash(subject.Id()) % slice->total == slice->index;
  }
  if (node.elements != nullptr || std::holds_alternative<Nested>(test)) {
    class ElementSubject : public Subject {
     public:
      ElementSubject(Subject& point, const Packed& element) : point_(point), element_(element) {}
      PointId Id() const override { return point_.Id(); }
      bool HasVector(const std::string& name) const override { return point_.HasVector(name); }
      Packed Payload() override { return element_; }

     private:
      Subject& point_;
      Packed element_;
    };
    return Walk(subject.Payload(), node.path, [&](const Packed& v) {
      if (!v.is_object()) return false;
      ElementSubject element(subject, v);
      return node.filter->Keep(element);
    });
  }
  return node.filter == nullptr || node.filter->Keep(subject);
}

bool Matcher::Keep(Subject& subject) const {
  const auto holds = [&](const Node& node) { return Holds(node, subject); };
  if (!std::all_of(must_.begin(), must_.end(), holds) ||
      std::any_of(must_not_.begin(), must_not_.end(), holds) ||
      (!should_.empty() && std::none_of(should_.begin(), should_.end(), holds))) {
    return false;
  }
  if (!min_count_) return true;
  std::size_t count = 0;
  for (const Node& node : min_should_) {
    if (count >= *min_count_) break;
    count += holds(node) ? 1 : 0;
  }
  return count >= *min_count_;
}

bool Matcher::Keep(const RowRef& row) const {
  RowSubject subject(*schema_, *row.part, row.row);
  return Keep(subject);
}

const std::vector<PointId>* Matcher::candidates() const {
  for (const Node& node : must_) {
    if (node.condition != nullptr && std::holds_alternative<HasId>(node.condition->test)) {
      return &node.ids;
    }
  }
  return nullptr;
}

bool Holds(const Filter& filter, const Point& point) {
  static const Schema kNone;
  static const IndexMap kNoIndexes;
  const auto matcher = Matcher::Create(filter, kNone, kNoIndexes);
  if (!matcher.ok()) return false;
  PointSubject subject(point);
  return matcher.value().Keep(subject);
}

}  // namespace malmoi::vec
