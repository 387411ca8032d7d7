#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/vfs.h"

// POSIX ustar, and to read also GNU's long names and sparse files, which Qdrant writes:
// 512-byte headers, contents padded to 512, two empty blocks at the end.
namespace malmoi::qdrant {

constexpr std::size_t kTarBlock = 512;

// A regular file of an archive.
struct TarEntry {
  // Bytes that the archive has of it, one piece after another from `at` on; holes read as zeros.
  struct Piece {
    std::uint64_t at = 0;  // In the file.
    std::uint64_t bytes = 0;
    std::uint64_t end() const { return at + bytes; }
  };
  std::string name;           // A path that stays inside its folder.
  std::uint64_t at = 0;       // In the archive.
  std::uint64_t size = 0;     // Of the file.
  std::vector<Piece> pieces;  // In order, inside the file, apart. None of an empty one.
};

// The files of an archive from its headers alone: contents are not read, but lie inside it.
// Errors: BadRequest for what is no such archive or a part of one, for links, and for one without
// files.
// Memory: about as much as its headers.
Result<std::vector<TarEntry>> ListTar(const os::File& archive);

// Of a header of kTarBlock bytes, its own field counted as blanks.
std::uint64_t TarHeaderSum(std::string_view header);

}  // namespace malmoi::qdrant
