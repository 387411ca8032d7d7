#include <cstring>

#include "base/check.h"
#include "vec/columns_internal.h"
#include "vec/memtable_internal.h"

namespace malmoi::vec {

Part::Part(std::uint32_t capacity)
    : capacity_(capacity),
      deleted_at_(new std::atomic<std::uint64_t>[capacity]),
      live_(new std::atomic<std::uint64_t>[capacity / 64 + 1]),
      columns_(std::make_unique<ColumnSet>()) {
  for (std::uint32_t i = 0; i < capacity; ++i) {
    deleted_at_[i].store(kNever, std::memory_order_relaxed);
  }
  for (std::uint32_t i = 0; i <= capacity / 64; ++i) {
    live_[i].store(~std::uint64_t{0}, std::memory_order_relaxed);
  }
}

Bitmap Part::Visible(std::uint32_t rows, std::uint64_t seq) const {
  Bitmap out(rows);
  for (std::uint32_t w = 0; w * 64 < rows; ++w) {
    out.SetWord(w, live_[w].load(std::memory_order_acquire));
  }
  // Read after the words: who sees a row gone sees when.
  const bool all = last_deleted_at_.load(std::memory_order_acquire) <= seq;
  for (std::uint32_t w = 0; w * 64 < rows; ++w) {
    std::uint64_t word = out.words()[w];
    for (std::uint64_t gone = all ? 0 : ~word; gone != 0; gone &= gone - 1) {
      const std::uint32_t row = w * 64 + static_cast<std::uint32_t>(std::countr_zero(gone));
      if (row < rows && VisibleAt(row, seq)) word |= gone & (0 - gone);
    }
    if (rows - w * 64 < 64) word &= (std::uint64_t{1} << (rows % 64)) - 1;
    out.SetWord(w, word);
  }
  return out;
}

Part::~Part() = default;

MemBlock::MemBlock(std::shared_ptr<const Schema> schema)
    : Part(kBlockRows), schema_(std::move(schema)), fields_(schema_->fields.size()) {
  for (std::size_t f = 0; f < fields_.size(); ++f) {
    if (schema_->fields[f].sparse()) {
      fields_[f].indices.resize(kBlockRows);
      fields_[f].values.resize(kBlockRows);
    } else if (schema_->fields[f].kind == FieldKind::kMulti) {
      fields_[f].multi.resize(kBlockRows);
    }
  }
}

void MemBlock::Set(std::uint32_t row, const PointView& point, std::uint64_t seq) {
  ids_[row] = point.id;
  versions_[row] = seq;
  payloads_[row] = point.payload;
  for (const auto& v : point.vectors) {
    Field& field = fields_[v.field];
    const auto& described = schema_->fields[v.field];
    if (described.dropped) continue;
    if (described.sparse()) {
      const std::size_t bytes = v.bytes / 2;
      field.indices[row].resize(v.size);
      field.values[row].resize(v.size);
      if (bytes > 0) {
        std::memcpy(field.indices[row].data(), v.data, bytes);
        std::memcpy(field.values[row].data(), v.data + bytes, bytes);
      }
    } else if (described.kind == FieldKind::kMulti) {
      field.multi[row].assign(v.data, v.bytes);
    } else {
      if (field.dense.empty()) {
        field.dense = Buffer<char>(kBlockRows * v.bytes);
        field.data.store(field.dense.data(), std::memory_order_release);
      }
      std::memcpy(field.dense.data() + row * v.bytes, v.data, v.bytes);
    }
    field.has[row] = 1;
  }
  rows_ = row + 1;
}

void MemBlock::Finish() {
  for (std::uint32_t f = 0; f < fields_.size(); ++f) {
    if (!schema_->fields[f].sparse()) continue;
    std::vector<SparseRef> rows(kBlockRows);
    for (std::uint32_t r = 0; r < kBlockRows; ++r) rows[r] = Sparse(f, r);
    fields_[f].postings = PostingLists::Build(rows);
  }
  finished_.store(true, std::memory_order_release);
}

bool MemBlock::Has(std::uint32_t field, std::uint32_t row) const {
  return field < fields_.size() && fields_[field].has[row] != 0;
}

const char* MemBlock::Dense(std::uint32_t field, std::uint32_t begin, std::uint32_t) const {
  if (field >= fields_.size()) return nullptr;
  const char* data = fields_[field].data.load(std::memory_order_acquire);
  return data == nullptr ? nullptr : data + begin * schema_->fields[field].row_bytes();
}

MultiRef MemBlock::Multi(std::uint32_t field, std::uint32_t row) const {
  if (field >= fields_.size() || fields_[field].multi.empty()) return {};
  const std::string& bytes = fields_[field].multi[row];
  return {bytes.data(), bytes.size() / schema_->fields[field].row_bytes()};
}

SparseRef MemBlock::Sparse(std::uint32_t field, std::uint32_t row) const {
  if (field >= fields_.size() || fields_[field].indices.empty()) return {};
  const Field& f = fields_[field];
  return {f.indices[row].data(), f.values[row].data(), f.indices[row].size()};
}

Postings MemBlock::Find(std::uint32_t field, std::uint32_t term) const {
  return field < fields_.size() ? fields_[field].postings.Find(term) : Postings{};
}

Memtable::Memtable() : table_(std::make_shared<IdTable>(std::size_t{64})) {}

// A block cannot take a field that came after it: what is left of it becomes holes.
void Memtable::CloseBlock() {
  const MemBlock& block = *blocks_[rows_ / kBlockRows];
  for (; rows_ % kBlockRows != 0; ++rows_) block.MarkDeleted(rows_ % kBlockRows, 0);
  blocks_[rows_ / kBlockRows - 1]->Finish();
}

void Memtable::Add(const std::shared_ptr<const Schema>& schema, const PointView& point,
                   std::uint64_t seq) {
  if (rows_ % kBlockRows != 0 &&
      blocks_[rows_ / kBlockRows]->schema().fields.size() < schema->fields.size()) {
    CloseBlock();
  }
  const std::uint32_t b = rows_ / kBlockRows;
  MALMOI_CHECK(b < kBlocks);
  if (blocks_.empty()) {  // Many collections are open and get no writes.
    blocks_.resize(kBlocks);
    previous_.resize(kBlocks);
  }
  if (blocks_[b] == nullptr) {
    blocks_[b] = std::make_unique<MemBlock>(schema);
    previous_[b] = std::make_unique<std::array<std::uint32_t, kBlockRows>>();
  }
  blocks_[b]->Set(rows_ % kBlockRows, point, seq);
  if (rows_ % kBlockRows == kBlockRows - 1) blocks_[b]->Finish();
  if ((ids_ + 1) * 2 > table_->capacity()) {
    const auto old = table_;
    table_ = std::make_shared<IdTable>(old->capacity() * 2);
    for (std::size_t i = 0; i < old->capacity(); ++i) {
      const std::uint32_t row = old->slot(i).load(std::memory_order_relaxed);
      if (row == 0) continue;
      const PointId& id = blocks_[(row - 1) / kBlockRows]->Id((row - 1) % kBlockRows);
      std::size_t at = HashId(id);
      while (table_->slot(at).load(std::memory_order_relaxed) != 0) ++at;
      table_->slot(at).store(row, std::memory_order_relaxed);
    }
  }
  Link(point.id, rows_);
  ++rows_;
  bytes_ += point.payload.size() + 128;
  for (const auto& v : point.vectors) bytes_ += v.bytes;
}

// Puts the row before older ones of the same id.
void Memtable::Link(const PointId& id, std::uint32_t row) {
  for (std::size_t at = HashId(id);; ++at) {
    auto& slot = table_->slot(at);
    const std::uint32_t found = slot.load(std::memory_order_relaxed);
    if (found != 0 && blocks_[(found - 1) / kBlockRows]->Id((found - 1) % kBlockRows) != id) {
      continue;
    }
    (*previous_[row / kBlockRows])[row % kBlockRows] = found;
    if (found == 0) ++ids_;
    slot.store(row + 1, std::memory_order_release);
    return;
  }
}

std::optional<RowRef> Memtable::Find(const IdTable& table, std::uint32_t rows, const PointId& id,
                                     std::uint64_t seq) const {
  for (std::size_t at = HashId(id);; ++at) {
    std::uint32_t found = table.slot(at).load(std::memory_order_acquire);
    if (found == 0) return std::nullopt;
    if (blocks_[(found - 1) / kBlockRows]->Id((found - 1) % kBlockRows) != id) continue;
    for (; found != 0; found = (*previous_[(found - 1) / kBlockRows])[(found - 1) % kBlockRows]) {
      const std::uint32_t row = found - 1;
      if (row >= rows) continue;
      const MemBlock& block = *blocks_[row / kBlockRows];
      if (block.VisibleAt(row % kBlockRows, seq)) return RowRef{&block, row % kBlockRows};
      // Older versions were deleted when this one came.
      return std::nullopt;
    }
    return std::nullopt;
  }
}

}  // namespace malmoi::vec
