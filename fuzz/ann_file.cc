// A saved graph, damaged so that all checksums still hold (docs/formats/ann.md). The input is
// patches of 4 bytes: u16 offset, u8 value, u8 flags. Flags: 1 (of the first patch) a graph with
// cells, 2 the offset counts from the end, where the parts of cells are.
#include <string>
#include <string_view>
#include <vector>

#include "ann/index.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "fuzz/input.h"
#include "os/fault_vfs.h"

namespace {

namespace ann = malmoi::ann;
using malmoi::Load;

constexpr std::uint32_t kDim = 5, kRows = 12, kRowsWithCells = 4200;

std::vector<float> Numbers(std::uint32_t rows) {
  std::vector<float> out;
  for (std::uint32_t i = 0; i < rows * kDim; ++i) {
    out.push_back(static_cast<float>((i * 37) % 1009 % 11) - 5.0f);
  }
  return out;
}

std::string Saved(std::uint32_t rows) {
  malmoi::os::FaultVfs vfs(1);
  Expect(vfs.MakeDirs("/d").ok());
  auto index = ann::Index::Create({.codes = rows == kRows ? ann::Codes::kEight : ann::Codes::kFour,
                                   .dim = kDim,
                                   .capacity = rows,
                                   .degree = 4,
                                   .build_window = 8});
  Expect(index.ok());
  std::vector<std::uint32_t> ids(rows);
  for (std::uint32_t i = 0; i < rows; ++i) ids[i] = i;
  const auto numbers = Numbers(rows);
  Expect(index.value()->Insert(ids, ann::DenseRows(numbers.data(), kDim)).ok());
  Expect(index.value()->Partition().ok());
  Expect(index.value()->Save(vfs, "/d/a").ok());
  return malmoi::os::ReadFile(vfs, "/d/a").value();
}

void PutCrc(std::string* bytes, std::size_t at, std::string_view of) {
  const std::uint32_t crc = malmoi::Crc32c(of);
  bytes->replace(at, 4, reinterpret_cast<const char*>(&crc), 4);
}

constexpr std::size_t kTableAt = 76, kEntry = 24;

// Writes the checksums of the parts, wherever the table now says they are, and of the header.
void Seal(std::string* bytes, std::size_t parts) {
  for (std::size_t i = 0; i < parts; ++i) {
    const std::size_t entry = kTableAt + i * kEntry;
    const auto offset = Load<std::uint64_t>(bytes->data() + entry + 8);
    const auto size = Load<std::uint64_t>(bytes->data() + entry + 16);
    if (offset > bytes->size() || size > bytes->size() - offset) continue;
    PutCrc(bytes, entry + 4, std::string_view(*bytes).substr(offset, size));
  }
  const std::size_t end = kTableAt + parts * kEntry;
  PutCrc(bytes, end, std::string_view(*bytes).substr(0, end));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string kSmall = Saved(kRows), kWithCells = Saved(kRowsWithCells);
  std::string_view patches = FuzzInput(data, size);
  const bool damaged = patches.size() >= 4;
  const std::string& clean = damaged && (patches[3] & 1) != 0 ? kWithCells : kSmall;
  const std::size_t parts = Load<std::uint32_t>(clean.data() + kTableAt - 4);
  std::string bytes = clean;
  for (; patches.size() >= 4; patches.remove_prefix(4)) {
    std::size_t at = Load<std::uint16_t>(patches.data());
    if ((patches[3] & 2) != 0) at = bytes.size() - 1 - at;
    if (at < bytes.size()) bytes[at] = patches[2];
  }
  Seal(&bytes, parts);
  malmoi::os::FaultVfs vfs(1);
  Expect(vfs.MakeDirs("/d").ok());
  {
    auto file = vfs.Open("/d/a", malmoi::os::OpenMode::kTruncate);
    Expect(file.ok() && file.value()->Write(0, bytes).ok());
  }
  const auto index = ann::Index::Open(vfs, "/d/a");
  Expect(index.ok() || damaged);  // The checksums written here are those of the format.
  if (!index.ok()) return 0;
  const std::uint32_t dim = index.value()->options().dim;
  const auto found = index.value()->Search(std::vector<float>(dim, 1.0f), {.limit = 5});
  Expect(found.ok());
  for (const auto& f : found.value()) Expect(f.id < index.value()->options().capacity);
  const std::vector<std::uint64_t> bits(kRowsWithCells / 64 + 1, 0x9249249249249249u);
  const ann::IdFilter filter{bits, kRowsWithCells / 3};
  const auto some = index.value()->Search(std::vector<float>(dim, 1.0f),
                                          {.limit = 5, .window = 16, .filter = &filter});
  Expect(some.ok());
  for (const auto& f : some.value()) Expect((bits[f.id / 64] >> (f.id % 64) & 1) != 0);
  const std::vector<std::uint32_t> first{0};
  Expect(index.value()->Delete(first).ok());
  return 0;
}
