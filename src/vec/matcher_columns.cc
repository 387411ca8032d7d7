#include <algorithm>

#include "vec/geo_internal.h"
#include "vec/matcher_internal.h"

namespace malmoi::vec {
namespace {

// Marks the rows of every value from the first that is not below `low` to the last that is not
// above `high`.
template <class T, class R>
void MarkRange(const std::vector<T>& values, const R& r, const Column& column, Bitmap* out) {
  auto begin = values.begin();
  auto end = values.end();
  if (r.gte) begin = std::max(begin, std::lower_bound(values.begin(), values.end(), *r.gte));
  if (r.gt) begin = std::max(begin, std::upper_bound(values.begin(), values.end(), *r.gt));
  if (r.lte) end = std::min(end, std::upper_bound(values.begin(), values.end(), *r.lte));
  if (r.lt) end = std::min(end, std::lower_bound(values.begin(), values.end(), *r.lt));
  if (begin >= end) return;
  column.AddRange(static_cast<std::size_t>(begin - values.begin()),
                  static_cast<std::size_t>(end - values.begin()), out);
}

template <class T, class K>
void MarkValue(const std::vector<T>& values, const K& value, const Column& column, Bitmap* out) {
  const auto it = std::lower_bound(values.begin(), values.end(), value);
  if (it == values.end() || *it != value) return;
  column.AddRows(static_cast<std::size_t>(it - values.begin()), out);
}

template <class Shape>
void MarkPlaces(const Shape& shape, const Column& column, Bitmap* out) {
  const auto [low, high] = Latitudes(shape);
  auto it = std::lower_bound(column.places.begin(), column.places.end(), low,
                             [](const GeoPoint& p, double lat) { return p.lat < lat; });
  for (; it != column.places.end() && it->lat <= high; ++it) {
    if (Inside(shape, *it))
      out->Set(column.rows[static_cast<std::size_t>(it - column.places.begin())]);
  }
}

void MarkWords(const TextMatcher& text, const Column& column, Bitmap* out) {
  const auto& tokens = text.tokens();
  if (text.mode() == MatchText::Mode::kAny || tokens.empty()) {
    for (const auto& token : tokens) MarkValue(column.words, token, column, out);
    return;
  }
  Bitmap all = column.any;
  for (const auto& token : tokens) {
    Bitmap with(column.any.rows());
    MarkValue(column.words, token, column, &with);
    all.And(with);
  }
  out->Or(all);
}

template <class Test>
void MarkCounts(const Column& column, const Test& test, Bitmap* out) {
  for (std::uint32_t row = 0; row < column.counts.size(); ++row) {
    if (test(row)) out->Set(row);
  }
}

bool CountHolds(const ValuesCount& c, std::uint64_t n) {
  return !(c.lt && n >= *c.lt) && !(c.lte && n > *c.lte) && !(c.gt && n <= *c.gt) &&
         !(c.gte && n < *c.gte);
}

void MarkPresence(const decltype(FieldCondition::test)& test, const Column& column, Bitmap* out) {
  if (const auto* counts = std::get_if<ValuesCount>(&test)) {
    MarkCounts(
        column, [&](auto row) { return CountHolds(*counts, column.counts[row]); }, out);
  } else if (std::holds_alternative<IsNull>(test) || std::holds_alternative<ValueNull>(test)) {
    const auto* null = std::get_if<ValueNull>(&test);
    const bool expected = null == nullptr || null->expected;
    MarkCounts(
        column, [&](auto row) { return column.nulls.Has(row) == expected; }, out);
  } else {
    const auto* empty = std::get_if<ValueEmpty>(&test);
    const bool expected = empty == nullptr || empty->expected;
    MarkCounts(
        column, [&](auto row) { return (column.counts[row] == 0) == expected; }, out);
  }
}

}  // namespace

void Matcher::MarkMatches(const Node& node, const ColumnSpec& spec, const Column& column,
                          Bitmap* out) {
  const auto& test = node.field->test;
  if (spec.kind == ColumnKind::kPresence) return MarkPresence(test, column, out);
  if (const auto* range = std::get_if<Range>(&test)) {
    MarkRange(column.numbers, *range, column, out);
  } else if (const auto* times = std::get_if<DatetimeRange>(&test)) {
    MarkRange(column.integers, *times, column, out);
  } else if (const auto* box = std::get_if<GeoBox>(&test)) {
    MarkPlaces(*box, column, out);
  } else if (const auto* circle = std::get_if<GeoRadius>(&test)) {
    MarkPlaces(*circle, column, out);
  } else if (const auto* polygon = std::get_if<GeoPolygon>(&test)) {
    MarkPlaces(*polygon, column, out);
  } else if (node.text != nullptr) {
    MarkWords(*node.text, column, out);
  } else if (const auto* prefix = std::get_if<PrefixMatch>(&test)) {
    const auto first = std::lower_bound(column.words.begin(), column.words.end(), prefix->prefix);
    auto last = first;
    while (last != column.words.end() && last->starts_with(prefix->prefix)) ++last;
    column.AddRange(static_cast<std::size_t>(first - column.words.begin()),
                    static_cast<std::size_t>(last - column.words.begin()), out);
  } else if (std::holds_alternative<MatchExcept>(test)) {
    if (!node.typed_except) out->Or(column.other);
    for (std::size_t i = 0; i < column.values(); ++i) {
      const bool listed =
          spec.kind == ColumnKind::kKeyword
              ? std::binary_search(node.strings.begin(), node.strings.end(), column.words[i])
              : std::binary_search(node.integers.begin(), node.integers.end(), column.integers[i]);
      if (!listed) column.AddRows(i, out);
    }
  } else if (spec.kind == ColumnKind::kKeyword) {
    for (const auto& s : node.strings) MarkValue(column.words, s, column, out);
  } else if (spec.kind == ColumnKind::kUuid) {
    for (const Uuid& u : node.uuids) {
      const std::string_view bytes(reinterpret_cast<const char*>(u.bytes.data()), u.bytes.size());
      MarkValue(column.words, bytes, column, out);
    }
  } else if (spec.kind == ColumnKind::kBool) {
    for (const std::int64_t b : {0, 1}) {
      if (node.bools[b]) MarkValue(column.integers, b, column, out);
    }
  } else {
    for (const std::int64_t i : node.integers) MarkValue(column.integers, i, column, out);
  }
}

bool Matcher::ByColumns(const Node& node, const PartRef& part, Bitmap* rows) {
  if (node.columns.empty()) {
    // A match against no value at all keeps nothing.
    const bool nothing =
        node.field != nullptr && std::holds_alternative<MatchAny>(node.field->test);
    if (nothing) *rows = Bitmap(rows->rows());
    return nothing;
  }
  std::vector<std::shared_ptr<const Column>> columns;
  for (const ColumnSpec& spec : node.columns) {
    auto column = part.part->columns().Get(*part.part, part.rows, spec);
    if (column == nullptr) return false;
    columns.push_back(std::move(column));
  }
  Bitmap found(rows->rows());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    MarkMatches(node, node.columns[i], *columns[i], &found);
  }
  rows->And(found);
  const bool one_word = node.text != nullptr && node.text->mode() == MatchText::Mode::kAll &&
                        node.text->tokens().size() < 2;
  if (node.text != nullptr && !node.across && !one_word &&
      node.text->mode() != MatchText::Mode::kAny) {
    // The tokens are there; whether in one value, and in this order, the texts alone say.
    std::string scratch;
    rows->ForEach([&](std::uint32_t row) {
      if (!HoldsPayload(node, Packed(part.part->Payload(row, &scratch)))) rows->Clear(row);
    });
  }
  return true;
}

void Matcher::RestrictNode(const Node& node, const PartRef& part, Bitmap* rows) const {
  const bool plain_filter =
      node.condition != nullptr &&
      std::holds_alternative<std::shared_ptr<const Filter>>(node.condition->test);
  if (plain_filter) {
    if (node.filter != nullptr) node.filter->Restrict(part, rows);
    return;
  }
  if (ByColumns(node, part, rows)) return;
  rows->ForEach([&](std::uint32_t row) {
    RowSubject subject(*schema_, *part.part, row);
    if (!Holds(node, subject)) rows->Clear(row);
  });
}

// Conditions that columns answer come first, so that the others see few rows.
void Matcher::RestrictMust(const PartRef& part, Bitmap* rows) const {
  std::vector<const Node*> later;
  for (const Node& node : must_) {
    if (node.columns.empty() || !ByColumns(node, part, rows)) later.push_back(&node);
  }
  for (const Node* node : later) {
    if (rows->Empty()) return;
    const bool plain_filter =
        std::holds_alternative<std::shared_ptr<const Filter>>(node->condition->test);
    if (plain_filter) {
      RestrictNode(*node, part, rows);
      continue;
    }
    rows->ForEach([&](std::uint32_t row) {
      RowSubject subject(*schema_, *part.part, row);
      if (!Holds(*node, subject)) rows->Clear(row);
    });
  }
}

void Matcher::RestrictMinShould(const PartRef& part, Bitmap* rows) const {
  std::vector<std::uint32_t> counts(rows->rows());
  for (const Node& node : min_should_) {
    Bitmap some = *rows;
    RestrictNode(node, part, &some);
    some.ForEach([&](std::uint32_t row) { ++counts[row]; });
  }
  rows->ForEach([&](std::uint32_t row) {
    if (counts[row] < *min_count_) rows->Clear(row);
  });
}

void Matcher::Restrict(const PartRef& part, Bitmap* rows) const {
  RestrictMust(part, rows);
  for (const Node& node : must_not_) {
    if (rows->Empty()) return;
    Bitmap against = *rows;
    RestrictNode(node, part, &against);
    rows->AndNot(against);
  }
  if (!should_.empty() && !rows->Empty()) {
    Bitmap any(rows->rows());
    for (const Node& node : should_) {
      Bitmap some = *rows;
      some.AndNot(any);
      RestrictNode(node, part, &some);
      any.Or(some);
    }
    *rows = std::move(any);
  }
  if (min_count_ && !rows->Empty()) RestrictMinShould(part, rows);
}

}  // namespace malmoi::vec
