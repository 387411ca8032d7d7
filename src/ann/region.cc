#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "ann/graph_internal.h"

namespace malmoi::ann {

Result<Region> Region::Reserve(std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kHugeFrom = std::size_t{4} << 20;  // A small index takes small pages.
  Region out;
  out.size_ = bytes / kPage * kPage + kPage;
  void* p = ::mmap(nullptr, out.size_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    return Error(Code::kOverloaded, "reserve " + std::to_string(out.size_) +
                                        " bytes of address space for an index: " +
                                        std::strerror(errno) + "; lower the index's capacity");
  }
  out.data_ = static_cast<std::uint8_t*>(p);
  if (out.size_ >= kHugeFrom) ::madvise(p, out.size_, MADV_HUGEPAGE);
  return out;
}

Region::Region(Region&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Region::~Region() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace malmoi::ann
