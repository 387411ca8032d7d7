#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::ingest {

// Compound File Binary ([MS-CFB], OLE2 structured storage), read from memory. Chains are followed
// for at most as many sectors as the file has, so that a loop ends.
class CompoundFile {
 public:
  // Errors: kCorruption. `bytes` must outlive the object.
  static Result<CompoundFile> Open(std::string_view bytes);

  // Paths of streams, '/' between storages, names in UTF-8: "BodyText/Section0".
  std::vector<std::string> names() const;
  bool Has(std::string_view path) const { return Find(path) != nullptr; }
  // Errors: kNotFound, kCorruption (a broken chain).
  Result<std::string> Read(std::string_view path) const;

 private:
  struct Stream {
    std::string path;
    std::uint32_t start = 0;
    std::uint64_t size = 0;
  };

  explicit CompoundFile(std::string_view bytes) : bytes_(bytes) {}
  Status ReadHeader();
  Status ReadFat(std::uint32_t count, std::uint32_t first_difat, std::uint32_t difats);
  Status ReadDirectory(std::uint32_t start);
  std::string_view Sector(std::uint32_t id) const;
  Result<std::string> ReadChain(std::uint32_t start, std::uint64_t size) const;
  Result<std::string> ReadMini(std::uint32_t start, std::uint64_t size) const;
  const Stream* Find(std::string_view path) const;

  std::string_view bytes_;
  std::uint32_t sector_size_ = 512;
  std::uint32_t mini_sector_size_ = 64;
  std::uint32_t mini_cutoff_ = 4096;
  std::vector<std::uint32_t> fat_;
  std::vector<std::uint32_t> mini_fat_;
  std::string mini_;  // The root's stream, which holds the small ones.
  std::vector<Stream> streams_;
};

}  // namespace malmoi::ingest
