#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "os/vfs.h"
#include "qdrant/snapshots.h"
#include "qdrant/tar_internal.h"

namespace malmoi::qdrant {
namespace {

constexpr std::size_t kBlock = kTarBlock;
constexpr std::size_t kChunk = 1 << 20;

void PutOctal(std::string* header, std::size_t at, std::size_t width, std::uint64_t value) {
  for (std::size_t i = width - 1; i-- > 0;) {
    (*header)[at + i] = static_cast<char>('0' + (value & 7));
    value >>= 3;
  }
}

// Sizes of 8 GiB and more in base 256, as GNU and BSD tar.
void PutSize(std::string* header, std::uint64_t size) {
  if (size < (1ull << 33)) {
    PutOctal(header, 124, 12, size);
    return;
  }
  (*header)[124] = static_cast<char>(0x80);
  for (std::size_t i = 0; i < 8; ++i) {
    (*header)[135 - i] = static_cast<char>(size & 0xff);
    size >>= 8;
  }
}

Result<std::string> HeaderOf(const std::string& name, std::uint64_t size) {
  std::string header(kBlock, '\0');
  std::string prefix, rest = name;
  if (name.size() > 100) {
    const std::size_t cut = name.find('/', name.size() > 101 ? name.size() - 101 : 0);
    if (cut == std::string::npos || cut > 155) {
      return Error(Code::kOutOfRange, "pack '" + name + "': the name is too long for a tar file");
    }
    prefix = name.substr(0, cut);
    rest = name.substr(cut + 1);
  }
  std::memcpy(header.data(), rest.data(), rest.size());
  PutOctal(&header, 100, 8, 0644);
  PutOctal(&header, 108, 8, 0);
  PutOctal(&header, 116, 8, 0);
  PutSize(&header, size);
  PutOctal(&header, 136, 12, 0);
  header[156] = '0';
  std::memcpy(header.data() + 257, "ustar\00000", 8);
  std::memcpy(header.data() + 345, prefix.data(), prefix.size());
  PutOctal(&header, 148, 7, TarHeaderSum(header));
  header[155] = ' ';
  return header;
}

class TarWriter {
 public:
  TarWriter(os::Vfs& vfs, os::File& file) : vfs_(vfs), file_(file) {}

  // Zeros are left out: they read as zeros, and files that are made at a size of their own have
  // many.
  Status Append(std::string_view bytes) {
    sha_.Update(bytes);
    if (bytes.find_first_not_of('\0') != std::string_view::npos) {
      MALMOI_TRY(file_.Write(at_, bytes));
    }
    at_ += bytes.size();
    return Ok();
  }
  // Two empty blocks, which make the file as long as it is.
  Status Finish() {
    const std::string end(2 * kBlock, '\0');
    sha_.Update(end);
    return file_.Write(at_, end);
  }
  Status AddFile(const std::string& path, const std::string& name) {
    MALMOI_TRY(const auto source, vfs_.Open(path, os::OpenMode::kRead));
    MALMOI_TRY(const std::uint64_t size, source->Size());
    MALMOI_TRY(const std::string header, HeaderOf(name, size));
    MALMOI_TRY(Append(header));
    for (std::uint64_t at = 0; at < size; at += kChunk) {
      std::string bytes;
      MALMOI_TRY(source->Read(at, std::min<std::uint64_t>(kChunk, size - at), &bytes));
      if (bytes.size() != std::min<std::uint64_t>(kChunk, size - at)) {
        return Error(Code::kIo, "pack '" + path + "': the file became shorter");
      }
      MALMOI_TRY(Append(bytes));
    }
    return Append(std::string((kBlock - size % kBlock) % kBlock, '\0'));
  }
  Status AddFolder(const std::string& path, const std::string& name) {
    MALMOI_TRY(const auto entries, vfs_.List(path));
    for (const std::string& entry : entries) {
      const std::string child = os::JoinPath(path, entry);
      const std::string child_name = name.empty() ? entry : name + "/" + entry;
      MALMOI_TRY(const auto info, vfs_.Stat(child));
      MALMOI_TRY(info.is_directory ? AddFolder(child, child_name) : AddFile(child, child_name));
    }
    return Ok();
  }
  std::string Digest() { return sha_.HexDigest(); }

 private:
  os::Vfs& vfs_;
  os::File& file_;
  Sha256 sha_;
  std::uint64_t at_ = 0;
};

Status CopyOut(const os::File& archive, const TarEntry& entry, os::File* target) {
  std::uint64_t from = entry.at;
  for (const TarEntry::Piece& piece : entry.pieces) {
    for (std::uint64_t done = 0; done < piece.bytes; done += kChunk) {
      std::string bytes;
      const std::uint64_t size = std::min<std::uint64_t>(kChunk, piece.bytes - done);
      MALMOI_TRY(archive.Read(from + done, size, &bytes));
      MALMOI_TRY(target->Write(piece.at + done, bytes));
    }
    from += piece.bytes;
  }
  const std::uint64_t end = entry.pieces.empty() ? 0 : entry.pieces.back().end();
  if (end < entry.size) MALMOI_TRY(target->Write(entry.size - 1, std::string(1, '\0')));
  return target->Sync();
}

}  // namespace

Result<std::string> WriteTar(os::Vfs& vfs, const std::string& directory, const std::string& path) {
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kTruncate));
  TarWriter writer(vfs, *file);
  MALMOI_TRY(writer.AddFolder(directory, ""));
  MALMOI_TRY(writer.Finish());
  MALMOI_TRY(file->Sync());
  return writer.Digest();
}

Status ReadTar(os::Vfs& vfs, const std::string& path, const std::string& directory,
               const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kRead));
  MALMOI_TRY(const std::uint64_t size, file->Size());
  MALMOI_TRY(const auto entries, ListTar(*file));
  for (const TarEntry& entry : entries) {
    const std::string target = os::JoinPath(directory, entry.name);
    MALMOI_TRY(vfs.MakeDirs(std::string(os::DirName(target))));
    MALMOI_TRY(const auto out, vfs.Open(target, os::OpenMode::kTruncate));
    MALMOI_TRY(CopyOut(*file, entry, out.get()));
    if (progress) progress(entry.at, size);
  }
  return Ok();
}

}  // namespace malmoi::qdrant
