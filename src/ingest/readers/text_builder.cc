#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/text_builder_internal.h"

namespace malmoi::ingest {
namespace {

// More warnings than this say nothing new.
constexpr std::size_t kWarningsMax = 100;

bool IsBlank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace

bool TextBuilder::Room(std::size_t bytes) {
  if (document_.text.size() + bytes > limit_) full_ = true;
  return !full_;
}

void TextBuilder::Append(std::string_view bytes) {
  if (Room(bytes.size())) document_.text.append(bytes);
}

void TextBuilder::Text(std::string_view text) {
  for (std::size_t at = 0; at < text.size() && !full_;) {
    if (IsBlank(text[at]) || text.substr(at).starts_with("\xC2\xA0")) {
      at += IsBlank(text[at]) ? 1 : 2;
      space_ = true;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !IsBlank(text[end]) &&
           !(text[end] == '\xC2' && text.substr(end).starts_with("\xC2\xA0"))) {
      ++end;
    }
    if (space_ && !at_line_start() && document_.text.back() != '\t') Append(" ");
    space_ = false;
    Append(text.substr(at, end - at));
    at = end;
  }
}

void TextBuilder::Verbatim(std::string_view text) {
  space_ = false;
  Append(text);
}

void TextBuilder::Line() {
  space_ = false;
  if (!at_line_start()) Append("\n");
}

void TextBuilder::Paragraph() {
  Line();
  if (!document_.text.empty() && !document_.text.ends_with("\n\n")) Append("\n");
}

void TextBuilder::Cell() {
  space_ = false;
  Append("\t");
}

void TextBuilder::BeginHeading(std::uint8_t level) {
  if (in_heading()) EndHeading();
  Paragraph();
  heading_level_ = std::max<std::uint8_t>(level, 1);
  heading_begin_ = document_.text.size();
}

void TextBuilder::EndHeading() {
  if (!in_heading()) return;
  const std::uint8_t level = heading_level_;
  heading_level_ = 0;
  const std::string_view title =
      Trim(std::string_view(document_.text).substr(std::min<std::size_t>(heading_begin_, size())));
  if (!title.empty()) {
    document_.headings.push_back({heading_begin_, size(), level, std::string(title)});
  }
  Paragraph();
}

void TextBuilder::BeginPage() {
  Paragraph();
  document_.page_starts.push_back(size());
}

void TextBuilder::Warn(std::string warning) {
  if (document_.warnings.size() < kWarningsMax) document_.warnings.push_back(std::move(warning));
}

Result<Document> TextBuilder::Finish(std::string format) {
  EndHeading();
  if (full_) {
    return Error(Code::kOutOfRange, "more than " + FormatBytes(limit_) +
                                        " of text: split the file or raise the limit");
  }
  std::string& text = document_.text;
  while (!text.empty() && IsBlank(text.back())) text.pop_back();
  if (!text.empty()) text.push_back('\n');
  if (!IsValidUtf8(text)) {
    // Parsers of third parties can hand on stray bytes; a replacement is longer than the byte, so
    // offsets are rebuilt by dropping the byte to '?' instead.
    for (std::size_t at = 0; at < text.size();) {
      const Rune rune = DecodeRune(text, at);
      if (!rune.valid) text[at] = '?';
      at += rune.size;
    }
  }
  for (std::uint64_t& begin : document_.page_starts) begin = std::min(begin, size());
  for (Document::Heading& h : document_.headings) {
    h.end = std::min(h.end, size());
    h.begin = std::min(h.begin, h.end);
    h.title = ToValidUtf8(h.title);
  }
  document_.format = std::move(format);
  return std::move(document_);
}

}  // namespace malmoi::ingest
