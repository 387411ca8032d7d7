#include "base/strings.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/xml_internal.h"

namespace malmoi::ingest {
namespace {

Error Unsupported(const std::string& what) {
  return Error(Code::kUnsupported, what);
}

}  // namespace

std::string CoreTitle(ZipArchive* zip, const std::string& part) {
  if (!zip->Has(part)) return {};
  auto bytes = zip->Read(part);
  pugi::xml_document xml;
  if (!bytes.ok() || !LoadXml(bytes.value(), part, &xml).ok()) return {};
  std::string title;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (enter && title.empty() && LocalName(node) == "title") {
      title = std::string(Trim(node.text().get()));
    }
    return true;
  });
  return title;
}

// A zip archive is what its parts say.
Result<Document> ReadZip(const ReadInput& input) {
  MALMOI_TRY(const auto zip, ZipArchive::Open(input.bytes));
  if (zip->Has("word/document.xml")) return ReadDocx(zip.get(), input.limits);
  if (zip->Has("Contents/section0.xml") || zip->Has("Contents/content.hpf")) {
    return ReadHwpx(zip.get(), input.limits);
  }
  if (zip->Has("xl/workbook.xml")) return Unsupported("cannot read XLSX: save it as CSV");
  if (zip->Has("ppt/presentation.xml")) return Unsupported("cannot read PPTX: save it as PDF");
  if (zip->Has("mimetype")) {
    MALMOI_TRY(const std::string type, zip->Read("mimetype"));
    return Unsupported("cannot read '" + std::string(Trim(std::string_view(type).substr(0, 80))) +
                       "'");
  }
  if (zip->Has("Index/Document.iwa") || zip->Has("Index.zip")) {
    return Unsupported("cannot read an Apple iWork file: export it as PDF");
  }
  return Unsupported("cannot read a zip archive: unpack it");
}

}  // namespace malmoi::ingest
