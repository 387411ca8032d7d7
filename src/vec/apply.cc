#include <algorithm>

#include "base/bytes.h"
#include "vec/store_internal.h"

namespace malmoi::vec {

Status Store::Apply(std::uint64_t seq, std::string_view bytes) {
  MALMOI_TRY(const auto ops, DecodeOps(bytes));
  for (const Op& op : ops) {
    MALMOI_TRY(ApplyOne(op, seq));
    next_.seq = seq++;
  }
  return Ok();
}

Status Store::ApplyOne(const Op& op, std::uint64_t seq) {
  if (op.kind == OpKind::kPoints || op.kind == OpKind::kJsonPoints) {
    std::vector<std::string> owned;
    MALMOI_TRY(const auto points, DecodePoints(*next_.schema, op, &owned));
    for (const auto& point : points) AddPoint(point, seq);
    return Ok();
  }
  if (op.kind == OpKind::kPatch) {
    MALMOI_TRY(const auto patches, DecodePatch(*next_.schema, op.body));
    for (const auto& patch : patches) ApplyPatch(patch, seq);
    return Ok();
  }
  if (op.kind == OpKind::kDelete) {
    MALMOI_TRY(const auto ids, DecodeDelete(op.body));
    for (const auto& id : ids) Erase(id, seq);
    return Ok();
  }
  return ApplyChange(op);
}

// Changes of the collection itself.
Status Store::ApplyChange(const Op& op) {
  Schema schema = *next_.schema;
  IndexMap indexes = *next_.indexes;
  if (op.kind == OpKind::kMetadata) {
    next_.metadata = std::make_shared<const std::string>(op.body);
  } else if (op.kind == OpKind::kSettings) {
    next_.settings = std::make_shared<const std::string>(op.body);
  } else if (op.kind == OpKind::kCreateIndex) {
    MALMOI_TRY(auto index, DecodeIndex(op.body));
    indexes.insert_or_assign(std::move(index.first), std::move(index.second));
  } else if (op.kind == OpKind::kDropIndex) {
    indexes.erase(std::string(op.body));
  } else if (op.kind == OpKind::kCreateVector) {
    MALMOI_TRY(auto field, DecodeField(op.body));
    schema.fields.push_back(std::move(field));
    next_.live_with.push_back(0);
  } else {
    std::string name(op.body);
    std::string settings;
    if (op.kind == OpKind::kVectorSettings) {
      MALMOI_TRY(std::tie(name, settings), DecodePair(op.body));
    }
    const auto field = schema.Find(name);
    if (!field) return Error(Code::kCorruption, "the log names a vector that is not there");
    if (op.kind == OpKind::kDropVector) {
      schema.fields[*field].dropped = true;
    } else {
      schema.fields[*field].settings = settings;
    }
  }
  next_.schema = std::make_shared<const Schema>(std::move(schema));
  next_.indexes = std::make_shared<const IndexMap>(std::move(indexes));
  return Ok();
}

// The row that a write now would replace. Rows of this very operation count too: kNever - 1 sees
// all that is not deleted.
std::optional<RowRef> Store::FindNewest(const PointId& id) {
  if (auto row = mem_->Find(*mem_->table(), mem_->rows(), id, kNever - 1)) return row;
  if (frozen_) {
    if (auto row = next_.mems.front().Find(id, kNever - 1)) return row;
  }
  for (const auto& segment : next_.segments) {
    const auto found = segment->Find(id);
    if (found && segment->VisibleAt(*found, kNever - 1)) return RowRef{segment.get(), *found};
  }
  return std::nullopt;
}

void Store::Erase(const PointId& id, std::uint64_t seq) {
  const auto row = FindNewest(id);
  if (!row) return;
  for (std::uint32_t f = 0; f < next_.live_with.size(); ++f) {
    next_.live_with[f] -= row->part->Has(f, row->row) ? 1 : 0;
  }
  --next_.live;
  row->part->MarkDeleted(row->row, seq);
  for (SealJob* job : jobs_) job->Erased(id, seq);
}

void Store::AddPoint(const PointView& point, std::uint64_t seq) {
  Erase(point.id, seq);
  mem_->Add(next_.schema, point, seq);
  ++next_.live;
  std::vector<bool> has(next_.live_with.size());
  for (const auto& v : point.vectors) {
    if (!next_.schema->fields[v.field].dropped) has[v.field] = true;
  }
  for (std::size_t f = 0; f < has.size(); ++f) next_.live_with[f] += has[f] ? 1 : 0;
}

// The newest row of the id with what the patch changes.
void Store::ApplyPatch(const PointView& patch, std::uint64_t seq) {
  const auto base = FindNewest(patch.id);
  if (!base) return;
  const Part& part = *base->part;
  const std::uint32_t row = base->row;
  PointView merged = patch;
  std::string scratch;
  if (merged.payload.empty()) merged.payload = part.Payload(row, &scratch);
  std::vector<std::string> copies(next_.schema->fields.size());
  for (std::uint32_t f = 0; f < next_.schema->fields.size(); ++f) {
    const auto& field = next_.schema->fields[f];
    const bool replaced =
        std::any_of(patch.vectors.begin(), patch.vectors.end(),
                    [&](const auto& v) { return v.field == f; }) ||
        std::find(patch.removed.begin(), patch.removed.end(), f) != patch.removed.end();
    if (replaced || field.dropped || !part.Has(f, row)) continue;
    PointView::Vector v{.field = f, .size = field.dim, .data = nullptr, .bytes = 0};
    if (field.sparse()) {
      const SparseRef s = part.Sparse(f, row);
      copies[f].append(reinterpret_cast<const char*>(s.indices), s.size * 4);
      copies[f].append(reinterpret_cast<const char*>(s.values), s.size * 4);
      v.size = static_cast<std::uint32_t>(s.size);
      v.data = copies[f].data();
      v.bytes = copies[f].size();
    } else if (field.kind == FieldKind::kMulti) {
      const MultiRef m = part.Multi(f, row);
      v.size = static_cast<std::uint32_t>(m.rows);
      v.data = m.data;
      v.bytes = m.rows * field.row_bytes();
    } else {
      v.data = part.Dense(f, row, row + 1);
      v.bytes = field.row_bytes();
    }
    // A damaged row is found again by whoever asks for the part's health.
    if (v.data != nullptr || v.bytes == 0) merged.vectors.push_back(v);
  }
  AddPoint(merged, seq);
}

}  // namespace malmoi::vec
