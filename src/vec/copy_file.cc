#include "vec/copy_file_internal.h"

namespace malmoi::vec {

Status CopyFile(os::Vfs& vfs, const std::string& from, const std::string& to) {
  constexpr std::size_t kPiece = 4 << 20;
  MALMOI_TRY(const auto source, vfs.Open(from, os::OpenMode::kRead));
  MALMOI_TRY(const auto target, vfs.Open(to, os::OpenMode::kTruncate));
  for (std::uint64_t at = 0;; at += kPiece) {
    std::string piece;
    MALMOI_TRY(source->Read(at, kPiece, &piece));
    if (!piece.empty()) MALMOI_TRY(target->Write(at, piece));
    if (piece.size() < kPiece) return target->Sync();
  }
}

}  // namespace malmoi::vec
