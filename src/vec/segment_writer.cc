#include <algorithm>

#include "base/bytes.h"
#include "vec/ops_internal.h"
#include "vec/postings_internal.h"
#include "vec/segment_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kBuffered = 1 << 20;

// Appends sections to a file, each aligned to 64 bytes, and sums blocks as they pass.
class SectionWriter {
 public:
  SectionWriter(os::File& file, const std::atomic<bool>* stop) : file_(file), stop_(stop) {}

  void Begin(SectionKind kind, std::uint32_t field) {
    Pad();
    sections_.push_back({kind, field, at_, 0});
  }
  void End() { sections_.back().size = at_ - sections_.back().offset; }
  Status Append(const void* data, std::size_t n) {
    const char* p = static_cast<const char*>(data);
    at_ += n;
    while (n > 0) {
      const std::size_t take = std::min(n, kBuffered - buffer_.size());
      buffer_.append(p, take);
      p += take;
      n -= take;
      if (buffer_.size() == kBuffered) MALMOI_TRY(Flush());
    }
    return Ok();
  }
  template <class T>
  Status AppendAll(const std::vector<T>& items) {
    return Append(items.data(), items.size() * sizeof(T));
  }

  // Block checksums, section table and trailer; see docs/formats/segment.md.
  Result<SegmentInfo> Finish(const Uuid& collection, std::uint32_t rows) {
    Pad();
    const std::uint64_t sections_end = at_;
    MALMOI_TRY(Flush());
    std::string footer;
    for (const std::uint32_t crc : crcs_) Put(&footer, crc);
    for (const Section& s : sections_) {
      Put(&footer, static_cast<std::uint32_t>(s.kind));
      Put(&footer, s.field);
      Put(&footer, s.offset);
      Put(&footer, s.size);
    }
    Put(&footer, collection);
    Put(&footer, sections_end);
    Put(&footer, rows);
    Put(&footer, static_cast<std::uint32_t>(sections_.size()));
    const std::uint32_t crc = Crc32c(footer);
    Put(&footer, crc);
    footer += "MALMSEG1";
    MALMOI_TRY(file_.Write(sections_end, footer));
    MALMOI_TRY(file_.Sync());
    return SegmentInfo{.size = sections_end + footer.size(), .rows = rows, .footer_crc = crc};
  }

 private:
  void Pad() {
    const std::size_t n = (64 - at_ % 64) % 64;
    buffer_.append(n, '\0');
    at_ += n;
  }
  Status Flush() {
    if (stop_ != nullptr && stop_->load()) return Error(Code::kCancelled, "stopped");
    for (std::size_t i = 0; i < buffer_.size(); i += kCheckedBlock) {
      crcs_.push_back(Crc32c(std::string_view(buffer_).substr(i, kCheckedBlock)));
    }
    MALMOI_TRY(file_.Write(written_, buffer_));
    written_ += buffer_.size();
    buffer_.clear();
    return Ok();
  }

  os::File& file_;
  const std::atomic<bool>* stop_;
  std::string buffer_;
  std::uint64_t at_ = 0;
  std::uint64_t written_ = 0;
  std::vector<Section> sections_;
  std::vector<std::uint32_t> crcs_;
};

Status WriteIdsAndPayload(SectionWriter& out, std::span<const RowRef> rows) {
  out.Begin(SectionKind::kIds, 0);
  for (const RowRef& r : rows) {
    std::string entry;
    PutId(&entry, r.part->Id(r.row));
    entry.resize(17);
    MALMOI_TRY(out.Append(entry.data(), entry.size()));
  }
  out.End();
  std::vector<std::uint64_t> offsets = {0};
  out.Begin(SectionKind::kPackedPayload, 0);
  std::string scratch;
  for (const RowRef& r : rows) {
    const std::string_view payload = r.part->Payload(r.row, &scratch);
    MALMOI_TRY(out.Append(payload.data(), payload.size()));
    offsets.push_back(offsets.back() + payload.size());
  }
  out.End();
  out.Begin(SectionKind::kPayloadOffsets, 0);
  MALMOI_TRY(out.AppendAll(offsets));
  out.End();
  out.Begin(SectionKind::kVersions, 0);
  for (const RowRef& r : rows) {
    const std::uint64_t version = r.part->Version(r.row);
    MALMOI_TRY(out.Append(&version, sizeof version));
  }
  out.End();
  return Ok();
}

Status WriteHas(SectionWriter& out, std::uint32_t field, std::span<const RowRef> rows) {
  std::string bits((rows.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].part->Has(field, rows[i].row)) bits[i / 8] |= static_cast<char>(1 << (i % 8));
  }
  out.Begin(SectionKind::kHas, field);
  MALMOI_TRY(out.Append(bits.data(), bits.size()));
  out.End();
  return Ok();
}

Status WriteDense(SectionWriter& out, std::uint32_t field, std::size_t row_bytes,
                  std::span<const RowRef> rows) {
  bool any = false;
  for (const RowRef& r : rows) any = any || r.part->Has(field, r.row);
  if (!any) return Ok();
  const std::string zeros(row_bytes, '\0');
  out.Begin(SectionKind::kDense, field);
  for (const RowRef& r : rows) {
    const char* row = r.part->Dense(field, r.row, r.row + 1);
    MALMOI_TRY(out.Append(row == nullptr ? zeros.data() : row, row_bytes));
  }
  out.End();
  return Ok();
}

Status WriteMulti(SectionWriter& out, std::uint32_t field, std::size_t row_bytes,
                  std::span<const RowRef> rows) {
  std::vector<std::uint64_t> offsets = {0};
  out.Begin(SectionKind::kDense, field);
  for (const RowRef& r : rows) {
    const MultiRef m = r.part->Multi(field, r.row);
    MALMOI_TRY(out.Append(m.data, m.rows * row_bytes));
    offsets.push_back(offsets.back() + m.rows);
  }
  out.End();
  out.Begin(SectionKind::kMultiOffsets, field);
  MALMOI_TRY(out.AppendAll(offsets));
  out.End();
  return Ok();
}

Status WriteSparse(SectionWriter& out, std::uint32_t field, std::span<const RowRef> rows) {
  std::vector<SparseRef> refs;
  std::vector<std::uint64_t> offsets = {0};
  refs.reserve(rows.size());
  for (const RowRef& r : rows) {
    refs.push_back(r.part->Sparse(field, r.row));
    offsets.push_back(offsets.back() + refs.back().size);
  }
  out.Begin(SectionKind::kSparseOffsets, field);
  MALMOI_TRY(out.AppendAll(offsets));
  out.End();
  out.Begin(SectionKind::kSparseIndices, field);
  for (const auto& r : refs) MALMOI_TRY(out.Append(r.indices, r.size * 4));
  out.End();
  out.Begin(SectionKind::kSparseValues, field);
  for (const auto& r : refs) MALMOI_TRY(out.Append(r.values, r.size * 4));
  out.End();
  const PostingLists lists = PostingLists::Build(refs);
  out.Begin(SectionKind::kTerms, field);
  MALMOI_TRY(out.AppendAll(lists.terms));
  out.End();
  out.Begin(SectionKind::kTermOffsets, field);
  MALMOI_TRY(out.AppendAll(lists.offsets));
  out.End();
  out.Begin(SectionKind::kPostingRows, field);
  MALMOI_TRY(out.AppendAll(lists.rows));
  out.End();
  out.Begin(SectionKind::kPostingValues, field);
  MALMOI_TRY(out.AppendAll(lists.values));
  out.End();
  return Ok();
}

}  // namespace

Result<SegmentInfo> WriteSegment(os::Vfs& vfs, const std::string& path, const Schema& schema,
                                 const Uuid& collection, std::span<const RowRef> rows,
                                 const std::atomic<bool>* stop) {
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kTruncate));
  SectionWriter out(*file, stop);
  MALMOI_TRY(WriteIdsAndPayload(out, rows));
  for (std::uint32_t f = 0; f < schema.fields.size(); ++f) {
    const auto& field = schema.fields[f];
    if (field.dropped) continue;
    MALMOI_TRY(WriteHas(out, f, rows));
    if (field.sparse()) {
      MALMOI_TRY(WriteSparse(out, f, rows));
    } else if (field.kind == FieldKind::kMulti) {
      MALMOI_TRY(WriteMulti(out, f, field.row_bytes(), rows));
    } else {
      MALMOI_TRY(WriteDense(out, f, field.row_bytes(), rows));
    }
  }
  return out.Finish(collection, static_cast<std::uint32_t>(rows.size()));
}

}  // namespace malmoi::vec
