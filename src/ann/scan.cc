#include <bit>

#include "ann/key-inl.h"
#include "ann/scan_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kSiftRows = 768;  // From so many on rows are sifted by their signs first.

// Offers the ids in [begin, end) that are present and that `keep` has.
void ScanRange(const Arrays& arrays, std::uint32_t begin, std::uint32_t end, const Keep& keep,
               WalkScratch* scratch) {
  if (begin >= end) return;
  std::uint64_t count = end - begin;
  std::size_t words = (std::size_t{end} + 63) / 64;
  if (keep.filter != nullptr) {
    count = std::min(count, keep.filter->count);
    words = std::min(words, keep.filter->bits.size());
  }
  Scanner scanner(arrays, count > kSiftRows, scratch);
  for (std::size_t w = begin / 64; w < words; ++w) {
    std::uint64_t word = keep.filter != nullptr ? keep.filter->bits[w] : ~std::uint64_t{0};
    if (word == 0) continue;
    if (w == begin / 64) word &= ~std::uint64_t{0} << (begin % 64);
    if (w == end / 64) word &= (std::uint64_t{1} << (end % 64)) - 1;
    word &= std::atomic_ref(arrays.present[w]).load(std::memory_order_acquire);
    if (keep.deleted != nullptr && word != 0) {
      word &= ~std::atomic_ref(arrays.deleted[w]).load(std::memory_order_acquire);
    }
    for (; word != 0; word &= word - 1) {
      scanner.Add(static_cast<std::uint32_t>(w * 64 + std::countr_zero(word)));
    }
  }
  scanner.Finish();
}

}  // namespace

Scanner::Scanner(const Arrays& arrays, bool sift, WalkScratch* scratch)
    : arrays_(arrays),
      sift_(sift),
      scratch_(*scratch),
      state_(scratch->state),
      ids_(scratch->ids.data()),
      held_(ids_ + kGroup) {
  if (sift) scratch->signs.Make(scratch->query, arrays.code_bytes / 64, arrays.signs);
}

bool Scanner::Finish() {
  Flush();
  Offer(held_, held_count_);
  held_count_ = 0;
  return Entered();
}

void Scanner::Flush() {
  if (!sift_ || state_.size < state_.window) {
    Offer(ids_, n_);
    n_ = 0;
    return;
  }
  const float least = ScoreOf(state_.keys[state_.size - 1]);
  const std::size_t left = Scores().sift(scratch_.signs.query(), ids_, n_, least);
  state_.distances += n_ - left;
  PrefetchCodes(arrays_, ids_, left);
  std::copy_n(ids_, left, held_ + held_count_);
  held_count_ += left;
  n_ = 0;
  if (held_count_ <= kHeld) return;  // A few at a time would each wait for memory.
  Offer(held_, held_count_);
  held_count_ = 0;
}

void Scanner::Offer(const std::uint32_t* ids, std::size_t n) {
  if (Scores().offer(&state_, ids, n) != 0) entered_ = true;
}

void ScanMore(const Arrays& arrays, std::uint32_t begin, std::uint32_t end, const Keep& keep,
              WalkScratch* scratch) {
  const std::uint64_t before = scratch->state.distances;
  ScanRange(arrays, begin, end, keep, scratch);
  scratch->stats.distances += scratch->state.distances - before;
}

void Scan(const Arrays& arrays, std::uint32_t bound, std::size_t window, const Keep& keep,
          WalkScratch* scratch) {
  Begin(arrays, 0, window, 0, scratch);
  ScanRange(arrays, 0, bound, keep, scratch);
  End(scratch);
}

}  // namespace malmoi::ann
