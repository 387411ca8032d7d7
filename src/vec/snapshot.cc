#include <algorithm>

#include "vec/payload_edit_internal.h"
#include "vec/snapshot_internal.h"

namespace malmoi::vec {

std::vector<PartRef> Snapshot::Parts() const {
  std::vector<PartRef> out;
  for (const auto& s : segments) out.push_back({s.get(), s->rows()});
  for (const MemView& mem : mems) {
    for (std::uint32_t row = 0; row < mem.rows; row += kBlockRows) {
      out.push_back({&mem.table->block(row / kBlockRows), std::min(kBlockRows, mem.rows - row)});
    }
  }
  return out;
}

std::optional<RowRef> Snapshot::Find(const PointId& id) const {
  for (auto mem = mems.rbegin(); mem != mems.rend(); ++mem) {
    if (auto row = mem->Find(id, seq)) return row;
  }
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

namespace {

Result<std::vector<std::vector<PathStep>>> ParsePaths(const std::vector<std::string>& paths) {
  std::vector<std::vector<PathStep>> out;
  for (const auto& path : paths) {
    MALMOI_TRY(auto steps, ParsePath(path));
    out.push_back(std::move(steps));
  }
  return out;
}

}  // namespace

Result<Picker> Picker::Create(const Schema& schema, const Selection& selection) {
  Picker out;
  out.schema_ = &schema;
  out.payload_ = selection.payload.enabled;
  MALMOI_TRY(out.include_, ParsePaths(selection.payload.include));
  MALMOI_TRY(out.exclude_, ParsePaths(selection.payload.exclude));
  if (!selection.vectors.enabled) return out;
  if (!selection.vectors.names) {
    for (std::uint32_t f = 0; f < schema.fields.size(); ++f) {
      if (!schema.fields[f].dropped) out.fields_.push_back(f);
    }
    return out;
  }
  for (const auto& name : *selection.vectors.names) {
    const auto field = schema.Find(name);
    if (!field) {
      return Error(Code::kInvalidArgument, "the collection has no vector '" + name + "'");
    }
    out.fields_.push_back(*field);
  }
  return out;
}

std::string Picker::Payload(const Packed& payload) const {
  if (include_.empty() && exclude_.empty()) return DumpPacked(payload);
  json::Value value = Unpack(payload);
  if (!include_.empty()) value = KeepPaths(value, include_);
  if (!exclude_.empty()) value = DropPaths(value, exclude_);
  return value.Dump();
}

void Picker::Vector(std::uint32_t f, const RowRef& row, NamedVectors* out) const {
  const auto& field = schema_->fields[f];
  if (!row.part->Has(f, row.row)) return;
  if (field.sparse()) {
    const SparseRef s = row.part->Sparse(f, row.row);
    out->sparse[field.name] = {{s.indices, s.indices + s.size}, {s.values, s.values + s.size}};
  } else if (field.kind == FieldKind::kMulti) {
    const MultiRef m = row.part->Multi(f, row.row);
    out->multi[field.name] = {field.dim, LoadDense(field, m.data, m.rows)};
  } else if (const char* d = row.part->Dense(f, row.row, row.row + 1)) {
    out->dense[field.name] = LoadDense(field, d, 1);
  }
}

Point Picker::Read(const RowRef& row) const {
  Point p;
  p.id = row.part->Id(row.row);
  p.version = row.part->Version(row.row);
  std::string scratch;
  if (payload_) p.payload = Payload(Packed(row.part->Payload(row.row, &scratch)));
  for (const std::uint32_t f : fields_) Vector(f, row, &p.vectors);
  return p;
}

}  // namespace malmoi::vec
