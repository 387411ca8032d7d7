#include <algorithm>

#include "vec/snapshot_internal.h"

namespace malmoi::vec {

std::vector<PartRef> Snapshot::Parts() const {
  std::vector<PartRef> out;
  for (const auto& s : segments) out.push_back({s.get(), s->rows()});
  for (std::uint32_t row = 0; row < mem_rows; row += kBlockRows) {
    out.push_back({&mem->block(row / kBlockRows), std::min(kBlockRows, mem_rows - row)});
  }
  return out;
}

std::optional<RowRef> Snapshot::Find(const PointId& id) const {
  if (auto row = mem->Find(*mem_ids, mem_rows, id, seq)) return row;
  for (const auto& s : segments) {
    const auto row = s->Find(id);
    if (row && s->VisibleAt(*row, seq)) return RowRef{s.get(), *row};
  }
  return std::nullopt;
}

Status Snapshot::Health() const {
  for (const auto& s : segments) MALMOI_TRY(s->Health());
  return Ok();
}

Point ReadPoint(const Schema& schema, const RowRef& row, bool with_vectors) {
  Point p;
  p.id = row.part->Id(row.row);
  p.payload = row.part->Payload(row.row);
  for (std::uint32_t f = 0; with_vectors && f < schema.fields.size(); ++f) {
    if (!row.part->Has(f, row.row)) continue;
    const auto& field = schema.fields[f];
    if (field.sparse) {
      const SparseRef s = row.part->Sparse(f, row.row);
      p.vectors.sparse[field.name] = {{s.indices, s.indices + s.size},
                                      {s.values, s.values + s.size}};
    } else if (const float* d = row.part->Dense(f, row.row, row.row + 1)) {
      p.vectors.dense[field.name].assign(d, d + field.dim);
    }
  }
  return p;
}

}  // namespace malmoi::vec
