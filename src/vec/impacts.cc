#include <algorithm>

#include "vec/impacts_internal.h"

namespace malmoi::vec {

Impacts::Impacts(const Postings& list) {
  largest.reserve((list.size + kPostings - 1) / kPostings);
  for (std::size_t at = 0; at < list.size; at += kPostings) {
    const float* from = list.values + at;
    const auto [low, high] = std::minmax_element(from, from + std::min(kPostings, list.size - at));
    negative = negative || *low < 0;
    largest.push_back(*high);
  }
}

float Impacts::Most(std::size_t begin, std::size_t end) const {
  const float* blocks = largest.data();
  return *std::max_element(blocks + begin / kPostings, blocks + (end - 1) / kPostings + 1);
}

std::shared_ptr<const Impacts> ImpactSet::Get(std::uint32_t field, std::uint32_t term,
                                              const Postings& list) {
  const std::uint64_t key = std::uint64_t{field} << 32 | term;
  {
    const std::lock_guard lock(mutex_);
    const auto it = lists_.find(key);
    if (it != lists_.end()) return it->second;
  }
  auto made = std::make_shared<const Impacts>(list);
  const std::lock_guard lock(mutex_);
  const auto [it, added] = lists_.emplace(key, std::move(made));
  if (added) bytes_ += it->second->largest.size() * sizeof(float) + 96;
  return it->second;
}

std::uint64_t ImpactSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace malmoi::vec
