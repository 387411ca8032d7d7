#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace malmoi::text {

// Byte strings with ids, walked a byte at a time: a double array (Aoe 1989) in which a child of
// the node with offset b and byte c sits at b ^ c. Immutable; 12 bytes a node and about one node
// a distinct prefix.
class ByteTrie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = 0xFFFFFFFF;

  // Ids are >= 0; of a repeated key the last id stays; an empty key is left out. Keys need to live
  // only during the call.
  static ByteTrie Build(std::vector<std::pair<std::string_view, std::int32_t>> keys);

  Node Child(Node node, char byte) const {
    const Node at = units_[node].offset ^ static_cast<unsigned char>(byte);
    return at < units_.size() && units_[at].parent == node ? at : kNone;
  }
  // The node of `key`, kNone where no key begins so.
  Node Walk(Node from, std::string_view key) const;
  // The id of the key that ends at `node`, -1 where none does.
  std::int32_t IdAt(Node node) const { return units_[node].id; }
  std::int32_t Find(std::string_view key) const {
    const Node node = Walk(kRoot, key);
    return node == kNone ? -1 : IdAt(node);
  }
  std::size_t bytes() const { return units_.size() * sizeof(Unit); }

 private:
  friend class ByteTrieBuilder;
  struct Unit {
    std::uint32_t offset = 0;
    Node parent = kNone;  // kNone: the slot is free.
    std::int32_t id = -1;
  };
  static constexpr Node kNobody = kNone - 1;        // Parent of the root: taken, yet no child.
  std::vector<Unit> units_ = std::vector<Unit>(1);  // Never empty: the root is there.
};

}  // namespace malmoi::text
