#include <algorithm>
#include <map>

#include "base/strings.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/text_builder_internal.h"
#include "ingest/readers/xml_internal.h"

// HWPX, the Korean standard KS X 6101 (OWPML): sections in Contents/section*.xml, styles in
// Contents/header.xml. Names are compared without their prefix (hp, hs, hh).
namespace malmoi::ingest {
namespace {

// Level of the styles "개요 1" to "개요 10" (outline), by their id.
std::map<std::string, std::uint8_t, std::less<>> ReadOutlineStyles(ZipArchive* zip) {
  std::map<std::string, std::uint8_t, std::less<>> levels;
  if (!zip->Has("Contents/header.xml")) return levels;
  auto bytes = zip->Read("Contents/header.xml");
  pugi::xml_document xml;
  if (!bytes.ok() || !LoadXml(bytes.value(), "Contents/header.xml", &xml).ok()) return levels;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (!enter || LocalName(node) != "style") return true;
    const std::string name = AsciiLower(Attribute(node, "name"));
    const std::string english = AsciiLower(Attribute(node, "engName"));
    for (const std::string_view s : {std::string_view(name), std::string_view(english)}) {
      for (const std::string_view prefix : {"개요 ", "outline "}) {
        const auto level = s.starts_with(prefix) ? ParseInt(s.substr(prefix.size())) : std::nullopt;
        if (level && *level >= 1 && *level <= 10) {
          levels[std::string(Attribute(node, "id"))] = static_cast<std::uint8_t>(*level);
        }
      }
    }
    return true;
  });
  return levels;
}

class HwpxText {
 public:
  HwpxText(const std::map<std::string, std::uint8_t, std::less<>>& levels, TextBuilder* out)
      : levels_(levels), out_(out) {}

  void Run(const pugi::xml_node& root) {
    WalkXml(root, [this](const pugi::xml_node& node, bool enter) {
      if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) {
        if (enter && text_ > 0) out_->Text(node.value());
        return true;
      }
      return enter ? Enter(node) : Leave(node);
    });
  }

 private:
  bool Enter(const pugi::xml_node& node) {
    if (out_->full()) return false;
    const std::string_view name = LocalName(node);
    if (name == "secPr" || name == "linesegarray" || name == "deleteBegin" ||
        name == "shapeComment" || name == "parameters") {
      return false;
    }
    if (name == "t" || name == "mainText" || name == "subText" || name == "script") {
      ++text_;  // Runs, ruby, equations.
    } else if (name == "p") {
      BeginParagraph(node);
    } else if (name == "tab" || name == "nbSpace" || name == "fwSpace") {
      out_->Text(" ");
    } else if (name == "lineBreak") {
      Line();
    } else if (name == "tbl") {
      if (cells_ == 0) out_->Line();
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
    if (name == "t" || name == "mainText" || name == "subText" || name == "script") {
      --text_;
    } else if (name == "p") {
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

  void Line() {
    if (cells_ > 0 || out_->in_heading()) {
      out_->Text(" ");
    } else {
      out_->Line();
    }
  }

  void BeginParagraph(const pugi::xml_node& node) {
    ++paragraphs_;
    if (cells_ > 0 || paragraphs_ > 1) {  // In a cell, a note or a text box.
      Line();
      return;
    }
    const auto level = levels_.find(Attribute(node, "styleIDRef"));
    // Outline styles are applied to tables and long items as well: only a line is a heading.
    if (level != levels_.end() && !HasTable(node)) out_->BeginHeading(level->second);
  }

  static bool HasTable(const pugi::xml_node& paragraph) {
    for (const pugi::xml_node& run : paragraph.children()) {
      for (const pugi::xml_node& child : run.children()) {
        if (LocalName(child) == "tbl") return true;
      }
    }
    return false;
  }

  void EndParagraph() {
    --paragraphs_;
    if (cells_ > 0) return;
    if (paragraphs_ > 0) {
      Line();
    } else if (out_->in_heading()) {
      out_->EndHeading();
    } else {
      out_->Paragraph();
    }
  }

  const std::map<std::string, std::uint8_t, std::less<>>& levels_;
  TextBuilder* out_;
  int text_ = 0;
  int cells_ = 0;
  int paragraphs_ = 0;
  bool first_cell_ = false;
};

bool Encrypted(ZipArchive* zip) {
  auto manifest = zip->Read("META-INF/manifest.xml");
  return manifest.ok() && manifest.value().find("encryption-data") != std::string::npos;
}

}  // namespace

Result<Document> ReadHwpx(ZipArchive* zip, const ReaderLimits& limits) {
  if (Encrypted(zip)) {
    return Error(Code::kUnsupported, "encrypted HWPX: needs a password; save it without one");
  }
  const auto levels = ReadOutlineStyles(zip);
  TextBuilder out(limits.text_bytes);
  int sections = 0;
  for (;; ++sections) {
    const std::string part = "Contents/section" + std::to_string(sections) + ".xml";
    if (!zip->Has(part)) break;
    MALMOI_TRY(const std::string bytes, zip->Read(part));
    pugi::xml_document xml;
    MALMOI_TRY(LoadXml(bytes, part, &xml));
    out.Paragraph();
    HwpxText(levels, &out).Run(xml);
  }
  if (sections == 0) return Error(Code::kCorruption, "HWPX without Contents/section0.xml");
  out.document().title = CoreTitle(zip, "Contents/content.hpf");
  return out.Finish("hwpx");
}

}  // namespace malmoi::ingest
