#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/readers_internal.h"

// reStructuredText as text, with its section titles (docutils specification, "Sections"): a line
// with a line of one punctuation character under it at least as long, and perhaps the same above.
// Levels are in order of first appearance.
namespace malmoi::ingest {
namespace {

bool IsRule(std::string_view line) {
  if (line.size() < 3 ||
      std::string_view("=-~^\"'`#*+.:_<>!$%&,/?@").find(line[0]) == std::string_view::npos) {
    return false;
  }
  return line.find_first_not_of(line[0]) == line.npos;
}

struct TextLine {
  std::string_view text;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::vector<TextLine> LinesOf(std::string_view text) {
  std::vector<TextLine> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = std::min(text.find('\n', at), text.size());
    std::size_t end = newline;
    while (end > at && (text[end - 1] == '\r' || text[end - 1] == ' ')) --end;
    out.push_back({text.substr(at, end - at), at, end});
    at = newline + 1;
  }
  return out;
}

std::string StripRoles(std::string_view title) {
  std::string out;
  for (const char c : title) {
    if (c != '`' && c != '*') out.push_back(c);
  }
  return std::string(Trim(out));
}

// A preamble of "Name: value" lines, as Python's PEPs begin, with a title among them.
std::string PreambleTitle(const std::vector<TextLine>& lines) {
  for (std::size_t i = 0; i < lines.size() && i < 30 && !lines[i].text.empty(); ++i) {
    if (lines[i].text.starts_with("Title:")) return std::string(Trim(lines[i].text.substr(6)));
  }
  return {};
}

}  // namespace

Result<Document> ReadRestructured(Document document) {
  document.format = "text";
  const std::vector<TextLine> lines = LinesOf(document.text);
  document.title = PreambleTitle(lines);
  std::vector<std::string> styles;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    const std::string_view title = lines[i].text;
    const std::string_view under = lines[i + 1].text;
    if (title.empty() || IsRule(title) || !IsRule(under)) continue;
    const bool over = i > 0 && lines[i - 1].text == under;
    const bool first = i == 0 || lines[i - 1].text.empty() || over;
    if (!first || (title[0] == ' ' && !over) || under.size() < CountRunes(Trim(title))) continue;
    const std::string style = std::string(1, under[0]) + (over ? "o" : "");
    auto found = std::find(styles.begin(), styles.end(), style);
    if (found == styles.end()) found = styles.insert(styles.end(), style);
    const auto level =
        static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(found - styles.begin() + 1, 255));
    document.headings.push_back(
        {over ? lines[i - 1].begin : lines[i].begin, lines[i + 1].end, level, StripRoles(title)});
    ++i;
  }
  if (document.title.empty() && !document.headings.empty()) {
    document.title = document.headings.front().title;
  }
  return document;
}

}  // namespace malmoi::ingest
