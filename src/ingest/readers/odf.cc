#include <algorithm>

#include "base/strings.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/text_builder_internal.h"
#include "ingest/readers/xml_internal.h"

// OpenDocument 1.3, part 3: content.xml of texts, spreadsheets and presentations alike.
namespace malmoi::ingest {
namespace {

class OdfText {
 public:
  OdfText(bool sheets, TextBuilder* out) : sheets_(sheets), out_(out) {}

  void Run(const pugi::xml_node& root) {
    WalkXml(root, [this](const pugi::xml_node& node, bool enter) {
      if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) {
        if (enter && blocks_ > 0) out_->Text(node.value());
        return true;
      }
      return enter ? Enter(node) : Leave(node);
    });
  }

 private:
  bool Enter(const pugi::xml_node& node) {
    if (out_->full()) return false;
    const std::string_view name = LocalName(node);
    if (name == "tracked-changes" || name == "annotation" || name == "automatic-styles" ||
        name == "font-face-decls" || name == "forms" || name == "settings" ||
        name == "covered-table-cell" || name == "scripts") {
      return false;
    }
    if (name == "h") {
      ++blocks_;
      const auto level = ParseInt(Attribute(node, "outline-level")).value_or(1);
      if (cells_ == 0 && blocks_ == 1) {
        out_->BeginHeading(static_cast<std::uint8_t>(std::clamp<std::int64_t>(level, 1, 10)));
      }
    } else if (name == "p") {
      if (blocks_ > 0 || cells_ > 0) out_->Text(" ");  // A note or a text box within a line.
      ++blocks_;
    } else if (name == "s" || name == "tab") {
      out_->Text(" ");
    } else if (name == "line-break") {
      cells_ > 0 || out_->in_heading() ? out_->Text(" ") : out_->Line();
    } else if (std::string_view(node.name()) == "draw:page") {
      out_->BeginPage();
    } else if (name == "table") {
      BeginTable(node);
    } else if (name == "table-row") {
      first_cell_ = true;
    } else if (name == "table-cell") {
      BeginCell(node);
    }
    return true;
  }

  bool Leave(const pugi::xml_node& node) {
    const std::string_view name = LocalName(node);
    if (name == "h" || name == "p") {
      --blocks_;
      EndBlock(node);
    } else if (name == "table-row") {
      if (cells_ == 0) out_->Line();
    } else if (name == "table-cell") {
      --cells_;
    } else if (name == "table") {
      if (cells_ == 0) out_->Paragraph();
    }
    return true;
  }

  void EndBlock(const pugi::xml_node& node) {
    if (cells_ > 0 || blocks_ > 0) {
      out_->Text(" ");
    } else if (out_->in_heading()) {
      out_->EndHeading();
    } else if (LocalName(node.parent()) == "list-item") {
      out_->Line();
    } else {
      out_->Paragraph();
    }
  }

  void BeginTable(const pugi::xml_node& node) {
    if (cells_ > 0) return;
    out_->Paragraph();
    if (!sheets_) return;
    out_->BeginHeading(1);
    out_->Text(Attribute(node, "name"));
    out_->EndHeading();
  }

  // Repeated cells are stored once and count once: a million empty ones end many rows.
  void BeginCell(const pugi::xml_node& node) {
    if (cells_ == 0 && !first_cell_ && node.first_child()) out_->Cell();
    if (node.first_child()) first_cell_ = false;
    ++cells_;
  }

  const bool sheets_;
  TextBuilder* out_;
  int blocks_ = 0;
  int cells_ = 0;
  bool first_cell_ = false;
};

}  // namespace

Result<Document> ReadOdf(ZipArchive* zip, const std::string& type, const ReaderLimits& limits) {
  auto manifest = zip->Read("META-INF/manifest.xml");
  if (manifest.ok() && manifest.value().find("encryption-data") != std::string::npos) {
    return Error(Code::kUnsupported,
                 "encrypted OpenDocument: needs a password; save it without one");
  }
  MALMOI_TRY(std::string bytes, zip->Read("content.xml"));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, "content.xml", &xml));
  bytes = {};
  const bool sheets = type.find("spreadsheet") != type.npos;
  const bool slides = type.find("presentation") != type.npos;
  TextBuilder out(limits.text_bytes);
  OdfText(sheets, &out).Run(xml);
  out.document().title = CoreTitle(zip, "meta.xml");
  return out.Finish(sheets ? "ods" : slides ? "odp" : "odt");
}

}  // namespace malmoi::ingest
