#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/document.h"
#include "ingest/reader.h"

// One parser a file format. Each gets untrusted bytes and answers a Document or a typed error;
// none touches files, the network or global state.
namespace malmoi::ingest {

struct ReadInput {
  std::string_view bytes;
  std::string extension;  // Lower-case, without the dot; a hint.
  const ReaderLimits& limits;
};

// Text formats: `document` comes with text and encoding set.
Result<Document> ReadMarkdown(Document document);
Result<Document> ReadRestructured(Document document);
Result<Document> ReadHtml(Document decoded, const ReaderLimits& limits);
Result<Document> ReadXml(Document decoded, const ReaderLimits& limits);

// Binary formats.
Result<Document> ReadPdf(const ReadInput& input);
Result<Document> ReadRtf(const ReadInput& input);
Result<Document> ReadMail(const ReadInput& input);
Result<Document> ReadZip(const ReadInput& input);
Result<Document> ReadCompound(const ReadInput& input);

// A title or heading without inline Markdown: links become their text, marks and tags go.
std::string StripInlineMarkdown(std::string_view text);

}  // namespace malmoi::ingest
