#include <vector>

#include "base/strings.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/text_builder_internal.h"
#include "ingest/readers/xml_internal.h"

// PresentationML and DrawingML (ECMA-376 part 1, 19 and 21).
namespace malmoi::ingest {
namespace {

constexpr std::size_t kSlidesMax = 5000;

class SlideText {
 public:
  explicit SlideText(TextBuilder* out) : out_(out) {}

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
    if (name == "Fallback" || name == "timing" || name == "extLst") return false;
    if (name == "t") {
      out_->Text(node.text().get());
      return false;
    }
    if (name == "sp") {
      title_ = IsTitle(node);
    } else if (name == "txBody" && title_ && cells_ == 0) {
      out_->BeginHeading(1);
    } else if (name == "br") {
      Break();
    } else if (name == "tc") {
      if (!first_cell_) out_->Cell();
      first_cell_ = false;
      ++cells_;
    } else if (name == "tr") {
      first_cell_ = true;
    }
    return true;
  }

  bool Leave(const pugi::xml_node& node) {
    const std::string_view name = LocalName(node);
    if (name == "p") {
      Break();
    } else if (name == "txBody") {
      if (out_->in_heading()) {
        out_->EndHeading();
      } else if (cells_ == 0) {
        out_->Paragraph();
      }
    } else if (name == "sp") {
      title_ = false;
    } else if (name == "tc") {
      --cells_;
    } else if (name == "tr") {
      out_->Line();
      first_cell_ = false;
    } else if (name == "tbl") {
      out_->Paragraph();
    }
    return true;
  }

  static bool IsTitle(const pugi::xml_node& shape) {
    for (const pugi::xml_node& part : shape.children()) {
      if (LocalName(part) != "nvSpPr") continue;
      for (const pugi::xml_node& properties : part.children()) {
        for (const pugi::xml_node& child : properties.children()) {
          const std::string_view type = Attribute(child, "type");
          if (LocalName(child) == "ph" && (type == "title" || type == "ctrTitle")) return true;
        }
      }
    }
    return false;
  }

  void Break() {
    if (cells_ > 0 || out_->in_heading()) {
      out_->Text(" ");
    } else {
      out_->Line();
    }
  }

  TextBuilder* out_;
  bool title_ = false;
  bool first_cell_ = false;
  int cells_ = 0;
};

}  // namespace

Result<Document> ReadPptx(ZipArchive* zip, const ReaderLimits& limits) {
  const std::string main = "ppt/presentation.xml";
  MALMOI_TRY(const std::string bytes, zip->Read(main));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, main, &xml));
  const auto targets = Relationships(zip, main);
  std::vector<std::string> slides;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (enter && LocalName(node) == "sldId" && slides.size() < kSlidesMax) {
      // Both "id" and "r:id" are there: the relationship's is the one that is known.
      for (const pugi::xml_attribute& a : node.attributes()) {
        const auto found = targets.find(a.value());
        if (found != targets.end()) slides.push_back(found->second);
      }
    }
    return true;
  });
  TextBuilder out(limits.text_bytes);
  for (std::size_t i = 0; i < slides.size() && !out.full(); ++i) {
    out.BeginPage();
    auto slide = zip->Read(slides[i]);
    pugi::xml_document tree;
    if (slide.ok() && LoadXml(slide.value(), slides[i], &tree).ok()) {
      SlideText(&out).Run(tree);
    } else if (!slide.ok() && slide.error().code() != Code::kNotFound &&
               slide.error().code() != Code::kCorruption) {
      return std::move(slide.error());  // A limit or a password.
    } else {
      out.Warn("slide " + std::to_string(i + 1) + ": cannot be read");
    }
  }
  out.document().title = CoreTitle(zip, "docProps/core.xml");
  return out.Finish("pptx");
}

}  // namespace malmoi::ingest
