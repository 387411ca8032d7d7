#include <algorithm>
#include <map>

#include "base/strings.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/text_builder_internal.h"
#include "ingest/readers/xml_internal.h"

// WordprocessingML (ECMA-376 part 1, 17). Strict and transitional differ in namespaces only, which
// are not looked at.
namespace malmoi::ingest {
namespace {

// Heading level of each style: 0 for none.
using Styles = std::map<std::string, std::uint8_t, std::less<>>;

// "heading 2" and its Korean name; "Title" is above all.
std::uint8_t LevelOfName(std::string_view name) {
  const std::string lower = AsciiLower(name);
  if (lower == "title" || lower == "제목") return 1;
  for (const std::string_view prefix : {"heading ", "heading", "제목 ", "개요 ", "überschrift "}) {
    if (!lower.starts_with(prefix)) continue;
    const auto level = ParseInt(std::string_view(lower).substr(prefix.size()));
    if (level && *level >= 1 && *level <= 9) return static_cast<std::uint8_t>(*level);
  }
  return 0;
}

std::uint8_t OutlineLevel(const pugi::xml_node& paragraph_properties) {
  for (const pugi::xml_node& child : paragraph_properties.children()) {
    if (LocalName(child) != "outlineLvl") continue;
    const auto level = ParseInt(Attribute(child, "val"));
    if (level && *level >= 0 && *level < 9) return static_cast<std::uint8_t>(*level + 1);
  }
  return 0;
}

pugi::xml_node ChildNamed(const pugi::xml_node& node, std::string_view local) {
  for (const pugi::xml_node& child : node.children()) {
    if (LocalName(child) == local) return child;
  }
  return {};
}

Styles ReadStyles(ZipArchive* zip) {
  Styles styles;
  if (!zip->Has("word/styles.xml")) return styles;
  auto bytes = zip->Read("word/styles.xml");
  pugi::xml_document xml;
  if (!bytes.ok() || !LoadXml(bytes.value(), "word/styles.xml", &xml).ok()) return styles;
  std::map<std::string, std::string, std::less<>> parents;
  for (const pugi::xml_node& style : ChildNamed(xml, "styles").children()) {
    if (LocalName(style) != "style") continue;
    const std::string id(Attribute(style, "styleId"));
    std::uint8_t level = LevelOfName(Attribute(ChildNamed(style, "name"), "val"));
    if (level == 0) level = OutlineLevel(ChildNamed(style, "pPr"));
    styles[id] = level;
    parents[id] = Attribute(ChildNamed(style, "basedOn"), "val");
  }
  for (auto& [id, level] : styles) {
    std::string at = id;
    for (int hops = 0; level == 0 && hops < 10; ++hops) {
      const auto parent = parents.find(at);
      if (parent == parents.end() || parent->second.empty()) break;
      at = parent->second;
      const auto found = styles.find(at);
      if (found != styles.end()) level = found->second;
    }
  }
  return styles;
}

class DocxText {
 public:
  DocxText(const Styles& styles, TextBuilder* out) : styles_(styles), out_(out) {}

  void Run(const pugi::xml_node& root) {
    WalkXml(root, [this](const pugi::xml_node& node, bool enter) {
      if (node.type() != pugi::node_element) return true;
      return enter ? Enter(node) : Leave(node);
    });
  }

 private:
  bool Enter(const pugi::xml_node& node) {
    if (out_->full()) return false;
    const std::string_view name = LocalName(node);
    // Deleted text, field codes, the second form of the same drawing, properties.
    if (name == "delText" || name == "instrText" || name == "Fallback" || name == "pPr" ||
        name == "rPr" || name == "sectPr" || name == "tblPr" || name == "moveFrom") {
      return false;
    }
    if (name == "t") {
      out_->Text(node.text().get());
      return false;
    }
    if (name == "p") {
      BeginParagraph(node);
    } else if (name == "tab" || name == "ptab") {
      out_->Text(" ");
    } else if (name == "br" || name == "cr") {
      if (cells_ == 0 && !out_->in_heading()) {
        out_->Line();
      } else {
        out_->Text(" ");
      }
    } else if (name == "noBreakHyphen") {
      out_->Text("-");
    } else if (name == "tbl") {
      if (cells_ == 0) out_->Paragraph();
    } else if (name == "tr") {
      if (cells_ == 0) out_->Line();
      first_cell_ = true;
    } else if (name == "tc") {
      if (!first_cell_) out_->Cell();
      first_cell_ = false;
      ++cells_;
    }
    return true;
  }

  bool Leave(const pugi::xml_node& node) {
    const std::string_view name = LocalName(node);
    if (name == "p") {
      EndParagraph();
    } else if (name == "tc") {
      --cells_;
    } else if (name == "tr") {
      if (cells_ == 0) out_->Line();
      first_cell_ = false;
    } else if (name == "tbl") {
      if (cells_ == 0) out_->Paragraph();
    }
    return true;
  }

  void BeginParagraph(const pugi::xml_node& node) {
    ++paragraphs_;
    if (cells_ > 0 || paragraphs_ > 1) {  // In a cell, or in a text box within a paragraph.
      cells_ > 0 ? out_->Text(" ") : out_->Line();
      return;
    }
    const pugi::xml_node properties = ChildNamed(node, "pPr");
    std::uint8_t level = OutlineLevel(properties);
    if (level == 0) {
      const auto style = styles_.find(Attribute(ChildNamed(properties, "pStyle"), "val"));
      if (style != styles_.end()) level = style->second;
    }
    item_ = !ChildNamed(properties, "numPr").empty();
    if (level != 0) out_->BeginHeading(level);
  }

  void EndParagraph() {
    --paragraphs_;
    if (cells_ > 0) return;
    if (paragraphs_ > 0) {
      out_->Line();
    } else if (out_->in_heading()) {
      out_->EndHeading();
    } else if (item_) {
      out_->Line();
    } else {
      out_->Paragraph();
    }
  }

  const Styles& styles_;
  TextBuilder* out_;
  int cells_ = 0;
  int paragraphs_ = 0;
  bool first_cell_ = false;
  bool item_ = false;
};

// Notes are separate parts, in the order of their references.
void AddPart(ZipArchive* zip, const std::string& part, const Styles& styles, TextBuilder* out) {
  if (!zip->Has(part)) return;
  auto bytes = zip->Read(part);
  pugi::xml_document xml;
  if (bytes.ok()) {
    if (const Status loaded = LoadXml(bytes.value(), part, &xml); loaded.ok()) {
      out->Paragraph();
      DocxText(styles, out).Run(xml);
      return;
    }
  }
  out->Warn(part + " cannot be read");
}

}  // namespace

Result<Document> ReadDocx(ZipArchive* zip, const ReaderLimits& limits) {
  MALMOI_TRY(std::string bytes, zip->Read("word/document.xml"));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, "word/document.xml", &xml));
  bytes = {};
  const Styles styles = ReadStyles(zip);
  TextBuilder out(limits.text_bytes);
  DocxText(styles, &out).Run(xml);
  AddPart(zip, "word/footnotes.xml", styles, &out);
  AddPart(zip, "word/endnotes.xml", styles, &out);
  out.document().title = CoreTitle(zip, "docProps/core.xml");
  MALMOI_TRY(Document document, out.Finish("docx"));
  if (document.title.empty() && !document.headings.empty() && document.headings[0].level == 1) {
    document.title = document.headings[0].title;
  }
  return document;
}

}  // namespace malmoi::ingest
