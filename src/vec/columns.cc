#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "base/hash.h"
#include "vec/columns_internal.h"
#include "vec/geo_internal.h"
#include "vec/walk_internal.h"

namespace malmoi::vec {
namespace {

// An unindexed field gets a column when it is asked for the third time: building costs about as
// much as two evaluations without it.
constexpr std::uint32_t kAskedBeforeBuilding = 3;
constexpr std::uint64_t kRowBytes = 32;  // About what a row costs while a column is built.
constexpr std::size_t kColumnsMax = 64;  // A part; bounds memory under ever new keys.

// (value, row) pairs to distinct values and their rows.
template <class T>
void Group(std::vector<std::pair<T, std::uint32_t>> pairs, std::vector<T>* values, Column* out) {
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  out->rows.reserve(pairs.size());
  for (const auto& [value, row] : pairs) {
    if (values->empty() || values->back() != value) {
      values->push_back(value);
      out->offsets.push_back(static_cast<std::uint32_t>(out->rows.size()));
    }
    out->rows.push_back(row);
  }
  out->offsets.push_back(static_cast<std::uint32_t>(out->rows.size()));
}

// Strings by number while they are met, so that each is kept once.
class WordPairs {
 public:
  void Add(std::string_view word, std::uint32_t row) {
    const auto [it, fresh] = numbers_.try_emplace(std::string(word), numbers_.size());
    (void)fresh;
    pairs_.emplace_back(it->second, row);
  }
  void Finish(Column* out) && {
    std::vector<const std::pair<const std::string, std::uint32_t>*> order;
    order.reserve(numbers_.size());
    for (const auto& entry : numbers_) order.push_back(&entry);
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    std::vector<std::uint32_t> rank(order.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      rank[order[i]->second] = i;
      out->words.push_back(order[i]->first);
    }
    for (auto& [number, row] : pairs_) number = rank[number];
    std::vector<std::uint32_t> ranks;
    Group(std::move(pairs_), &ranks, out);
  }

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
};

class Builder {
 public:
  Builder(const ColumnSpec& spec, std::uint32_t rows) : spec_(spec) {
    out_.any = Bitmap(rows);
    out_.other = Bitmap(rows);
    if (spec.kind == ColumnKind::kPresence) {
      out_.counts.resize(rows);
      out_.nulls = Bitmap(rows);
    }
  }

  void Row(std::uint32_t row, const Packed& payload) {
    if (spec_.kind == ColumnKind::kPresence) {
      Walk(payload, spec_.path, [&](const Packed& v) {
        Presence(row, v);
        return false;
      });
      return;
    }
    WalkValues(payload, spec_.path, [&](const Packed& v) {
      if (Value(row, v)) {
        out_.any.Set(row);
      } else if (!v.is_null()) {
        out_.other.Set(row);
      }
      return false;
    });
  }

  Column Finish() && {
    switch (spec_.kind) {
      case ColumnKind::kKeyword:
      case ColumnKind::kUuid:
      case ColumnKind::kText:
        std::move(words_).Finish(&out_);
        break;
      case ColumnKind::kNumber:
        Group(std::move(numbers_), &out_.numbers, &out_);
        break;
      case ColumnKind::kGeo:
        std::sort(places_.begin(), places_.end(),
                  [](const auto& a, const auto& b) { return a.first.lat < b.first.lat; });
        for (const auto& [place, row] : places_) {
          out_.places.push_back(place);
          out_.rows.push_back(row);
        }
        break;
      case ColumnKind::kPresence:
        break;
      default:
        Group(std::move(integers_), &out_.integers, &out_);
    }
    if (spec_.kind != ColumnKind::kGeo) out_.SumRows();
    return std::move(out_);
  }

 private:
  void Presence(std::uint32_t row, const Packed& v) {
    std::uint32_t count = v.is_null() ? 0 : 1;
    bool null = v.is_null();
    if (v.is_array()) {
      count = 0;
      v.AnyItem([&](const Packed& item) {
        ++count;
        null = null || item.is_null();
        return false;
      });
    }
    out_.counts[row] = count;
    if (null) out_.nulls.Set(row);
  }

  bool Text(std::uint32_t row, const Packed& v) {
    const auto s = v.AsString();
    if (!s) return false;
    Uuid uuid;
    if (spec_.kind == ColumnKind::kKeyword) {
      words_.Add(*s, row);
    } else if (spec_.kind == ColumnKind::kText) {
      for (const auto& token : spec_.rules->Document(*s)) words_.Add(token, row);
    } else if (ParseUuid(*s, &uuid)) {
      words_.Add({reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()}, row);
    } else {
      return false;
    }
    return true;
  }

  // Whether `v` is of the column's kind.
  bool Value(std::uint32_t row, const Packed& v) {
    if (spec_.kind == ColumnKind::kNumber) {
      const auto x = v.AsDouble();
      if (x) numbers_.emplace_back(*x, row);
      return x.has_value();
    }
    if (spec_.kind == ColumnKind::kGeo) {
      const auto p = AsGeoPoint(v);
      if (p) places_.emplace_back(*p, row);
      return p.has_value();
    }
    std::optional<std::int64_t> i;
    if (spec_.kind == ColumnKind::kInteger) {
      i = v.AsInt();
    } else if (spec_.kind == ColumnKind::kBool) {
      if (const auto b = v.AsBool()) i = *b ? 1 : 0;
    } else if (spec_.kind == ColumnKind::kDatetime) {
      if (const auto s = v.AsString()) i = ParseDatetime(*s);
    } else {
      return Text(row, v);
    }
    if (i) integers_.emplace_back(*i, row);
    return i.has_value();
  }

  const ColumnSpec& spec_;
  Column out_;
  WordPairs words_;
  std::vector<std::pair<std::int64_t, std::uint32_t>> integers_;
  std::vector<std::pair<double, std::uint32_t>> numbers_;
  std::vector<std::pair<GeoPoint, std::uint32_t>> places_;
};

}  // namespace

void Column::SumRows() {
  constexpr std::uint32_t kSums = 32;       // With rows / 8 bytes each: what `rows` takes.
  constexpr std::uint32_t kStepMin = 1024;  // Rows that cost as much as a sum of a small column.
  if (offsets.empty() || rows.size() != any.Count()) return;
  step = std::max(static_cast<std::uint32_t>(rows.size()) / kSums, kStepMin);
  Bitmap sum(any.rows());
  for (std::size_t at = 0; at + step <= rows.size(); at += step) {
    for (std::size_t i = at; i < at + step; ++i) sum.Set(rows[i]);
    before.push_back(sum);
  }
}

void Column::AddRange(std::size_t first, std::size_t last, Bitmap* out) const {
  if (first >= last) return;
  const std::uint32_t begin = offsets[first], end = offsets[last];
  std::uint32_t from = end, to = end;  // Positions that sums stand for.
  if (!before.empty()) {
    const std::uint32_t low = (begin + step - 1) / step;
    const std::uint32_t high = std::min<std::uint32_t>(end / step, before.size());
    if (low < high) {
      from = low * step;
      to = high * step;
      out->Or(before[high - 1], low == 0 ? nullptr : &before[low - 1]);
    }
  }
  for (std::uint32_t i = begin; i < from; ++i) out->Set(rows[i]);
  for (std::uint32_t i = to; i < end; ++i) out->Set(rows[i]);
}

std::size_t Column::memory_bytes() const {
  std::size_t words_bytes = words.size() * sizeof(std::string);
  for (const auto& w : words) words_bytes += w.size() > 15 ? w.size() : 0;
  return words_bytes + integers.size() * 8 + numbers.size() * 8 + places.size() * 16 +
         (offsets.size() + rows.size() + counts.size()) * 4 + any.rows() / 8 * (2 + before.size());
}

Column BuildColumn(const Part& part, std::uint32_t rows, const ColumnSpec& spec) {
  Builder builder(spec, rows);
  std::string scratch;
  for (std::uint32_t row = 0; row < rows; ++row) {
    builder.Row(row, Packed(part.Payload(row, &scratch)));
  }
  return std::move(builder).Finish();
}

std::shared_ptr<const Column> ColumnSet::Get(const Part& part, std::uint32_t rows,
                                             const ColumnSpec& spec) {
  // An older reader may see fewer rows than there are by now.
  if (!part.finished() || rows != part.capacity()) return nullptr;
  const std::lock_guard lock(mutex_);
  const std::pair<std::string, ColumnKind> name{spec.key, spec.kind};
  auto it = entries_.find(name);
  if (it == entries_.end()) {
    if (entries_.size() >= kColumnsMax && !spec.declared) return nullptr;
    it = entries_.try_emplace(name).first;
  }
  Entry& entry = it->second;
  if (entry.column != nullptr && entry.rules == spec.rules) return entry.column;
  if (!spec.declared && ++entry.asked < kAskedBeforeBuilding) return nullptr;
  if (budget_ != nullptr && !budget_->Take(std::uint64_t{rows} * kRowBytes)) return nullptr;
  entry.column = std::make_shared<const Column>(BuildColumn(part, rows, spec));
  entry.rules = spec.rules;
  // Damaged bytes read as empty: such a column must not outlive the report of it.
  return part.Health().ok() ? entry.column : nullptr;
}

void ColumnSet::Clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::size_t ColumnSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t n = 0;
  for (const auto& [name, entry] : entries_) {
    if (entry.column != nullptr) n += entry.column->memory_bytes();
  }
  return n;
}

}  // namespace malmoi::vec
