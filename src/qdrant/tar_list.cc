#include <utility>

#include "qdrant/errors.h"
#include "qdrant/tar_internal.h"

namespace malmoi::qdrant {
namespace {

constexpr std::size_t kBlock = kTarBlock;
constexpr std::size_t kNameMax = 4096;
constexpr std::size_t kPieceBytes = 24;
constexpr std::uint64_t kSparseMax = std::uint64_t{1} << 40;

Error Damaged(const std::string& why) {
  return BadRequest("the file is no snapshot: " + why);
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

void AddPieces(std::string_view block, std::size_t at, std::size_t count, TarEntry* out) {
  for (std::size_t i = 0; i < count; ++i, at += kPieceBytes) {
    if (block[at] == '\0' && block[at + 12] == '\0') return;
    out->pieces.push_back({GetNumber(block.substr(at, 12)), GetNumber(block.substr(at + 12, 12))});
  }
}

// Of a GNU sparse file (type 'S'), which pieces there are: four in its header, the others in blocks
// behind it; moves *at behind them. `bytes`: what the pieces hold in sum.
Status ReadPieces(const os::File& archive, const std::string& header, std::uint64_t bytes,
                  std::uint64_t* at, TarEntry* out) {
  out->size = GetNumber(std::string_view(header).substr(483, 12));
  AddPieces(header, 386, 4, out);
  bool more = header[482] != '\0';
  while (more) {
    std::string block;
    MALMOI_TRY(archive.Read(*at, kBlock, &block));
    if (block.size() < kBlock) return Damaged("it ends early");
    *at += kBlock;
    AddPieces(block, 0, 21, out);
    more = block[504] != '\0';
  }
  std::uint64_t end = 0, sum = 0;
  for (const TarEntry::Piece& piece : out->pieces) {
    if (piece.at < end || piece.at > out->size || piece.bytes > out->size - piece.at) {
      return Damaged("it has a sparse file whose pieces overlap");
    }
    end = piece.end();
    sum += piece.bytes;
  }
  if (sum != bytes || out->size > kSparseMax) {
    return Damaged("it has a sparse file of a wrong size");
  }
  return Ok();
}

// What a header says, without names that other entries give.
struct Header {
  std::string name;
  std::uint64_t bytes = 0;  // Of contents.
  char type = '0';
};

Header ParseHeader(std::string_view header) {
  const bool gnu = header.substr(257, 8) == std::string_view("ustar  \0", 8);
  std::string name(gnu ? std::string_view() : Field(header, 345, 155));
  if (!name.empty()) name += "/";
  name += Field(header, 0, 100);
  return {std::move(name), GetNumber(header.substr(124, 12)), header[156]};
}

}  // namespace

std::uint64_t TarHeaderSum(std::string_view header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return sum;
}

Result<std::vector<TarEntry>> ListTar(const os::File& archive) {
  MALMOI_TRY(const std::uint64_t size, archive.Size());
  std::vector<TarEntry> entries;
  std::string long_name;  // Of the next entry, from an entry of type 'L'.
  for (std::uint64_t at = 0;;) {
    std::string block;
    MALMOI_TRY(archive.Read(at, kBlock, &block));
    if (block.size() < kBlock) return Damaged("it ends early");  // An empty block is the end.
    if (block.find_first_not_of('\0') == std::string::npos) break;
    if (GetNumber(std::string_view(block).substr(148, 8)) != TarHeaderSum(block)) {
      return Damaged("a header is damaged");
    }
    Header header = ParseHeader(block);
    if (!long_name.empty()) header.name = std::exchange(long_name, "");
    while (header.name.starts_with("./")) header.name.erase(0, 2);
    at += kBlock;
    if (header.bytes > size - at) return Damaged("it ends early");
    if (header.type == 'L') {
      if (header.bytes > kNameMax) return Damaged("a name is too long");
      MALMOI_TRY(archive.Read(at, header.bytes, &long_name));
      long_name = std::string(Field(long_name, 0, long_name.size()));
    } else if (header.type == '0' || header.type == '\0' || header.type == 'S') {
      if (!IsSafeName(header.name)) return Damaged("a name leaves its folder");
      TarEntry entry;
      entry.name = std::move(header.name);
      entry.size = header.bytes;
      if (header.type == 'S') {
        MALMOI_TRY(ReadPieces(archive, block, header.bytes, &at, &entry));
        if (at > size || header.bytes > size - at) return Damaged("it ends early");
      } else if (header.bytes > 0) {
        entry.pieces.push_back({0, header.bytes});
      }
      entry.at = at;
      entries.push_back(std::move(entry));
    } else if (header.type != '5' && header.type != 'x' && header.type != 'g') {
      return Damaged("it holds links");
    }
    at += (header.bytes + kBlock - 1) / kBlock * kBlock;
  }
  if (entries.empty()) return Damaged("it holds no files");
  return entries;
}

}  // namespace malmoi::qdrant
