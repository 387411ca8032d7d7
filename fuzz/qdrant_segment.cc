// Any bytes as a file of Qdrant's, as an archive of such files, or as what the child that reads them
// answers: the first byte chooses. What is tested: nothing reads past its bytes, and what is read is
// not larger than they can say.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/input.h"
#include "os/fault_vfs.h"
#include "qdrant/archive_files_internal.h"
#include "qdrant/foreign_wire_internal.h"
#include "qdrant/shard_files_internal.h"
#include "qdrant/shard_log_internal.h"

namespace {

namespace qdrant = malmoi::qdrant;

void Write(malmoi::os::Vfs& vfs, const std::string& path, std::string_view bytes) {
  Expect(vfs.MakeDirs("/x").ok());
  auto file = vfs.Open(path, malmoi::os::OpenMode::kTruncate);
  Expect(file.ok() && file.value()->Write(0, bytes).ok());
}

// Files of one folder: a byte of length in units of 8, then the bytes, for each but the last.
void Folder(malmoi::os::Vfs& vfs, const std::vector<std::string>& names, std::string_view bytes) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::size_t size = bytes.size();
    if (i + 1 < names.size() && !bytes.empty()) {
      size = static_cast<unsigned char>(bytes[0]) * std::size_t{8};
      bytes.remove_prefix(1);
      size = size < bytes.size() ? size : bytes.size();
    }
    Write(vfs, "/x/" + names[i], bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
}

// The archive's headers get their sums, without which none would be looked at.
void ReadArchive(std::string_view bytes) {
  std::string archive(bytes);
  for (std::size_t at = 0; at + qdrant::kTarBlock <= archive.size(); at += qdrant::kTarBlock) {
    char sum[9];
    const auto block = std::string_view(archive).substr(at, qdrant::kTarBlock);
    std::snprintf(sum, sizeof sum, "%06o", static_cast<unsigned>(qdrant::TarHeaderSum(block)));
    archive.replace(at + 148, 6, sum, 6);
  }
  auto files = qdrant::ArchiveFiles::Open(archive);
  if (!files.ok()) return;
  const auto names = files.value()->List("/");
  for (std::size_t i = 0; names.ok() && i < names.value().size(); ++i) {
    const std::string path = "/" + names.value()[i];
    const auto info = files.value()->Stat(path);
    Expect(info.ok());
    const auto contents = files.value()->Map(path);
    Expect(!contents.ok() || contents.value().bytes.size() == info.value().size);
  }
}

void DecodeAnswers(std::string_view bytes) {
  (void)qdrant::DecodeHead(bytes).ok();
  (void)qdrant::DecodeOperations(bytes).ok();
  const auto points = qdrant::DecodePoints(bytes);
  if (!points.ok()) return;
  const auto again = qdrant::DecodePoints(qdrant::EncodePoints(points.value()));
  Expect(again.ok() && again.value().size() == points.value().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes = FuzzInput(data + 1, size - 1);
  const std::string_view half = bytes.substr(0, bytes.size() / 2);
  malmoi::os::FaultVfs vfs(1);
  switch (data[0] % 11) {
    case 0:
      if (auto text = qdrant::DecodeLz4(bytes); text.ok()) {
        Expect(text.value().size() <= bytes.size() * 255);
      }
      break;
    case 1:
      if (auto vector = qdrant::DecodeSparse(bytes); vector.ok()) {
        Expect(vector.value().indices.size() == vector.value().values.size());
      }
      break;
    case 2:
      (void)qdrant::DecodeIdLog(half, bytes.substr(half.size())).ok();
      break;
    case 3:
      (void)qdrant::DecodeIdList(half, bytes.substr(half.size()), half).ok();
      break;
    case 4:
      if (auto operation = qdrant::DecodeCbor(bytes); operation.ok()) {
        (void)qdrant::OperationOfLog(operation.value()).ok();
      }
      break;
    case 5: {
      Folder(vfs, {"config.json", "tracker_journal.dat", "tracker.dat", "page_0.dat", "page_1.dat"},
             bytes);
      if (data[0] & 0x80) {
        Write(vfs, "/x/config.json",
              R"({"page_size_bytes":64,"block_size_bytes":8,"compression":"None"})");
      }
      auto grid = qdrant::Grid::Open(vfs, "/x");
      for (std::uint32_t i = 0; i < 8 && grid.ok(); ++i) (void)grid.value().Get(i).ok();
      break;
    }
    case 6: {
      Folder(vfs, {"config.json", "status.dat", "chunk_0.mmap", "chunk_1.mmap"}, bytes);
      if (data[0] & 0x80) Write(vfs, "/x/config.json", R"({"chunk_size_vectors":3})");
      auto rows = qdrant::Rows::OpenChunks(vfs, "/x", 1 + data[0] / 16);
      for (std::uint64_t i = 0; i < 8 && rows.ok(); ++i) {
        (void)rows.value().Get(i, 1 + i % 3).ok();
        (void)rows.value().Get(~i, ~i).ok();
      }
      break;
    }
    case 7: {
      Folder(vfs, {"status.dat", "flags_a.dat", "deleted.dat"}, bytes);
      auto flags = qdrant::Flags::Open(vfs, "/x");
      auto dropped = qdrant::Flags::OpenDropped(vfs, "/x/deleted.dat");
      for (std::uint32_t i = 0; i < 100; i += 7) {
        if (flags.ok()) (void)flags.value().IsSet(i);
        if (dropped.ok()) (void)dropped.value().IsSet(~i);
      }
      break;
    }
    case 8:
      ReadArchive(bytes);
      break;
    case 9:
      DecodeAnswers(bytes);
      break;
    default:
      Write(vfs, "/x/open-1", bytes);
      (void)qdrant::ReadShardLog(vfs, "/x", 0, [](std::uint64_t, const malmoi::json::Value&) {
        return malmoi::Ok();
      }).ok();
  }
  return 0;
}
