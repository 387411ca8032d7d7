#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::ingest {

// A zip archive in memory, read with limits against bombs: entries, size of each, of all, and the
// ratio of expansion. Names are as stored; nothing is ever written to a path.
class ZipArchive {
 public:
  // Errors: kCorruption, kOutOfRange (too many entries). `bytes` must outlive the archive.
  static Result<std::unique_ptr<ZipArchive>> Open(std::string_view bytes);
  virtual ~ZipArchive() = default;

  virtual const std::vector<std::string>& names() const = 0;
  virtual bool Has(const std::string& name) const = 0;
  // Errors: kNotFound, kCorruption, kOutOfRange, kUnsupported (encrypted or unknown method).
  virtual Result<std::string> Read(const std::string& name) = 0;
};

}  // namespace malmoi::ingest
