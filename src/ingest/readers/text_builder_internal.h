#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/document.h"

namespace malmoi::ingest {

// Builds a Document's text from a structured format: white space runs collapse to one space,
// blocks are separated by line ends, headings and pages are recorded as they come. Stops growing
// at the limit: Finish then answers kOutOfRange.
class TextBuilder {
 public:
  explicit TextBuilder(std::uint64_t text_bytes) : limit_(text_bytes) {}

  // Inline text: any white space run becomes one space, none at a line's begin.
  void Text(std::string_view text);
  // Text kept as it is, line ends included (preformatted).
  void Verbatim(std::string_view text);
  // Ends the line or the paragraph (one blank line), if there is anything to end.
  void Line();
  void Paragraph();
  // Between cells of a table's row.
  void Cell();

  void BeginHeading(std::uint8_t level);
  void EndHeading();  // Drops the heading if it has no text.
  bool in_heading() const { return heading_level_ != 0; }

  void BeginPage();
  void Warn(std::string warning);

  bool full() const { return full_; }
  std::uint64_t limit() const { return limit_; }
  bool at_line_start() const { return document_.text.empty() || document_.text.back() == '\n'; }
  std::uint64_t size() const { return document_.text.size(); }
  Document& document() { return document_; }
  // Ends the last line, trims blank ends and gives the document.
  Result<Document> Finish(std::string format);

 private:
  bool Room(std::size_t bytes);
  void Append(std::string_view bytes);

  std::uint64_t limit_;
  Document document_;
  bool full_ = false;
  bool space_ = false;  // A space is due before the next text.
  std::uint8_t heading_level_ = 0;
  std::uint64_t heading_begin_ = 0;
};

}  // namespace malmoi::ingest
