#include "optim/matrix/numbers.h"

#include <new>

namespace malmoi::optim::matrix {
namespace {

constexpr std::align_val_t kLine{64};
constexpr std::size_t kUnit = std::size_t{64} << 10;

std::size_t RoundedUp(std::size_t bytes) {
  return bytes < kLargeFrom ? bytes : (bytes + kUnit - 1) / kUnit * kUnit;
}

struct Kept {
  struct Block {
    void* at;
    std::size_t bytes;
  };
  std::vector<Block> blocks;
  std::size_t total = 0;
  ~Kept() {
    for (const Block& block : blocks) ::operator delete(block.at, kLine);
  }
};
thread_local Kept kept;

}  // namespace

void* TakeBlock(std::size_t bytes) {
  const std::size_t size = RoundedUp(bytes);
  for (std::size_t i = kept.blocks.size(); size >= kLargeFrom && i-- > 0;) {
    if (kept.blocks[i].bytes != size) continue;
    void* at = kept.blocks[i].at;
    kept.blocks[i] = kept.blocks.back();
    kept.blocks.pop_back();
    kept.total -= size;
    return at;
  }
  return ::operator new(size, kLine);
}

void GiveBlock(void* block, std::size_t bytes) noexcept {
  const std::size_t size = RoundedUp(bytes);
  if (size >= kLargeFrom && kept.total + size <= kKeptBytes) {
    try {
      kept.blocks.push_back({block, size});
      kept.total += size;
      return;
    } catch (const std::bad_alloc&) {  // Then it is freed.
    }
  }
  ::operator delete(block, kLine);
}

}  // namespace malmoi::optim::matrix
