#include <algorithm>

#include "base/strings.h"
#include "ingest/readers/readers_internal.h"

// Headings of CommonMark 0.31 (4.2 ATX, 4.3 setext, 4.5 fences) by lines, without a full parse:
// the text stays as it is, only offsets of headings are wanted.
namespace malmoi::ingest {
namespace {

struct Line {
  std::string_view text;  // Without its line end.
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // Before the line end.
};

std::size_t RunOf(std::string_view s, char c) {
  const std::size_t n = s.find_first_not_of(c);
  return n == s.npos ? s.size() : n;
}

// "## Title ##" or nothing: level 0.
std::uint8_t AtxLevel(std::string_view line) {
  const std::size_t indent = RunOf(line, ' ');
  if (indent > 3) return 0;
  line.remove_prefix(indent);
  const std::size_t marks = RunOf(line, '#');
  if (marks == 0 || marks > 6) return 0;
  if (line.size() > marks && line[marks] != ' ' && line[marks] != '\t') return 0;
  return static_cast<std::uint8_t>(marks);
}

std::string_view AtxTitle(std::string_view line) {
  line = Trim(line);
  line.remove_prefix(std::min(line.size(), RunOf(line, '#')));
  line = Trim(line);
  std::size_t end = line.size();
  while (end > 0 && line[end - 1] == '#') --end;
  if (end == 0 || line[end - 1] == ' ') line = Trim(line.substr(0, end));
  return line;
}

// A line of only = or - under a paragraph's single line.
std::uint8_t SetextLevel(std::string_view line) {
  if (RunOf(line, ' ') > 3) return 0;
  line = Trim(line);
  if (line.empty()) return 0;
  if (RunOf(line, '=') == line.size()) return 1;
  if (RunOf(line, '-') == line.size()) return 2;
  return 0;
}

// The line could be a paragraph that a setext underline makes a heading.
bool IsParagraphLine(std::string_view line) {
  const std::string_view t = Trim(line);
  if (t.empty() || RunOf(line, ' ') > 3) return false;
  return t[0] != '#' && t[0] != '>' && t[0] != '|' && !t.starts_with("- ") &&
         !t.starts_with("* ") && !t.starts_with("+ ");
}

class MarkdownLines {
 public:
  explicit MarkdownLines(std::string_view text) : text_(text) {}
  bool Next(Line* line) {
    if (at_ >= text_.size()) return false;
    const std::size_t newline = std::min(text_.find('\n', at_), text_.size());
    std::size_t end = newline;
    if (end > at_ && text_[end - 1] == '\r') --end;
    *line = {text_.substr(at_, end - at_), at_, end};
    at_ = newline + 1;
    return true;
  }
  std::uint64_t at() const { return at_; }
  void Seek(std::uint64_t at) { at_ = at; }

 private:
  std::string_view text_;
  std::uint64_t at_ = 0;
};

// YAML between "---" lines at the very begin; takes its title, if it has one. Returns where the
// body begins.
std::uint64_t SkipFrontMatter(std::string_view text, std::string* title) {
  const std::uint64_t mark = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  MarkdownLines lines(text);
  lines.Seek(mark);
  Line line;
  if (!lines.Next(&line) || Trim(line.text) != "---" || line.text[0] != '-') return mark;
  std::string found;
  for (int i = 0; i < 200 && lines.Next(&line); ++i) {
    if (line.text == "---" || line.text == "...") {
      *title = found;
      return std::min<std::uint64_t>(lines.at(), text.size());
    }
    if (line.text.starts_with("title:")) {
      std::string_view value = Trim(line.text.substr(6));
      if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) {
        value = value.substr(1, value.size() - 2);
      }
      found = value;
    }
  }
  return mark;  // No end: a rule, not front matter.
}

}  // namespace

std::string StripInlineMarkdown(std::string_view text) {
  text = Trim(text);
  // Attribute lists, as Python-Markdown and Pandoc write them: "Title { #anchor .class }".
  if (text.ends_with('}')) {
    const std::size_t open = text.rfind('{');
    if (open != text.npos && open > 0) {
      const std::string_view inside = Trim(text.substr(open + 1, text.size() - open - 2));
      if (!inside.empty() && (inside[0] == '#' || inside[0] == '.' || inside[0] == ':')) {
        text = Trim(text.substr(0, open));
      }
    }
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() &&
        std::string_view("\\`*_{}[]()#+-.!<>|").find(text[i + 1]) != std::string_view::npos) {
      out.push_back(text[++i]);
    } else if (c == '<') {
      const std::size_t close = text.find('>', i);
      const char next = i + 1 < text.size() ? text[i + 1] : ' ';
      const bool tag = close != text.npos && (next == '/' || (next >= 'a' && next <= 'z') ||
                                              (next >= 'A' && next <= 'Z'));
      if (tag) {
        i = close;
      } else {
        out.push_back(c);
      }
    } else if (c == ']' && i + 1 < text.size() && (text[i + 1] == '(' || text[i + 1] == '[')) {
      const std::size_t close = text.find(text[i + 1] == '(' ? ')' : ']', i + 1);
      if (close != text.npos) i = close;
    } else if (c == '`' || c == '*' || c == '[' || c == ']' ||
               (c == '!' && i + 1 < text.size() && text[i + 1] == '[')) {
      continue;
    } else if (c == '_' && (i == 0 || text[i - 1] == ' ' || i + 1 == text.size() ||
                            text[i + 1] == ' ' || text[i + 1] == '_' || text[i - 1] == '_')) {
      continue;  // Emphasis, not snake_case. Dunder names in titles are in code spans.
    } else {
      out.push_back(c);
    }
  }
  return std::string(Trim(out));
}

Result<Document> ReadMarkdown(Document document) {
  document.format = "markdown";
  const std::string_view text = document.text;
  MarkdownLines lines(text);
  lines.Seek(SkipFrontMatter(text, &document.title));
  std::string_view fence;
  bool paragraph = false;  // The line above is a paragraph's first and only one.
  bool deeper = false;     // The line above continues a paragraph: its underline is a heading of
                           // several lines, which is taken from the last line on.
  Line line;
  Line above;
  while (lines.Next(&line)) {
    const std::string_view trimmed = Trim(line.text);
    const bool marks = trimmed.starts_with("```") || trimmed.starts_with("~~~");
    if (!fence.empty()) {
      const bool closes =
          marks && trimmed.starts_with(fence) && RunOf(trimmed, fence[0]) == trimmed.size();
      if (closes) fence = {};
      continue;
    }
    if (marks) {
      fence = trimmed.substr(0, RunOf(trimmed, trimmed[0]));
      paragraph = deeper = false;
      continue;
    }
    if (const std::uint8_t level = AtxLevel(line.text); level != 0) {
      std::string title = StripInlineMarkdown(AtxTitle(line.text));
      document.headings.push_back({line.begin, line.end, level, std::move(title)});
      paragraph = deeper = false;
      continue;
    }
    if (const std::uint8_t level = SetextLevel(line.text); level != 0 && (paragraph || deeper)) {
      if (trimmed.size() > 1 || level == 1) {
        document.headings.push_back(
            {above.begin, line.end, level, StripInlineMarkdown(above.text)});
      }
      paragraph = deeper = false;
      continue;
    }
    const bool was = paragraph || deeper;
    const bool is = IsParagraphLine(line.text);
    deeper = is && was;
    paragraph = is && !was;
    above = line;
  }
  std::erase_if(document.headings, [](const auto& h) { return h.title.empty(); });
  if (document.title.empty() && !document.headings.empty()) {
    document.title = document.headings.front().title;
  }
  return document;
}

}  // namespace malmoi::ingest
