#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "vec/ops_internal.h"
#include "vec/packed_internal.h"
#include "vec/segment_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kIdBytes = 17;
constexpr std::size_t kSectionBytes = 24;
constexpr std::size_t kTrailerBytes = 16 + 8 + 4 + 4 + 4 + 8;  // See docs/formats/segment.md.

std::uint64_t U64(std::string_view bytes, std::size_t i) {
  return Load<std::uint64_t>(bytes.data() + i * 8);
}

// n + 1 rising offsets from 0 to `end`.
bool AreOffsets(std::string_view bytes, std::uint64_t n, std::uint64_t end) {
  if (bytes.size() / 8 != n + 1 || bytes.size() % 8 != 0) return false;
  for (std::uint64_t i = 0; i < n; ++i) {
    if (U64(bytes, i) > U64(bytes, i + 1)) return false;
  }
  return U64(bytes, 0) == 0 && U64(bytes, n) == end;
}

}  // namespace

Error Segment::Damaged(const std::string& what) const {
  return Error(Code::kCorruption,
               "'" + path_ + "': " + what + "; restore the folder from a copy, or index again");
}

Result<std::shared_ptr<Segment>> Segment::Open(os::Vfs& vfs, const std::string& path,
                                               std::shared_ptr<const Schema> schema,
                                               const Uuid& collection, const SegmentInfo& info) {
  auto map = vfs.Map(path);
  if (!map.ok() && map.error().code() == Code::kNotFound) {
    return Error(Code::kCorruption, "segment '" + path + "' is missing");
  }
  MALMOI_TRY(os::Mapping mapping, std::move(map));
  // Before memory is taken for as many rows as are promised.
  if (mapping.bytes.size() != info.size || info.rows > info.size / kIdBytes) {
    return Error(Code::kCorruption, "'" + path + "' has " + std::to_string(mapping.bytes.size()) +
                                        " bytes, expected " + std::to_string(info.size));
  }
  std::shared_ptr<Segment> s(new Segment(std::move(schema), info, path));
  s->map_ = std::move(mapping);
  MALMOI_TRY(s->ReadFooter(collection));
  MALMOI_TRY(s->CheckSections());
  MALMOI_TRY(s->IndexIds());
  for (Field& f : s->fields_) {
    for (const char c : f.has) {
      f.count += static_cast<std::uint64_t>(std::popcount(static_cast<unsigned char>(c)));
    }
  }
  return s;
}

Status Segment::ReadFooter(const Uuid& collection) {
  const std::string_view all = map_.bytes;
  if (all.size() < kTrailerBytes || !all.ends_with("MALMSEG1")) {
    return Damaged("the file is cut or not a segment");
  }
  ByteReader trailer(all.substr(all.size() - kTrailerBytes));
  const auto owner = trailer.Get<Uuid>();
  sections_end_ = trailer.Get<std::uint64_t>();
  const auto rows = trailer.Get<std::uint32_t>();
  const auto count = trailer.Get<std::uint32_t>();
  const auto crc = trailer.Get<std::uint32_t>();
  if (sections_end_ > all.size() - kTrailerBytes) return Damaged("the footer is damaged");
  const std::string_view footer = all.substr(sections_end_, all.size() - 12 - sections_end_);
  if (crc != info_.footer_crc || Crc32c(footer) != crc || rows != info_.rows) {
    return Damaged("checksum of the footer differs");
  }
  if (owner != collection) return Damaged("the segment belongs to another collection");
  const std::uint64_t blocks = (sections_end_ + kCheckedBlock - 1) / kCheckedBlock;
  const std::uint64_t tables = all.size() - kTrailerBytes - sections_end_;
  if (tables != blocks * 4 + static_cast<std::uint64_t>(count) * kSectionBytes) {
    return Damaged("the footer's tables are ill-formed");
  }
  block_crcs_ = footer.substr(0, blocks * 4);
  verified_.reset(new std::atomic<std::uint8_t>[blocks]());
  fields_.resize(schema_->fields.size());
  ByteReader in(footer.substr(blocks * 4, count * kSectionBytes));
  for (std::uint32_t i = 0; i < count; ++i) {
    Section section;
    section.kind = static_cast<SectionKind>(in.Get<std::uint32_t>());
    section.field = in.Get<std::uint32_t>();
    section.offset = in.Get<std::uint64_t>();
    section.size = in.Get<std::uint64_t>();
    MALMOI_TRY(Place(section));
  }
  return Ok();
}

Status Segment::Place(const Section& section) {
  if (section.field >= std::max<std::size_t>(fields_.size(), 1) || section.offset > sections_end_ ||
      section.size > sections_end_ - section.offset || section.offset % 64 != 0) {
    return Damaged("a section lies outside of the file");
  }
  const std::string_view bytes = map_.bytes.substr(section.offset, section.size);
  if (section.kind == SectionKind::kIds) {
    ids_ = bytes;
  } else if (section.kind == SectionKind::kPayloadOffsets) {
    payload_offsets_ = bytes;
  } else if (section.kind == SectionKind::kPayload || section.kind == SectionKind::kPackedPayload) {
    payload_ = bytes;
    json_payload_ = section.kind == SectionKind::kPayload;
  } else if (section.kind == SectionKind::kVersions) {
    versions_ = bytes;
  } else if (fields_.empty()) {
    return Damaged("a section of a vector that does not exist");
  } else {
    Field& f = fields_[section.field];
    std::string_view* const places[] = {
        &f.has,   &f.dense,        &f.sparse_offsets, &f.sparse_indices, &f.sparse_values,
        &f.terms, &f.term_offsets, &f.posting_rows,   &f.posting_values, &f.multi_offsets};
    const auto i =
        static_cast<std::uint32_t>(section.kind) - static_cast<std::uint32_t>(SectionKind::kHas);
    if (i >= std::size(places)) return Damaged("a section of unknown kind");
    *places[i] = bytes;
  }
  return Ok();
}

bool Segment::CheckVectors(std::size_t field) const {
  const std::uint64_t rows = info_.rows;
  const Field& f = fields_[field];
  const auto& described = schema_->fields[field];
  // No row has what came, or went, before the file was written.
  if (f.has.empty()) return f.dense.empty() && f.sparse_offsets.empty() && f.multi_offsets.empty();
  if (f.has.size() != (rows + 7) / 8 || !Verify(f.has.data(), f.has.size())) return false;
  if (described.kind == FieldKind::kDense) {
    return f.dense.empty() || f.dense.size() == rows * described.row_bytes();
  }
  if (described.kind == FieldKind::kMulti) {
    return Verify(f.multi_offsets.data(), f.multi_offsets.size()) &&
           f.dense.size() % described.row_bytes() == 0 &&
           AreOffsets(f.multi_offsets, rows, f.dense.size() / described.row_bytes());
  }
  return Verify(f.sparse_offsets.data(), f.sparse_offsets.size()) &&
         Verify(f.terms.data(), f.terms.size()) &&
         Verify(f.term_offsets.data(), f.term_offsets.size()) &&
         AreOffsets(f.sparse_offsets, rows, f.sparse_indices.size() / 4) &&
         f.sparse_values.size() == f.sparse_indices.size() &&
         AreOffsets(f.term_offsets, f.terms.size() / 4, f.posting_rows.size() / 4) &&
         f.posting_values.size() == f.posting_rows.size();
}

// After this, every offset that is read later is inside its section.
Status Segment::CheckSections() const {
  const std::uint64_t rows = info_.rows;
  bool ok = Verify(ids_.data(), ids_.size()) && ids_.size() == rows * kIdBytes &&
            Verify(payload_offsets_.data(), payload_offsets_.size()) &&
            AreOffsets(payload_offsets_, rows, payload_.size()) &&
            (versions_.empty() || versions_.size() == rows * 8);
  for (std::size_t i = 0; ok && i < fields_.size(); ++i) ok = CheckVectors(i);
  if (ok) return Ok();
  MALMOI_TRY(Health());
  return Damaged("sections do not fit together");
}

Status Segment::IndexIds() {
  table_.assign(std::bit_ceil(static_cast<std::size_t>(info_.rows) * 2 + 1), 0);
  for (std::uint32_t row = 0; row < info_.rows; ++row) {
    if (row > 0 && !(Id(row - 1) < Id(row))) return Damaged("its ids do not rise");
    std::size_t at = HashId(Id(row)) & (table_.size() - 1);
    while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
    table_[at] = row + 1;
  }
  return Ok();
}

bool Segment::Verify(const void* data, std::size_t n) const {
  if (n == 0) return true;
  const auto begin = static_cast<std::uint64_t>(static_cast<const char*>(data) - map_.bytes.data());
  for (std::uint64_t b = begin / kCheckedBlock; b <= (begin + n - 1) / kCheckedBlock; ++b) {
    if (verified_[b].load(std::memory_order_relaxed) != 0) continue;
    const std::uint64_t from = b * kCheckedBlock;
    const auto block = map_.bytes.substr(from, std::min(kCheckedBlock, sections_end_ - from));
    if (Crc32c(block) != Load<std::uint32_t>(block_crcs_.data() + b * 4)) {
      damaged_at_.store(from, std::memory_order_relaxed);
      return false;
    }
    verified_[b].store(1, std::memory_order_relaxed);
  }
  return true;
}

Status Segment::Health() const {
  const std::uint64_t at = damaged_at_.load(std::memory_order_relaxed);
  return at == kNever
             ? Ok()
             : Status(Damaged("checksum differs in the block at offset " + std::to_string(at)));
}

std::uint64_t Segment::memory_bytes() const {
  return table_.size() * 4 + info_.rows * 8ull + byte_rows_.memory_bytes() +
         impacts_.memory_bytes();
}

std::optional<std::uint32_t> Segment::Find(const PointId& id) const {
  // Ids are often given in rising order: new ones are then seen at once to be new.
  if (info_.rows == 0 || id < Id(0) || id > Id(info_.rows - 1)) return std::nullopt;
  for (std::size_t at = HashId(id);; ++at) {
    const std::uint32_t found = table_[at & (table_.size() - 1)];
    if (found == 0) return std::nullopt;
    if (Id(found - 1) == id) return found - 1;
  }
}

std::uint32_t Segment::LowerBound(const PointId& id) const {
  std::uint32_t low = 0;
  for (std::uint32_t high = info_.rows; low < high;) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (Id(middle) < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

PointId Segment::Id(std::uint32_t row) const {
  const char* p = ids_.data() + static_cast<std::size_t>(row) * kIdBytes;
  if (*p == 0) return Load<std::uint64_t>(p + 1);
  return Load<Uuid>(p + 1);
}

std::uint64_t Segment::Version(std::uint32_t row) const {
  if (versions_.empty()) return 0;
  const char* p = versions_.data() + static_cast<std::size_t>(row) * 8;
  return Verify(p, 8) ? Load<std::uint64_t>(p) : 0;
}

void Segment::Prefetch(std::uint32_t field, std::uint32_t row) const {
  __builtin_prefetch(ids_.data() + std::size_t{row} * kIdBytes);
  if (!versions_.empty()) __builtin_prefetch(versions_.data() + std::size_t{row} * 8);
  if (field >= fields_.size() || fields_[field].dense.empty()) return;
  const std::size_t bytes = schema_->fields[field].row_bytes();
  const char* vector = fields_[field].dense.data() + row * bytes;
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(vector + at);
}

bool Segment::Has(std::uint32_t field, std::uint32_t row) const {
  if (field >= fields_.size() || fields_[field].has.empty()) return false;
  return (fields_[field].has[row / 8] >> (row % 8) & 1) != 0;
}

std::uint64_t Segment::CountHas(std::uint32_t field) const {
  return field < fields_.size() ? fields_[field].count : 0;
}

std::uint64_t Segment::vector_bytes(std::uint32_t field) const {
  if (field >= fields_.size() || fields_[field].dense.empty()) return 0;
  return fields_[field].count * schema_->fields[field].row_bytes();
}

const char* Segment::Dense(std::uint32_t field, std::uint32_t begin, std::uint32_t end) const {
  if (field >= fields_.size() || fields_[field].dense.empty()) return nullptr;
  const std::size_t row = schema_->fields[field].row_bytes();
  const char* p = fields_[field].dense.data() + begin * row;
  return Verify(p, (end - begin) * row) ? p : nullptr;
}

MultiRef Segment::Multi(std::uint32_t field, std::uint32_t row) const {
  if (field >= fields_.size() || fields_[field].multi_offsets.empty()) return {};
  const std::size_t bytes = schema_->fields[field].row_bytes();
  const std::uint64_t begin = U64(fields_[field].multi_offsets, row);
  const std::size_t n = U64(fields_[field].multi_offsets, row + 1) - begin;
  const char* p = fields_[field].dense.data() + begin * bytes;
  return Verify(p, n * bytes) ? MultiRef{p, n} : MultiRef{};
}

SparseRef Segment::Sparse(std::uint32_t field, std::uint32_t row) const {
  if (field >= fields_.size() || fields_[field].sparse_offsets.empty()) return {};
  const Field& f = fields_[field];
  const std::uint64_t begin = U64(f.sparse_offsets, row);
  const std::size_t n = U64(f.sparse_offsets, row + 1) - begin;
  const char* indices = f.sparse_indices.data() + begin * 4;
  const char* values = f.sparse_values.data() + begin * 4;
  if (!Verify(indices, n * 4) || !Verify(values, n * 4)) return {};
  return {reinterpret_cast<const std::uint32_t*>(indices), reinterpret_cast<const float*>(values),
          n};
}

Postings Segment::Find(std::uint32_t field, std::uint32_t term) const {
  if (field >= fields_.size() || fields_[field].terms.empty()) return {};
  const Field& f = fields_[field];
  const auto* terms = reinterpret_cast<const std::uint32_t*>(f.terms.data());
  const auto* end = terms + f.terms.size() / 4;
  const auto* it = std::lower_bound(terms, end, term);
  if (it == end || *it != term) return {};
  const auto i = static_cast<std::size_t>(it - terms);
  const std::uint64_t begin = U64(f.term_offsets, i);
  const std::size_t n = U64(f.term_offsets, i + 1) - begin;
  const char* rows = f.posting_rows.data() + begin * 4;
  const char* values = f.posting_values.data() + begin * 4;
  if (!Verify(rows, n * 4) || !Verify(values, n * 4)) return {};
  return {reinterpret_cast<const std::uint32_t*>(rows), reinterpret_cast<const float*>(values), n};
}

std::string_view Segment::Payload(std::uint32_t row, std::string* scratch) const {
  const std::uint64_t begin = U64(payload_offsets_, row);
  const auto out = payload_.substr(begin, U64(payload_offsets_, row + 1) - begin);
  if (!Verify(out.data(), out.size())) return kEmptyObject;
  if (!json_payload_) return out;
  auto packed = PackPayload(out);
  *scratch = packed.ok() ? std::move(packed).value() : std::string(kEmptyObject);
  return *scratch;
}

}  // namespace malmoi::vec
