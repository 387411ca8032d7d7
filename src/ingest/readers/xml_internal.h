#pragma once

#include <pugixml.hpp>
#include <string_view>

#include "base/result.h"

namespace malmoi::ingest {

constexpr std::size_t kXmlDepthMax = 256;

// Parses UTF-8 (or marked UTF-16) XML with white space kept. Document type declarations are
// skipped: no entity is defined or fetched, and a reference to one stays as written.
// Errors: kCorruption with the place, kOutOfRange past the depth; `what` names the part.
Status LoadXml(std::string_view bytes, std::string_view what, pugi::xml_document* xml);

// Names without their namespace prefix: prefixes are a document's own choice.
std::string_view LocalName(const pugi::xml_node& node);
std::string_view Attribute(const pugi::xml_node& node, std::string_view local);

// Calls visit(node, enter) before (true) and after (false) a node's children, in document order,
// without recursion. When the call before answers false, the children are skipped (the call after
// still comes).
template <class Visit>
void WalkXml(const pugi::xml_node& root, const Visit& visit) {
  pugi::xml_node node = root.first_child();
  while (node) {
    const bool descend = visit(node, true);
    if (descend && node.first_child()) {
      node = node.first_child();
      continue;
    }
    visit(node, false);
    while (!node.next_sibling()) {
      node = node.parent();
      if (node == root || !node) return;
      visit(node, false);
    }
    node = node.next_sibling();
  }
}

}  // namespace malmoi::ingest
