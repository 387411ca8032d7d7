#pragma once

#include <cstddef>
#include <vector>

// Memory of matrices. What a thread frees it keeps for the next matrix of that size: pages fresh
// from the system were a tenth of SOAP's step over 768 x 768. A thread keeps at most kKeptBytes,
// and gives them back when it ends; blocks below kLargeFrom come from the heap and go back there.
namespace malmoi::optim::matrix {

inline constexpr std::size_t kLargeFrom = std::size_t{256} << 10;
inline constexpr std::size_t kKeptBytes = std::size_t{64} << 20;  // Ten of 1280 x 1280 in f32.

// At least `bytes`, aligned to a cache line, contents undefined. Throws std::bad_alloc as new does.
void* TakeBlock(std::size_t bytes);
// What TakeBlock gave for as many bytes, on any thread.
void GiveBlock(void* block, std::size_t bytes) noexcept;

template <class T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() = default;
  template <class U>
  BlockAllocator(const BlockAllocator<U>&) {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t n) { return static_cast<T*>(TakeBlock(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) { GiveBlock(p, n * sizeof(T)); }
  bool operator==(const BlockAllocator&) const { return true; }
};
template <class T>
using Numbers = std::vector<T, BlockAllocator<T>>;

}  // namespace malmoi::optim::matrix
