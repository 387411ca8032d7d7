#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "os/vfs.h"
#include "qdrant/snapshots.h"

// POSIX ustar, and to read also GNU's long names and sparse files, which Qdrant writes:
// 512-byte headers, contents padded to 512, two empty blocks at the end.
namespace malmoi::qdrant {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kChunk = 1 << 20;
constexpr std::size_t kNameMax = 4096;

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

std::uint64_t GetNumber(std::string_view field) {
  std::uint64_t value = 0;
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    for (std::size_t i = field.size() - 8; i < field.size(); ++i) {
      value = value << 8 | static_cast<unsigned char>(field[i]);
    }
    return value;
  }
  for (const char c : field) {
    if (c >= '0' && c <= '7') value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

std::uint64_t SumOf(std::string_view header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return sum;
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
  PutOctal(&header, 148, 7, SumOf(header));
  header[155] = ' ';
  return header;
}

class TarWriter {
 public:
  TarWriter(os::Vfs& vfs, os::File& file) : vfs_(vfs), file_(file) {}

  Status Append(std::string_view bytes) {
    sha_.Update(bytes);
    MALMOI_TRY(file_.Write(at_, bytes));
    at_ += bytes.size();
    return Ok();
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

bool IsSafeName(std::string_view name) {
  if (name.empty() || name.front() == '/') return false;
  while (!name.empty()) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || part == ".." || part.find('\0') != std::string_view::npos) return false;
    if (slash == std::string_view::npos) break;
    name.remove_prefix(slash + 1);
  }
  return true;
}

std::string_view Field(std::string_view header, std::size_t at, std::size_t width) {
  const std::string_view field = header.substr(at, width);
  return field.substr(0, field.find('\0'));
}

Status CopyOut(const os::File& source, std::uint64_t at, std::uint64_t size, os::File* target) {
  for (std::uint64_t done = 0; done < size; done += kChunk) {
    std::string bytes;
    MALMOI_TRY(source.Read(at + done, std::min<std::uint64_t>(kChunk, size - done), &bytes));
    MALMOI_TRY(target->Write(done, bytes));
  }
  return target->Sync();
}

// Where the bytes of a GNU sparse file (type 'S') belong: four pieces in its header, the others in
// blocks behind it. Holes read as zeros.
struct SparseMap {
  struct Piece {
    std::uint64_t at = 0, bytes = 0;
  };
  std::vector<Piece> pieces;
  std::uint64_t size = 0;
};
constexpr std::size_t kPieceBytes = 24;
constexpr std::uint64_t kSparseMax = std::uint64_t{1} << 40;

void AddPieces(std::string_view block, std::size_t at, std::size_t count, SparseMap* out) {
  for (std::size_t i = 0; i < count; ++i, at += kPieceBytes) {
    const SparseMap::Piece piece{GetNumber(block.substr(at, 12)),
                                 GetNumber(block.substr(at + 12, 12))};
    if (block[at] == '\0' && block[at + 12] == '\0') return;
    out->pieces.push_back(piece);
  }
}

// Moves *at behind the map. The pieces lie in order inside the file, and hold `bytes` in sum.
Result<SparseMap> ReadSparseMap(const os::File& file, const std::string& header,
                                std::uint64_t bytes, std::uint64_t* at) {
  SparseMap map;
  map.size = GetNumber(header.substr(483, 12));
  AddPieces(header, 386, 4, &map);
  bool more = header[482] != '\0';
  while (more) {
    std::string block;
    MALMOI_TRY(file.Read(*at, kBlock, &block));
    if (block.size() < kBlock) return BadRequest("the snapshot ends early");
    *at += kBlock;
    AddPieces(block, 0, 21, &map);
    more = block[504] != '\0';
  }
  std::uint64_t end = 0, sum = 0;
  for (const SparseMap::Piece& piece : map.pieces) {
    if (piece.at < end || piece.at > map.size || piece.bytes > map.size - piece.at) {
      return BadRequest("the snapshot has a sparse file whose pieces overlap");
    }
    end = piece.at + piece.bytes;
    sum += piece.bytes;
  }
  if (sum != bytes || map.size > kSparseMax) {
    return BadRequest("the snapshot has a sparse file of a wrong size");
  }
  return map;
}

Status CopyPieces(const os::File& source, std::uint64_t from, const SparseMap& map,
                  os::File* target) {
  std::uint64_t end = 0;
  for (const SparseMap::Piece& piece : map.pieces) {
    for (std::uint64_t done = 0; done < piece.bytes; done += kChunk) {
      std::string bytes;
      MALMOI_TRY(
          source.Read(from + done, std::min<std::uint64_t>(kChunk, piece.bytes - done), &bytes));
      MALMOI_TRY(target->Write(piece.at + done, bytes));
    }
    from += piece.bytes;
    end = piece.bytes == 0 ? end : piece.at + piece.bytes;
  }
  if (end < map.size) MALMOI_TRY(target->Write(map.size - 1, std::string(1, '\0')));
  return target->Sync();
}

}  // namespace

Result<std::string> WriteTar(os::Vfs& vfs, const std::string& directory, const std::string& path) {
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kTruncate));
  TarWriter writer(vfs, *file);
  MALMOI_TRY(writer.AddFolder(directory, ""));
  MALMOI_TRY(writer.Append(std::string(2 * kBlock, '\0')));
  MALMOI_TRY(file->Sync());
  return writer.Digest();
}

Status ReadTar(os::Vfs& vfs, const std::string& path, const std::string& directory) {
  const auto damaged = [](const std::string& why) {
    return BadRequest("the file is no snapshot: " + why);
  };
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kRead));
  MALMOI_TRY(const std::uint64_t size, file->Size());
  MALMOI_TRY(vfs.MakeDirs(directory));
  std::uint64_t at = 0;
  std::size_t files = 0;
  std::string long_name;  // Of the next entry, from an entry of type 'L'.
  while (at + kBlock <= size) {
    std::string header;
    MALMOI_TRY(file->Read(at, kBlock, &header));
    if (header.size() < kBlock) return damaged("it ends early");
    if (header.find_first_not_of('\0') == std::string::npos) break;
    if (GetNumber(header.substr(148, 8)) != SumOf(header)) return damaged("a header is damaged");
    const std::uint64_t bytes = GetNumber(header.substr(124, 12));
    const char type = header[156];
    const bool gnu = header.compare(257, 8, "ustar  \0", 8) == 0;
    std::string name(gnu ? std::string_view() : Field(header, 345, 155));
    if (!name.empty()) name += "/";
    name += Field(header, 0, 100);
    if (!long_name.empty()) name = std::exchange(long_name, "");
    while (name.starts_with("./")) name.erase(0, 2);
    at += kBlock;
    if (bytes > size - at) return damaged("it ends early");
    if (type == 'L') {
      if (bytes > kNameMax) return damaged("a name is too long");
      MALMOI_TRY(file->Read(at, bytes, &long_name));
      long_name = std::string(Field(long_name, 0, long_name.size()));
    } else if (type == '0' || type == '\0' || type == 'S') {
      if (!IsSafeName(name)) return damaged("a name leaves its folder");
      SparseMap map;
      if (type == 'S') {
        MALMOI_TRY(map, ReadSparseMap(*file, header, bytes, &at));
        if (at > size || bytes > size - at) return damaged("it ends early");
      }
      const std::string target = os::JoinPath(directory, name);
      MALMOI_TRY(vfs.MakeDirs(std::string(os::DirName(target))));
      MALMOI_TRY(const auto out, vfs.Open(target, os::OpenMode::kTruncate));
      MALMOI_TRY(type == 'S' ? CopyPieces(*file, at, map, out.get())
                             : CopyOut(*file, at, bytes, out.get()));
      ++files;
    } else if (type != '5' && type != 'x' && type != 'g') {
      return damaged("it holds links");
    }
    at += (bytes + kBlock - 1) / kBlock * kBlock;
  }
  return files > 0 ? Ok() : Status(damaged("it holds no files"));
}

}  // namespace malmoi::qdrant
