#include <algorithm>
#include <map>

#include "vec/limits.h"
#include "vec/reader_internal.h"

namespace malmoi::vec {
namespace {

ColumnKind KindOf(IndexKind kind) {
  switch (kind) {
    case IndexKind::kKeyword:
      return ColumnKind::kKeyword;
    case IndexKind::kInteger:
      return ColumnKind::kInteger;
    case IndexKind::kFloat:
      return ColumnKind::kNumber;
    case IndexKind::kBool:
      return ColumnKind::kBool;
    case IndexKind::kGeo:
      return ColumnKind::kGeo;
    case IndexKind::kDatetime:
      return ColumnKind::kDatetime;
    case IndexKind::kUuid:
      return ColumnKind::kUuid;
    case IndexKind::kText:
      return ColumnKind::kText;
  }
  return ColumnKind::kKeyword;
}

Result<ColumnSpec> SpecOf(const std::string& key, const PayloadIndexParams& params) {
  ColumnSpec spec;
  spec.key = key;
  spec.kind = KindOf(params.kind);
  MALMOI_TRY(spec.path, ParsePath(key));
  if (params.kind == IndexKind::kText) {
    MALMOI_TRY(spec.rules, TextRules::For(params.text));
  }
  spec.declared = true;
  return spec;
}

FacetValue ValueOf(const Column& column, const ColumnSpec& spec, std::size_t i) {
  if (spec.kind == ColumnKind::kBool) return column.integers[i] != 0;
  if (spec.kind == ColumnKind::kInteger) return column.integers[i];
  if (spec.kind == ColumnKind::kKeyword) return column.words[i];
  Uuid uuid;
  std::copy_n(column.words[i].begin(), uuid.bytes.size(), uuid.bytes.begin());
  return uuid.ToString();
}

struct Ordered {
  std::variant<std::int64_t, double> value;
  RowRef row;
};

// The rows of one part in the wanted order, up to `limit`; values of equal rows stay together.
void CollectOrdered(const Column& column, const PartRef& part, const Bitmap& rows,
                    const OrderBy& order, std::size_t limit, std::vector<Ordered>* out) {
  const bool numbers = !column.numbers.empty();
  const std::size_t n = column.values();
  const auto value = [&](std::size_t i) -> std::variant<std::int64_t, double> {
    if (numbers) return column.numbers[i];
    return column.integers[i];
  };
  const auto before_start = [&](std::size_t i) {
    if (!order.start_from) return false;
    const auto as_double = [](const auto& v) {
      return std::visit([](auto x) { return static_cast<double>(x); }, v);
    };
    const auto* start = std::get_if<std::int64_t>(&*order.start_from);
    if (start != nullptr && !numbers) {
      return order.descending ? column.integers[i] > *start : column.integers[i] < *start;
    }
    const double a = as_double(value(i));
    const double b = as_double(*order.start_from);
    return order.descending ? a > b : a < b;
  };
  std::size_t taken = 0;
  for (std::size_t k = 0; k < n && taken < limit; ++k) {
    const std::size_t i = order.descending ? n - 1 - k : k;
    if (before_start(i)) continue;
    for (std::uint32_t at = column.offsets[i]; at < column.offsets[i + 1]; ++at) {
      if (!rows.Has(column.rows[at])) continue;
      out->push_back({value(i), {part.part, column.rows[at]}});
      ++taken;
    }
  }
}

}  // namespace

// Of a part that still grows a column is built for this call alone: it has 256 rows at most.
std::shared_ptr<const Column> SnapshotReader::ColumnOf(const PartRef& part,
                                                       const ColumnSpec& spec) const {
  if (auto column = part.part->columns().Get(*part.part, part.rows, spec)) return column;
  return std::make_shared<const Column>(BuildColumn(*part.part, part.rows, spec));
}

Result<std::vector<OrderedPoint>> SnapshotReader::ScrollBy(const OrderBy& order, std::size_t limit,
                                                           const Filter* filter,
                                                           const Selection& selection) const {
  MALMOI_TRY(CheckLimit(limit));
  const auto index = snapshot_->indexes->find(order.key);
  const bool usable =
      index != snapshot_->indexes->end() &&
      (index->second.kind == IndexKind::kInteger || index->second.kind == IndexKind::kFloat ||
       index->second.kind == IndexKind::kDatetime);
  if (!usable) {
    return Error(Code::kInvalidArgument,
                 "order by '" + order.key + "' needs an integer, float or datetime index on it");
  }
  MALMOI_TRY(const Picker picker, Picker::Create(*snapshot_->schema, selection));
  MALMOI_TRY(const ColumnSpec spec, SpecOf(order.key, index->second));
  const Searcher searcher = MakeSearcher();
  MALMOI_TRY(const auto matcher, searcher.Match(filter));
  std::vector<Ordered> found;
  for (const PartRef& part : searcher.parts()) {
    const auto column = ColumnOf(part, spec);
    CollectOrdered(*column, part, searcher.Rows(part, matcher ? &*matcher : nullptr), order, limit,
                   &found);
  }
  std::sort(found.begin(), found.end(), [&](const Ordered& a, const Ordered& b) {
    if (a.value != b.value) return order.descending ? a.value > b.value : a.value < b.value;
    return a.row.part->Id(a.row.row) < b.row.part->Id(b.row.row);
  });
  if (found.size() > limit) found.resize(limit);
  std::vector<OrderedPoint> out;
  for (const Ordered& o : found) out.push_back({picker.Read(o.row), o.value});
  MALMOI_TRY(snapshot_->Health());
  return out;
}

Result<std::vector<FacetCount>> SnapshotReader::Facet(const std::string& key, std::size_t limit,
                                                      const Filter* filter) const {
  const auto index = snapshot_->indexes->find(key);
  const bool usable =
      index != snapshot_->indexes->end() &&
      (index->second.kind == IndexKind::kKeyword || index->second.kind == IndexKind::kInteger ||
       index->second.kind == IndexKind::kUuid || index->second.kind == IndexKind::kBool);
  if (!usable) {
    return Error(Code::kInvalidArgument,
                 "facet on '" + key + "' needs a keyword, integer, uuid or bool index on it");
  }
  MALMOI_TRY(const ColumnSpec spec, SpecOf(key, index->second));
  const Searcher searcher = MakeSearcher();
  MALMOI_TRY(const auto matcher, searcher.Match(filter));
  std::map<FacetValue, std::uint64_t> counts;
  for (const PartRef& part : searcher.parts()) {
    const auto column = ColumnOf(part, spec);
    const bool all = !matcher && part.part->deleted() == 0;
    const Bitmap rows = all ? Bitmap() : searcher.Rows(part, matcher ? &*matcher : nullptr);
    for (std::size_t i = 0; i < column->values(); ++i) {
      std::uint64_t n = column->offsets[i + 1] - column->offsets[i];
      if (!all) {
        const auto* begin = column->rows.data() + column->offsets[i];
        n = static_cast<std::uint64_t>(
            std::count_if(begin, begin + n, [&](std::uint32_t row) { return rows.Has(row); }));
      }
      if (n > 0) counts[ValueOf(*column, spec, i)] += n;
    }
  }
  MALMOI_TRY(snapshot_->Health());
  std::vector<FacetCount> out;
  for (const auto& [value, count] : counts) out.push_back({value, count});
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

std::map<std::string, PayloadIndexInfo> SnapshotReader::PayloadIndexes() const {
  std::map<std::string, PayloadIndexInfo> out;
  const Searcher searcher = MakeSearcher();
  for (const auto& [key, params] : *snapshot_->indexes) {
    PayloadIndexInfo& info = out[key];
    info.params = params;
    const auto spec = SpecOf(key, params);
    for (const PartRef& part : searcher.parts()) {
      if (!spec.ok()) break;
      Bitmap rows = searcher.Rows(part, nullptr);
      rows.And(ColumnOf(part, spec.value())->any);
      info.points += rows.Count();
    }
  }
  return out;
}

}  // namespace malmoi::vec
