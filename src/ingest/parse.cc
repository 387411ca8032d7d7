#include <algorithm>
#include <exception>
#include <new>

#include "base/strings.h"
#include "ingest/reader.h"
#include "ingest/readers/charset_internal.h"
#include "ingest/readers/detect_internal.h"
#include "ingest/readers/readers_internal.h"

namespace malmoi::ingest {
namespace {

std::string ExtensionOf(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  const std::string_view base =
      slash == name.npos ? std::string_view(name) : std::string_view(name).substr(slash + 1);
  const std::size_t dot = base.rfind('.');
  // "Dockerfile" and "Makefile" have no dot: the name is the hint.
  return AsciiLower(dot == base.npos ? base : base.substr(dot + 1));
}

Document Unchanged(Document document, std::string format) {
  document.format = std::move(format);
  return document;
}

Result<Document> ParseText(const ReadInput& input) {
  MALMOI_TRY(DecodedText decoded, DecodeText(input.bytes, input.limits.text_bytes));
  Document document;
  document.text = std::move(decoded.text);
  document.encoding = std::move(decoded.encoding);
  switch (DetectText(document.text, input.extension)) {
    case TextKind::kMarkdown:
      return ReadMarkdown(std::move(document));
    case TextKind::kRestructured:
      return ReadRestructured(std::move(document));
    case TextKind::kHtml:
      return ReadHtml(std::move(document), input.limits);
    case TextKind::kXml:
      return ReadXml(std::move(document), input.limits);
    case TextKind::kCode:
      return Unchanged(std::move(document), "code");
    case TextKind::kCsv:
      return Unchanged(std::move(document), "csv");
    case TextKind::kJson:
      return Unchanged(std::move(document), "json");
    case TextKind::kJsonLines:
      return Unchanged(std::move(document), "jsonl");
    case TextKind::kMail:
      // Parts have their own encodings: the bytes matter, unless all is in wide characters.
      if (document.encoding.starts_with("utf-16")) {
        return ReadMail({document.text, input.extension, input.limits});
      }
      return ReadMail(input);
    case TextKind::kPlain:
      return Unchanged(std::move(document), "text");
  }
  return Error(Code::kInternal, "unknown kind of text");
}

Result<Document> ParseAny(const ReadInput& input) {
  const Detected detected = DetectContainer(input.bytes);
  switch (detected.container) {
    case Container::kRefused:
      return Error(Code::kUnsupported, "cannot read a " + std::string(detected.name));
    case Container::kPdf:
      return ReadPdf(input);
    case Container::kZip:
      return ReadZip(input);
    case Container::kCompound:
      return ReadCompound(input);
    case Container::kRtf:
      return ReadRtf(input);
    case Container::kText:
      return ParseText(input);
  }
  return Error(Code::kInternal, "unknown container");
}

}  // namespace

Result<Document> ParseDocument(std::string_view bytes, const std::string& name,
                               const ReaderLimits& limits) {
  if (bytes.size() > limits.file_bytes) {
    return Error(Code::kOutOfRange, "file of " + FormatBytes(bytes.size()) +
                                        " is over the limit of " + FormatBytes(limits.file_bytes));
  }
  // The wall for exceptions of third-party parsers and of the standard library.
  try {
    return ParseAny({bytes, ExtensionOf(name), limits});
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfRange,
                 "needs more memory than the limit of " + FormatBytes(limits.memory_bytes));
  } catch (const std::exception& e) {
    return Error(Code::kCorruption, std::string("parser gave up: ") + e.what());
  }
}

}  // namespace malmoi::ingest
