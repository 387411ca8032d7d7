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

std::string ResolvePart(const std::string& base, const std::string& target) {
  if (target.starts_with('/')) return target.substr(1);
  std::vector<std::string> parts;
  for (const std::string_view part : Split(base, '/')) parts.emplace_back(part);
  if (!parts.empty()) parts.pop_back();
  for (const std::string_view part : Split(target, '/')) {
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
  }
  return Join(parts, "/");
}

std::map<std::string, std::string, std::less<>> Relationships(ZipArchive* zip,
                                                              const std::string& part) {
  std::map<std::string, std::string, std::less<>> targets;
  const std::size_t slash = part.rfind('/');
  const std::size_t name = slash == part.npos ? 0 : slash + 1;
  const std::string rels = part.substr(0, name) + "_rels/" + part.substr(name) + ".rels";
  auto bytes = zip->Read(rels);
  pugi::xml_document xml;
  if (!bytes.ok() || !LoadXml(bytes.value(), rels, &xml).ok()) return targets;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (enter && LocalName(node) == "Relationship" && Attribute(node, "TargetMode") != "External") {
      targets[std::string(Attribute(node, "Id"))] =
          ResolvePart(part, std::string(Attribute(node, "Target")));
    }
    return true;
  });
  return targets;
}

// A zip archive is what its parts say.
Result<Document> ReadZip(const ReadInput& input) {
  MALMOI_TRY(const auto zip, ZipArchive::Open(input.bytes));
  if (zip->Has("word/document.xml")) return ReadDocx(zip.get(), input.limits);
  if (zip->Has("Contents/section0.xml") || zip->Has("Contents/content.hpf")) {
    return ReadHwpx(zip.get(), input.limits);
  }
  if (zip->Has("xl/workbook.xml")) return ReadXlsx(zip.get(), input.limits);
  if (zip->Has("ppt/presentation.xml")) return ReadPptx(zip.get(), input.limits);
  if (zip->Has("mimetype")) {
    MALMOI_TRY(const std::string stored, zip->Read("mimetype"));
    const std::string type(Trim(std::string_view(stored).substr(0, 80)));
    if (type == "application/epub+zip") return ReadEpub(zip.get(), input.limits);
    if (zip->Has("content.xml")) return ReadOdf(zip.get(), type, input.limits);
    return Unsupported("cannot read '" + type + "'");
  }
  if (zip->Has("META-INF/container.xml")) return ReadEpub(zip.get(), input.limits);
  if (zip->Has("Index/Document.iwa") || zip->Has("Index.zip") || zip->Has("index.apxl")) {
    return Unsupported("cannot read an Apple iWork file: export it as PDF");
  }
  return Unsupported("cannot read a zip archive: unpack it");
}

}  // namespace malmoi::ingest
