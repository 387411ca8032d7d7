#include "text/tokenizer/trie.h"

#include <algorithm>

namespace malmoi::text {

// Places nodes first-fit. Free slots form a doubly linked ring through next_ and previous_ whose
// head is slot 0, which the root holds. Only the first kProbes free slots are tried for a node with
// several children, then a new block is opened: nodes with one child, which are most, fill the
// gaps.
class ByteTrieBuilder {
 public:
  using Keys = std::vector<std::pair<std::string_view, std::int32_t>>;

  explicit ByteTrieBuilder(const Keys& keys) : keys_(keys), next_{0}, previous_{0} {
    units_.resize(1);
    units_[0].parent = ByteTrie::kNobody;
    Grow();
  }

  std::vector<ByteTrie::Unit> Build() {
    struct Work {
      std::size_t first, last, depth;
      ByteTrie::Node node;
    };
    std::vector<Work> stack{{0, keys_.size(), 0, ByteTrie::kRoot}};
    std::vector<Work> children;
    while (!stack.empty()) {
      Work work = stack.back();
      stack.pop_back();
      while (work.first < work.last && keys_[work.first].first.size() == work.depth) {
        units_[work.node].id = keys_[work.first++].second;
      }
      labels_.clear();
      children.clear();
      for (std::size_t i = work.first; i < work.last;) {
        const auto label = static_cast<unsigned char>(keys_[i].first[work.depth]);
        std::size_t j = i + 1;
        while (j < work.last && static_cast<unsigned char>(keys_[j].first[work.depth]) == label)
          ++j;
        labels_.push_back(label);
        children.push_back({i, j, work.depth + 1, 0});
        i = j;
      }
      if (labels_.empty()) continue;
      const std::uint32_t offset = Place();
      units_[work.node].offset = offset;
      for (std::size_t i = 0; i < labels_.size(); ++i) {
        children[i].node = offset ^ labels_[i];
        Take(children[i].node, work.node);
        stack.push_back(children[i]);
      }
    }
    return std::move(units_);
  }

 private:
  static constexpr std::uint32_t kBlock = 256;  // Offsets and bytes meet by xor within a block.
  static constexpr int kProbes = 64;

  std::uint32_t Place() {
    int probes = 0;
    for (std::uint32_t slot = next_[0]; slot != 0 && probes < kProbes;
         slot = next_[slot], ++probes) {
      if (Fits(slot ^ labels_[0])) return slot ^ labels_[0];
    }
    const auto fresh = static_cast<std::uint32_t>(units_.size());
    Grow();
    // A fresh block is free but for slot 0 of the first one, which was used up before.
    return fresh;
  }

  bool Fits(std::uint32_t offset) const {
    return std::all_of(labels_.begin(), labels_.end(), [&](unsigned char label) {
      return units_[offset ^ label].parent == ByteTrie::kNone;
    });
  }

  // Adds free slots up to the next whole block.
  void Grow() {
    const auto from = static_cast<std::uint32_t>(units_.size());
    const std::uint32_t to = (from / kBlock + 1) * kBlock;
    units_.resize(to);
    next_.resize(to);
    previous_.resize(to);
    for (std::uint32_t slot = from; slot < to; ++slot) {
      previous_[slot] = previous_[0];
      next_[slot] = 0;
      next_[previous_[0]] = slot;
      previous_[0] = slot;
    }
  }

  void Take(std::uint32_t slot, ByteTrie::Node parent) {
    next_[previous_[slot]] = next_[slot];
    previous_[next_[slot]] = previous_[slot];
    units_[slot].parent = parent;
  }

  const Keys& keys_;
  std::vector<ByteTrie::Unit> units_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::vector<unsigned char> labels_;
};

ByteTrie ByteTrie::Build(std::vector<std::pair<std::string_view, std::int32_t>> keys) {
  std::erase_if(keys, [](const auto& key) { return key.first.empty(); });
  // Stable, so that of equal keys the last one is written last.
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  ByteTrie trie;
  trie.units_ = ByteTrieBuilder(keys).Build();
  return trie;
}

ByteTrie::Node ByteTrie::Walk(Node from, std::string_view key) const {
  for (const char c : key) {
    if (from == kNone) break;
    from = Child(from, c);
  }
  return from;
}

}  // namespace malmoi::text
