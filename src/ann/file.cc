// docs/formats/ann.md has the layout.
#include <algorithm>
#include <bit>
#include <cstring>

#include "ann/graph_index_internal.h"
#include "base/bytes.h"
#include "base/hash.h"

namespace malmoi::ann {
namespace {

constexpr std::string_view kMagic = "MALMOIAN";
constexpr std::uint32_t kVersion = 4;
constexpr std::size_t kAlign = 64;
constexpr std::size_t kWriteBytes = std::size_t{4} << 20;

enum Kind : std::uint32_t {
  kMean = 1,
  kFirst,
  kSecond,
  kFactors,
  kFineScale,
  kLinks,
  kPresent,
  kDeleted,
  kLandmarks,
  kSigns,
  kCellCodes,
  kCellFactors,
  kCellStarts,
  kCellRows,
};

std::uint64_t Aligned(std::uint64_t n) {
  return (n + kAlign - 1) / kAlign * kAlign;
}

std::string_view Bytes(const void* data, std::uint64_t size) {
  return {static_cast<const char*>(data), size};
}

Error Damaged(const std::string& what) {
  return Error(Code::kCorruption, what + "; delete the file and build the index again");
}

Status WriteAll(os::File& file, std::uint64_t offset, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += kWriteBytes) {
    MALMOI_TRY(file.Write(offset + at, bytes.substr(at, kWriteBytes)));
  }
  return Ok();
}

}  // namespace

std::vector<GraphIndex::Part> GraphIndex::Parts(const Landmarks& landmarks, const Cells& cells,
                                                const Counts& counts) const {
  const std::uint64_t n = counts.rows;
  const std::uint64_t words = (n + 63) / 64 * 8;
  std::vector<Part> parts = {
      {kMean, frame_.mean.data(), frame_.mean.size() * sizeof(float)},
      {kFirst, arrays_.first, n * arrays_.code_bytes},
      {kSigns, arrays_.signs, n * arrays_.sign_bytes},
      {kFactors, arrays_.factors, n * sizeof(Factors)},
      {kLinks, arrays_.links, n * arrays_.degree * sizeof(std::uint32_t)},
      {kPresent, arrays_.present, words},
      {kDeleted, arrays_.deleted, words},
      {kLandmarks, landmarks.ids.data(), counts.landmarks * sizeof(std::uint32_t)},
  };
  if (counts.cells > 0) {
    parts.push_back({kCellCodes, cells.codes, counts.cells * arrays_.code_bytes});
    parts.push_back({kCellFactors, cells.factors, counts.cells * sizeof(Factors)});
    parts.push_back({kCellStarts, cells.starts, (counts.cells + 1) * sizeof(std::uint32_t)});
    parts.push_back({kCellRows, cells.rows, counts.cell_rows * sizeof(std::uint32_t)});
  }
  if (options_.codes == Codes::kEight) {
    parts.push_back({kSecond, arrays_.second, n * arrays_.code_bytes});
    parts.push_back({kFineScale, arrays_.fine_scale, n * sizeof(float)});
  }
  return parts;
}

Status GraphIndex::Save(os::Vfs& vfs, const std::string& path) const {
  if (options_.degree == 0) {
    return Error(Code::kUnsupported, "save index " + path + ": it has codes alone");
  }
  const std::lock_guard lock(write_mutex_);
  if (unlinked() != 0) {
    return Error(Code::kUnsupported, "save index " + path + ": rows await links");
  }
  std::shared_ptr<const Landmarks> landmarks;
  std::shared_ptr<const Cells> cells;
  {
    const std::lock_guard shared(shared_mutex_);
    landmarks = landmarks_;
    cells = cells_;
  }
  if (cells == nullptr) cells = std::make_shared<Cells>();
  const Counts counts{bound_.load(std::memory_order_acquire),
                      static_cast<std::uint32_t>(landmarks->ids.size()), cells->count,
                      cells->count == 0 ? 0 : cells->starts[cells->count]};
  const std::vector<Part> parts = Parts(*landmarks, *cells, counts);
  std::string head(kMagic);
  Put<std::uint32_t>(&head, kVersion);
  Put<std::uint8_t>(&head, static_cast<std::uint8_t>(options_.metric));
  Put<std::uint8_t>(&head, static_cast<std::uint8_t>(options_.codes));
  Put<std::uint16_t>(&head, 0);
  for (const std::uint32_t v :
       {options_.dim, options_.capacity, options_.degree, options_.build_window, counts.rows,
        counts.landmarks, counts.cells, counts.cell_rows}) {
    Put<std::uint32_t>(&head, v);
  }
  Put<float>(&head, options_.alpha);
  Put<float>(&head, frame_.max_norm2);
  Put<std::uint64_t>(&head, options_.seed);
  Put<std::uint64_t>(&head, options_.tag);
  Put<std::uint32_t>(&head, static_cast<std::uint32_t>(parts.size()));
  std::uint64_t offset = Aligned(head.size() + parts.size() * 24 + 4);
  std::vector<std::uint64_t> offsets;
  for (const Part& part : parts) {
    Put<std::uint32_t>(&head, part.kind);
    Put<std::uint32_t>(&head, Crc32c(Bytes(part.data, part.size)));
    Put<std::uint64_t>(&head, offset);
    Put<std::uint64_t>(&head, part.size);
    offsets.push_back(offset);
    offset = Aligned(offset + part.size);
  }
  Put<std::uint32_t>(&head, Crc32c(head));

  const std::string temporary = path + ".tmp";
  MALMOI_TRY(auto file, vfs.Open(temporary, os::OpenMode::kTruncate));
  MALMOI_TRY(file->Truncate(offset));
  MALMOI_TRY(WriteAll(*file, 0, head));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    MALMOI_TRY(WriteAll(*file, offsets[i], Bytes(parts[i].data, parts[i].size)));
  }
  MALMOI_TRY(file->Sync());
  file.reset();
  MALMOI_TRY(vfs.Rename(temporary, path));
  return vfs.SyncDir(std::string(os::DirName(path)));
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::FromFile(os::Vfs& vfs, const std::string& path,
                                                         Placement placement) {
  MALMOI_TRY(auto mapping, vfs.Map(path));
  ByteReader reader(mapping.bytes);
  if (reader.Take(kMagic.size()) != kMagic) return Damaged("it does not begin as an index does");
  const auto version = reader.Get<std::uint32_t>();
  if (reader.ok() && version != kVersion) {
    return Error(Code::kUnsupported, "format version " + std::to_string(version) +
                                         "; this program reads " + std::to_string(kVersion));
  }
  IndexOptions options;
  const auto metric = reader.Get<std::uint8_t>();
  const auto codes = reader.Get<std::uint8_t>();
  options.metric = static_cast<Metric>(metric);
  options.codes = static_cast<Codes>(codes);
  reader.Get<std::uint16_t>();
  options.dim = reader.Get<std::uint32_t>();
  options.capacity = reader.Get<std::uint32_t>();
  options.degree = reader.Get<std::uint32_t>();
  options.build_window = reader.Get<std::uint32_t>();
  const std::size_t after_options = mapping.bytes.size() - reader.left();
  reader.Take(16);
  options.alpha = reader.Get<float>();
  reader.Get<float>();
  options.seed = reader.Get<std::uint64_t>();
  options.tag = reader.Get<std::uint64_t>();
  const auto parts = reader.Get<std::uint32_t>();
  const std::string_view table = parts <= 16 ? reader.Take(std::size_t{parts} * 24) : "";
  const std::size_t head = mapping.bytes.size() - reader.left();
  const auto crc = reader.Get<std::uint32_t>();
  if (!reader.ok() || parts > 16 || crc != Crc32c(mapping.bytes.substr(0, head))) {
    return Damaged("its header's checksum is wrong");
  }
  if (metric > 2 || codes > 1) return Damaged("its metric or kind of codes is unknown");
  MALMOI_TRY(CheckIndexOptions(options));
  if (options.degree == 0) return Damaged("it has no links");
  std::unique_ptr<GraphIndex> index(new GraphIndex(options));
  index->writable_ = false;
  index->trained_ = true;
  index->frame_.max_norm2 = Load<float>(mapping.bytes.data() + after_options + 20);
  const std::string_view bytes = mapping.bytes;
  MALMOI_TRY(const std::size_t in_memory, index->Copy(mapping, table, placement));
  const auto count = [&](std::size_t i) {
    return Load<std::uint32_t>(bytes.data() + after_options + 4 * i);
  };
  const std::string_view copied(reinterpret_cast<const char*>(index->copy_.data()), in_memory);
  MALMOI_TRY(index->Place(bytes, copied, table.size() / 24, head - table.size(),
                          {count(0), count(1), count(2), count(3)}));
  if (placement == Placement::kCoarse) mapping.Drop(0);  // The checks read all of it.
  if (in_memory < bytes.size()) index->mapping_ = std::move(mapping);
  return index;
}

// Copies what the placement asks for, the parts from the file's first byte on; their end.
Result<std::size_t> GraphIndex::Copy(const os::Mapping& mapping, std::string_view table,
                                     Placement placement) {
  placement_ = placement;
  if (placement == Placement::kFile) return std::size_t{0};
  std::uint64_t end = mapping.bytes.size();
  for (; placement == Placement::kCoarse && !table.empty(); table.remove_prefix(24)) {
    const auto offset = Load<std::uint64_t>(table.data() + 8);
    if (Load<std::uint32_t>(table.data()) == kSecond) end = std::min(end, offset);
  }
  MALMOI_TRY(copy_, Region::Reserve(std::max<std::uint64_t>(end, 1)));
  std::memcpy(copy_.data(), mapping.bytes.data(), end);
  return static_cast<std::size_t>(end);
}

Status GraphIndex::Place(std::string_view bytes, std::string_view copied, std::size_t parts,
                         std::size_t table, const Counts& counts) {
  if (counts.rows > options_.capacity || counts.landmarks > counts.rows ||
      counts.cells > Cells::kMost || counts.cell_rows > counts.rows) {
    return Damaged("it counts more than it holds");
  }
  arrays_.capacity = options_.capacity;
  arrays_.degree = options_.degree;
  arrays_.code_bytes = frame_.blocks * 64;
  arrays_.sign_bytes = SignBytes(frame_.blocks);
  // The sizes that the header's numbers imply, in the order of Parts().
  std::vector<Part> expected = Parts({}, {}, counts);
  if (parts != expected.size()) return Damaged("it has " + std::to_string(parts) + " parts");
  std::uint64_t end = table + parts * 24 + 4;
  const auto gap = [&](std::uint64_t to) {  // Zeros, so that damage shows there too.
    return to == Aligned(end) && to <= bytes.size() &&
           bytes.substr(end, to - end).find_first_not_of('\0') == std::string_view::npos;
  };
  for (std::size_t i = 0; i < parts; ++i) {
    ByteReader entry(bytes.substr(table + i * 24, 24));
    const auto kind = entry.Get<std::uint32_t>();
    const auto crc = entry.Get<std::uint32_t>();
    const auto offset = entry.Get<std::uint64_t>();
    const auto size = entry.Get<std::uint64_t>();
    const std::string name = "part " + std::to_string(kind);
    if (kind != expected[i].kind || size != expected[i].size || !gap(offset) ||
        size > bytes.size() - offset) {
      return Damaged(name + " is not where or as long as it must be");
    }
    // What is used is what is checked.
    const bool here = offset <= copied.size() && size <= copied.size() - offset;
    const std::string_view part = (here ? copied : bytes).substr(offset, size);
    if (Crc32c(part) != crc) return Damaged("checksum of " + name + " is wrong");
    expected[i].data = part.data();
    end = offset + size;
  }
  if (!gap(bytes.size())) return Damaged("bytes behind the last part");
  MALMOI_TRY(AdoptCells(expected, counts));
  return Adopt(expected, counts);
}

const void* GraphIndex::DataOf(const std::vector<Part>& parts, std::uint32_t kind) {
  for (const Part& part : parts) {
    if (part.kind == kind) return part.data;
  }
  return nullptr;
}

Status GraphIndex::AdoptCells(const std::vector<Part>& parts, const Counts& counts) {
  if (counts.cells == 0) return counts.cell_rows == 0 ? Ok() : Damaged("it has rows in no cell");
  auto cells = std::make_shared<Cells>();
  cells->count = counts.cells;
  cells->codes = static_cast<const std::uint8_t*>(DataOf(parts, kCellCodes));
  cells->factors = static_cast<const Factors*>(DataOf(parts, kCellFactors));
  cells->starts = static_cast<const std::uint32_t*>(DataOf(parts, kCellStarts));
  cells->rows = static_cast<const std::uint32_t*>(DataOf(parts, kCellRows));
  for (std::uint32_t c = 0; c < counts.cells; ++c) {
    cells->order.push_back(c);
    if (cells->starts[c] > cells->starts[c + 1]) return Damaged("a cell ends before it begins");
  }
  if (cells->starts[0] != 0 || cells->starts[counts.cells] != counts.cell_rows) {
    return Damaged("its cells have other rows than it says");
  }
  for (std::uint32_t i = 0; i < counts.cell_rows; ++i) {
    if (cells->rows[i] >= counts.rows) return Damaged("a cell has a row that it does not hold");
  }
  cells_ = std::move(cells);
  return Ok();
}

Status GraphIndex::Adopt(const std::vector<Part>& parts, const Counts& counts) {
  // A mapped file is never written to: writable_ is false, and the bits are copied.
  const auto plain = [&](std::uint32_t kind) { return const_cast<void*>(DataOf(parts, kind)); };
  const std::uint32_t rows = counts.rows;
  Landmarks landmarks;
  landmarks.ids.resize(counts.landmarks);
  const std::size_t words = (std::size_t{rows} + 63) / 64;
  std::memcpy(frame_.mean.data(), plain(kMean), frame_.mean.size() * sizeof(float));
  std::memcpy(landmarks.ids.data(), plain(kLandmarks), landmarks.ids.size() * 4);
  present_bits_.resize(words + 1);
  deleted_bits_.resize(words + 1);
  std::memcpy(present_bits_.data(), plain(kPresent), words * 8);
  std::memcpy(deleted_bits_.data(), plain(kDeleted), words * 8);
  arrays_.present = present_bits_.data();
  arrays_.deleted = deleted_bits_.data();
  arrays_.first = static_cast<std::uint8_t*>(plain(kFirst));
  arrays_.second = static_cast<std::uint8_t*>(plain(kSecond));
  arrays_.signs = static_cast<std::uint8_t*>(plain(kSigns));
  arrays_.factors = static_cast<Factors*>(plain(kFactors));
  arrays_.fine_scale = static_cast<float*>(plain(kFineScale));
  arrays_.links = static_cast<std::uint32_t*>(plain(kLinks));
  if (rows % 64 != 0 && present_bits_[words - 1] >> (rows % 64) != 0) {
    return Damaged("a row is present that it does not hold");
  }
  std::uint32_t deleted = 0;
  for (std::size_t w = 0; w < words; ++w) {
    linked_ += static_cast<std::uint32_t>(std::popcount(present_bits_[w]));
    deleted += static_cast<std::uint32_t>(std::popcount(present_bits_[w] & deleted_bits_[w]));
  }
  for (std::size_t i = 0; i < std::size_t{rows} * arrays_.degree; ++i) {
    if (arrays_.links[i] > rows) return Damaged("a link leads to a row that it does not hold");
    if (i % arrays_.degree != 0 && arrays_.links[i] != 0 && arrays_.links[i - 1] == 0) {
      return Damaged("a list of links goes on behind its end");
    }
  }
  landmarks.codes = Buffer<std::uint8_t>(landmarks.ids.size() * arrays_.code_bytes);
  for (std::size_t i = 0; i < landmarks.ids.size(); ++i) {
    if (landmarks.ids[i] >= rows) return Damaged("an entry point is a row that it does not hold");
    std::memcpy(landmarks.codes.data() + i * arrays_.code_bytes,
                arrays_.first + std::size_t{landmarks.ids[i]} * arrays_.code_bytes,
                arrays_.code_bytes);
    landmarks.order.push_back(static_cast<std::uint32_t>(i));
    landmarks.factors.push_back(arrays_.factors[landmarks.ids[i]]);
  }
  landmarks_ = std::make_shared<const Landmarks>(std::move(landmarks));
  bound_ = rows;
  linked_bound_ = rows;
  size_ = linked_ - deleted;
  deleted_ = deleted;
  return Ok();
}

}  // namespace malmoi::ann
