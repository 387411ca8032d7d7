#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/xml_internal.h"

// EPUB 3.3: the package names its chapters' files in reading order (the spine).
namespace malmoi::ingest {
namespace {

constexpr std::size_t kChaptersMax = 5000;

Result<std::string> PackagePart(ZipArchive* zip) {
  MALMOI_TRY(const std::string bytes, zip->Read("META-INF/container.xml"));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, "META-INF/container.xml", &xml));
  std::string part;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (enter && part.empty() && LocalName(node) == "rootfile") {
      part = Attribute(node, "full-path");
    }
    return true;
  });
  if (part.empty()) return Error(Code::kCorruption, "EPUB without a package");
  return part;
}

std::string PercentDecoded(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto byte = s[i] == '%' ? ParseHex(s.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      out += *byte;
      i += 2;
    } else {
      out.push_back(s[i]);
    }
  }
  return out;
}

void Append(Document chapter, Document* book) {
  const std::uint64_t base = book->text.size();
  for (Document::Heading& h : chapter.headings) {
    h.begin += base;
    h.end += base;
    book->headings.push_back(std::move(h));
  }
  book->text += chapter.text;
  if (!chapter.text.empty()) book->text += "\n";
  for (std::string& w : chapter.warnings) book->warnings.push_back(std::move(w));
}

}  // namespace

Result<Document> ReadEpub(ZipArchive* zip, const ReaderLimits& limits) {
  MALMOI_TRY(const std::string package, PackagePart(zip));
  MALMOI_TRY(const std::string bytes, zip->Read(package));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, package, &xml));
  std::map<std::string, std::string, std::less<>> items;
  std::vector<std::string> spine;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (!enter) return true;
    if (LocalName(node) == "item") {
      items[std::string(Attribute(node, "id"))] =
          ResolvePart(package, PercentDecoded(Attribute(node, "href")));
    } else if (LocalName(node) == "itemref" && spine.size() < kChaptersMax) {
      spine.emplace_back(Attribute(node, "idref"));
    }
    return true;
  });
  Document book;
  for (const std::string& id : spine) {
    const auto item = items.find(id);
    if (item == items.end()) continue;
    auto page = zip->Read(item->second);
    if (!page.ok()) {
      if (page.error().code() == Code::kOutOfRange) return std::move(page.error());
      book.warnings.push_back(page.error().message());
      continue;
    }
    Document source;
    source.text = ToValidUtf8(page.value());
    MALMOI_TRY(Document chapter, ReadHtml(std::move(source), limits));
    Append(std::move(chapter), &book);
    if (book.text.size() > limits.text_bytes) {
      return Error(Code::kOutOfRange, "more than " + FormatBytes(limits.text_bytes) + " of text");
    }
  }
  book.title = CoreTitle(zip, package);
  book.format = "epub";
  return book;
}

}  // namespace malmoi::ingest
