// Chunks in four steps, each a pass over the text:
//   sections   the text between headings, with the path of headings above;
//   blocks     paragraphs, code fences, rows of a table file;
//   pieces     blocks that are too large, cut at sentences, lines or words;
//   packing    pieces gathered up to the target, remainders and bare headings joined to a
//              neighbour.
#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/document.h"
#include "text/sentences.h"

namespace malmoi::ingest {
namespace {

// Weights in fifths, so that sums are exact: a wide character is 1, any other 0.4.
constexpr std::uint64_t kUnit = 5;
constexpr std::uint64_t kWide = 5;
constexpr std::uint64_t kNarrow = 2;
// Longer titles are cut in a path: a path is context, and is embedded with every chunk.
constexpr std::size_t kTitleBytes = 200;

bool IsWide(char32_t c) {
  return (c >= 0x1100 && c <= 0x11FF) || (c >= 0x3041 && c <= 0x30FF) ||
         (c >= 0x3130 && c <= 0x318F) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xA960 && c <= 0xA97F) ||
         (c >= 0xAC00 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0xFF66 && c <= 0xFFDC) || (c >= 0x20000 && c <= 0x3FFFF);
}

bool IsBlank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

struct Piece {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct Section {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t body = 0;         // Where the heading's line ends; `begin` where there is none.
  std::vector<std::string> path;  // Titles from the document's down to this section's.
};

class Chunker {
 public:
  Chunker(const Document& document, const ChunkOptions& options)
      : document_(document),
        text_(document.text),
        max_(std::max<std::uint64_t>(options.max, 8) * kUnit),
        target_(std::min(std::max<std::uint64_t>(options.target, 4) * kUnit, max_)) {}

  std::vector<Chunk> Run() {
    for (const Section& section : Sections()) AddSection(section);
    JoinSmall();
    std::vector<Chunk> out;
    out.reserve(drafts_.size());
    for (const Draft& d : drafts_) out.push_back({d.begin, d.end, Join(d.path, " > ")});
    return out;
  }

 private:
  struct Draft {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::vector<std::string> path;
    bool only_heading = false;
  };

  std::uint64_t Weight(std::uint64_t begin, std::uint64_t end) const {
    std::uint64_t weight = 0;
    for (std::uint64_t at = begin; at < end;) {
      const Rune rune = DecodeRune(text_, at);
      weight += IsWide(rune.value) ? kWide : kNarrow;
      at += rune.size;
    }
    return weight;
  }

  Piece Trimmed(std::uint64_t begin, std::uint64_t end) const {
    while (begin < end && IsBlank(text_[begin])) ++begin;
    while (end > begin && IsBlank(text_[end - 1])) --end;
    return {begin, end};
  }

  std::string PathTitle(std::string_view title) const {
    title = Trim(title);
    if (title.size() <= kTitleBytes) return std::string(title);
    return std::string(title.substr(0, FloorRune(title, kTitleBytes)));
  }

  std::vector<Section> Sections() const;
  std::vector<Piece> Blocks(std::uint64_t begin, std::uint64_t end) const;
  void CutBlock(Piece block, std::vector<Piece>* out) const;
  void CutLong(Piece piece, std::vector<Piece>* out) const;
  std::vector<Piece> Lines(Piece block) const;
  void AddSection(const Section& section);
  void JoinSmall();
  bool RowsOnly() const {
    return document_.format == "csv" || document_.format == "jsonl" || document_.format == "json";
  }
  // Prose that introduces what follows: should not end a chunk.
  bool Introduces(const Piece& p) const { return p.end > p.begin && text_[p.end - 1] == ':'; }

  const Document& document_;
  std::string_view text_;
  std::uint64_t max_;
  std::uint64_t target_;
  std::vector<Draft> drafts_;
};

std::vector<Section> Chunker::Sections() const {
  std::vector<Section> out;
  std::vector<std::string> base;
  if (std::string title = PathTitle(document_.title); !title.empty()) base.push_back(title);
  if (document_.format == "csv") {  // Every row's chunk should know its columns.
    const std::string_view header(text_.substr(0, text_.find('\n')));
    if (std::string title = PathTitle(header); !title.empty()) base.push_back(title);
  }
  std::vector<std::pair<std::uint8_t, std::string>> open;
  out.push_back({0, text_.size(), 0, base});
  for (const Document::Heading& h : document_.headings) {
    if (h.begin < out.back().begin || h.end < h.begin || h.end > text_.size()) continue;
    while (!open.empty() && open.back().first >= h.level) open.pop_back();
    open.emplace_back(h.level, PathTitle(h.title));
    std::vector<std::string> path = base;
    for (const auto& [level, title] : open) {
      if (!title.empty() && (path.empty() || path.back() != title)) path.push_back(title);
    }
    out.back().end = h.begin;
    out.push_back({h.begin, text_.size(), h.end, std::move(path)});
  }
  return out;
}

// Paragraphs: separated by blank lines, except within a fence.
std::vector<Piece> Chunker::Blocks(std::uint64_t begin, std::uint64_t end) const {
  std::vector<Piece> out;
  const bool rows = RowsOnly();
  const bool fences = document_.format == "markdown";
  std::uint64_t open = begin;
  std::string_view fence;  // The open fence's marks.
  const auto flush = [&](std::uint64_t at) {
    const Piece piece = Trimmed(open, at);
    if (piece.begin < piece.end) out.push_back(piece);
    open = at;
  };
  for (std::uint64_t at = begin; at < end;) {
    const std::uint64_t newline = std::min<std::uint64_t>(text_.find('\n', at), end);
    const std::uint64_t next = std::min(newline + 1, end);
    const std::string_view line = Trim(text_.substr(at, newline - at));
    const bool mark = fences && (line.starts_with("```") || line.starts_with("~~~"));
    if (!fence.empty()) {
      // A closing fence is of the same character, at least as long and alone on its line.
      if (mark && line.starts_with(fence) && line.find_first_not_of(fence[0]) == line.npos) {
        fence = {};
        flush(next);
      }
    } else if (mark) {
      flush(at);
      const std::size_t marks = line.find_first_not_of(line[0]);
      fence = line.substr(0, marks);
    } else if (line.empty() || rows) {
      flush(next);
    }
    at = next;
  }
  flush(end);
  return out;
}

std::vector<Piece> Chunker::Lines(Piece block) const {
  std::vector<Piece> out;
  for (std::uint64_t at = block.begin; at < block.end;) {
    const std::uint64_t newline = std::min<std::uint64_t>(text_.find('\n', at), block.end);
    const Piece piece = Trimmed(at, newline);
    if (piece.begin < piece.end) out.push_back(piece);
    at = newline + 1;
  }
  return out;
}

// A run without sentence ends that is over the limit: at the last space within it, else anywhere
// between code points.
void Chunker::CutLong(Piece piece, std::vector<Piece>* out) const {
  while (piece.begin < piece.end) {
    std::uint64_t weight = 0;
    std::uint64_t at = piece.begin;
    std::uint64_t space = 0;
    while (at < piece.end) {
      const Rune rune = DecodeRune(text_, at);
      weight += IsWide(rune.value) ? kWide : kNarrow;
      if (weight > target_) break;
      if (IsBlank(text_[at])) space = at;
      at += rune.size;
    }
    if (at < piece.end && space > piece.begin) at = space;
    const Piece head = Trimmed(piece.begin, at);
    if (head.begin < head.end) out->push_back(head);
    piece = Trimmed(at, piece.end);
  }
}

void Chunker::CutBlock(Piece block, std::vector<Piece>* out) const {
  if (Weight(block.begin, block.end) <= max_) {
    out->push_back(block);
    return;
  }
  const std::string_view view = text_.substr(block.begin, block.end - block.begin);
  const bool by_line = document_.format == "code" || RowsOnly() || view.starts_with("```") ||
                       view.starts_with("~~~") || view.starts_with("|");
  std::vector<Piece> parts;
  if (by_line) {
    parts = Lines(block);
  } else {
    // Each sentence up to the next: what the splitter takes for white space beyond ASCII's stays.
    std::uint64_t begin = block.begin;
    const std::vector<text::ByteSpan> sentences = text::Sentences(view);
    for (std::size_t i = 1; i <= sentences.size(); ++i) {
      const std::uint64_t end = i < sentences.size() ? block.begin + sentences[i].begin : block.end;
      const Piece part = Trimmed(begin, end);
      if (part.begin < part.end) parts.push_back(part);
      begin = end;
    }
    if (sentences.empty()) parts.push_back(block);
  }
  for (const Piece& part : parts) {
    if (Weight(part.begin, part.end) <= max_) {
      out->push_back(part);
    } else {
      CutLong(part, out);
    }
  }
}

void Chunker::AddSection(const Section& section) {
  std::vector<Piece> pieces;
  for (const Piece& block : Blocks(section.begin, section.end)) CutBlock(block, &pieces);
  if (pieces.empty()) return;
  const std::size_t first_draft = drafts_.size();
  std::size_t first = 0;
  const auto flush = [&](std::size_t end) {
    drafts_.push_back({pieces[first].begin, pieces[end - 1].end, section.path, false});
    first = end;
  };
  std::uint64_t weight = Weight(pieces[0].begin, pieces[0].end);
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const std::uint64_t gap = Weight(pieces[i - 1].end, pieces[i].begin);
    const std::uint64_t own = Weight(pieces[i].begin, pieces[i].end);
    // A section's heading or a remainder too small to stand alone may pass the target, not the
    // limit.
    const std::uint64_t limit = weight < target_ / 4 ? max_ : target_;
    if (weight + gap + own <= limit) {
      weight += gap + own;
      continue;
    }
    const bool carry = i - first > 1 && Introduces(pieces[i - 1]) &&
                       Weight(pieces[i - 1].begin, pieces[i].end) <= max_;
    flush(carry ? i - 1 : i);
    weight = Weight(pieces[first].begin, pieces[i].end);
  }
  flush(pieces.size());
  if (drafts_.size() - first_draft >= 2) {
    const Draft& last = drafts_.back();
    Draft& previous = drafts_[drafts_.size() - 2];
    if (Weight(last.begin, last.end) < target_ / 4 && Weight(previous.begin, last.end) <= max_) {
      previous.end = last.end;
      drafts_.pop_back();
    }
  }
  Draft& head = drafts_[first_draft];
  head.only_heading = section.body > section.begin && head.end <= section.body;
}

// Joins a heading without a body to what follows, and passages of a few words to a neighbour:
// alone they would be found for the wrong reasons. The path of a joined chunk is what both have
// above them.
void Chunker::JoinSmall() {
  std::vector<Draft> out;
  for (Draft& d : drafts_) {
    if (!out.empty()) {
      Draft& previous = out.back();
      const std::uint64_t joined = Weight(previous.begin, d.end);
      const bool tiny = Weight(previous.begin, previous.end) < target_ / 4 ||
                        Weight(d.begin, d.end) < target_ / 4;
      if (previous.only_heading && joined <= max_) {
        d.begin = previous.begin;
        previous = std::move(d);
        continue;
      }
      const auto common =
          std::mismatch(previous.path.begin(), previous.path.end(), d.path.begin(), d.path.end());
      const auto shared = static_cast<std::size_t>(common.first - previous.path.begin());
      if (tiny && joined <= target_ && !d.only_heading &&
          (shared > 0 || (previous.path.empty() && d.path.empty()))) {
        previous.end = d.end;
        previous.path.resize(shared);
        continue;
      }
    }
    out.push_back(std::move(d));
  }
  drafts_ = std::move(out);
}

}  // namespace

std::vector<Chunk> ChunkDocument(const Document& document, const ChunkOptions& options) {
  return Chunker(document, options).Run();
}

}  // namespace malmoi::ingest
