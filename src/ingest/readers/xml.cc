#include <pugixml.hpp>

#include "base/strings.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/text_builder_internal.h"
#include "ingest/readers/xml_internal.h"

namespace malmoi::ingest {

// pugixml parses without recursion but frees by it; and deep trees have no use.
Status LoadXml(std::string_view bytes, std::string_view what, pugi::xml_document* xml) {
  std::size_t depth = 0;
  for (std::size_t at = bytes.find('<'); at != bytes.npos; at = bytes.find('<', at + 1)) {
    const char next = at + 1 < bytes.size() ? bytes[at + 1] : '\0';
    if (next == '/') {
      depth -= depth > 0;
    } else if (next != '!' && next != '?') {
      const std::size_t close = std::min(bytes.find('>', at), bytes.size());
      if (close == bytes.size() || bytes[close - 1] != '/') ++depth;
      if (depth > kXmlDepthMax) {
        return Error(Code::kOutOfRange, std::string(what) + ": nested deeper than " +
                                            std::to_string(kXmlDepthMax) + " elements");
      }
    }
  }
  const auto options = pugi::parse_default | pugi::parse_ws_pcdata;
  const pugi::xml_parse_result result = xml->load_buffer(bytes.data(), bytes.size(), options);
  if (result.status == pugi::status_out_of_memory) {
    return Error(Code::kOutOfRange, std::string(what) + ": too large for the memory limit");
  }
  if (!result) {
    return Error(Code::kCorruption, std::string(what) + ": malformed XML at byte " +
                                        std::to_string(result.offset) + ": " +
                                        AsciiLower(result.description()));
  }
  return Ok();
}

std::string_view LocalName(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == name.npos ? name : name.substr(colon + 1);
}

std::string_view Attribute(const pugi::xml_node& node, std::string_view local) {
  for (const pugi::xml_attribute& a : node.attributes()) {
    std::string_view name = a.name();
    const std::size_t colon = name.find(':');
    if (colon != name.npos) name.remove_prefix(colon + 1);
    if (name == local) return a.value();
  }
  return {};
}

Result<Document> ReadXml(Document decoded, const ReaderLimits& limits) {
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(decoded.text, "read XML", &xml));
  TextBuilder out(limits.text_bytes);
  out.document().encoding = decoded.encoding;
  // Each element with text of its own is a line.
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) {
      if (enter) out.Text(node.value());
    } else {
      out.Line();
    }
    return !out.full();
  });
  return out.Finish("xml");
}

}  // namespace malmoi::ingest
