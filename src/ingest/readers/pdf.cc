#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/pdfium_internal.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/text_builder_internal.h"

// PDFium gives characters in reading order with line ends of its own making; paragraphs and
// headings are inferred here from the lines' places and heights.
namespace malmoi::ingest {
namespace {

constexpr int kPagesMax = 20'000;
// A line this much taller than the body's is a heading, if it is short.
constexpr float kHeadingRatio = 1.18f;
constexpr std::size_t kHeadingRunes = 120;
// A gap between base lines over this many line heights ends a paragraph.
constexpr float kParagraphGap = 1.75f;

struct TextLine {
  std::string text;
  float left = 0;
  float right = 0;
  // Of the first and the last character: PDFium joins the lines of a hyphenated word.
  float first_bottom = 0;
  float last_bottom = 0;
  float height = 0;
  std::size_t runes = 0;
  bool hyphen = false;  // Ends inside a word.
};

struct Page {
  std::vector<TextLine> lines;
};

char32_t LastRune(const std::string& s) {
  std::size_t at = s.size();
  while (at > 0 && (static_cast<unsigned char>(s[at - 1]) & 0xC0) == 0x80) --at;
  return at > 0 ? DecodeRune(s, at - 1).value : 0;
}

// Scripts that put no space between words.
bool JoinsWithoutSpace(char32_t c) {
  return (c >= 0x3001 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
         (c >= 0xFF00 && c <= 0xFF60) || (c >= 0x20000 && c <= 0x3FFFF);
}

bool BeginsItem(const std::string& s) {
  const char32_t c = DecodeRune(s, 0).value;
  if (c == 0x2022 || c == 0x25CF || c == 0x25CB || c == 0x25A0 || c == 0x25A1 || c == 0x25B6 ||
      c == 0xB7 || c == 0x2013 || c == 0x203B || c == 0x2460 || (c >= 0x2461 && c <= 0x2473)) {
    return true;
  }
  if (s.starts_with("- ") || s.starts_with("* ")) return true;
  // "1. " and "(3) " and "12) ".
  std::size_t i = s.starts_with('(') ? 1 : 0;
  const std::size_t digits = i;
  while (i < s.size() && i < digits + 3 && s[i] >= '0' && s[i] <= '9') ++i;
  return i > digits && i + 1 < s.size() && (s[i] == '.' || s[i] == ')') && s[i + 1] == ' ';
}

class PdfReader {
 public:
  PdfReader(const Pdfium& pdf, const ReaderLimits& limits) : pdf_(pdf), out_(limits.text_bytes) {}
  ~PdfReader() {
    if (document_ != nullptr) pdf_.CloseDocument(document_);
  }

  Result<Document> Read(std::string_view bytes) {
    MALMOI_TRY(Open(bytes));
    const int count = pdf_.GetPageCount(document_);
    if (count > kPagesMax) {
      return Error(Code::kOutOfRange, std::to_string(count) + " pages are over the limit of " +
                                          std::to_string(kPagesMax) + ": split the file");
    }
    std::vector<Page> pages;
    std::size_t bytes_read = 0;
    for (int i = 0; i < count; ++i) {
      pages.push_back(ReadPage(i));
      for (const TextLine& line : pages.back().lines) bytes_read += line.text.size() + 1;
      if (bytes_read > limits_bytes()) break;  // Finish tells of the limit.
    }
    if (bytes_read == 0) {
      return Error(Code::kUnsupported, "none of " + std::to_string(count) +
                                           " pages has a text layer: a scan needs recognition of "
                                           "its text (OCR) first");
    }
    MeasureBody(pages);
    for (std::size_t i = 0; i < pages.size(); ++i) WritePage(pages[i]);
    WarnOfEmpty(pages);
    out_.document().title = Title();
    MALMOI_TRY(Document document, out_.Finish("pdf"));
    return document;
  }

 private:
  std::size_t limits_bytes() const { return out_.limit(); }

  Status Open(std::string_view bytes) {
    document_ = pdf_.LoadMemDocument64(bytes.data(), bytes.size(), nullptr);
    if (document_ != nullptr) return Ok();
    switch (pdf_.GetLastError()) {
      case kPdfErrorPassword:
        return Error(Code::kUnsupported, "encrypted PDF: needs a password; save it without one");
      case kPdfErrorSecurity:
        return Error(Code::kUnsupported, "encrypted PDF: its security handler is unknown");
      default:
        return Error(Code::kCorruption, "malformed PDF");
    }
  }

  Page ReadPage(int index) {
    Page page;
    PdfPage* handle = pdf_.LoadPage(document_, index);
    if (handle == nullptr) {
      out_.Warn("page " + std::to_string(index + 1) + ": cannot be loaded");
      return page;
    }
    if (PdfText* text = pdf_.TextLoadPage(handle); text != nullptr) {
      ReadLines(text, &page.lines);
      pdf_.TextClosePage(text);
    }
    pdf_.ClosePage(handle);
    return page;
  }

  void ReadLines(PdfText* text, std::vector<TextLine>* lines) {
    TextLine line;
    const auto flush = [&] {
      const std::string_view trimmed = Trim(line.text);
      if (!trimmed.empty()) {
        line.text = std::string(trimmed);
        line.runes = CountRunes(line.text);
        lines->push_back(std::move(line));
      }
      line = {};
    };
    const int count = pdf_.TextCountChars(text);
    char32_t lead = 0;
    for (int i = 0; i < count; ++i) {
      char32_t c = pdf_.TextGetUnicode(text, i);
      if (c >= 0xD800 && c < 0xDC00) {
        lead = c;
        continue;
      }
      if (c >= 0xDC00 && c < 0xE000) {
        c = lead != 0 ? 0x10000 + ((lead - 0xD800) << 10) + (c - 0xDC00) : 0xFFFD;
      }
      lead = 0;
      if (c == '\r' || c == '\n') {
        flush();
        continue;
      }
      // PDFium marks a hyphen that it takes for a word's break; 2 is its mark in the text.
      if (c == 2 || (c == 0xAD)) {
        line.hyphen = true;
        continue;
      }
      if (c < 0x20 || c == 0xFFFE || c == 0xFFFF) continue;
      line.hyphen = false;
      AppendRune(&line.text, c);
      if (c != ' ') Measure(text, i, &line);
    }
    flush();
  }

  void Measure(PdfText* text, int index, TextLine* line) {
    PdfBox box;
    if (pdf_.TextGetLooseCharBox(text, index, &box) == 0) return;
    const float height = std::abs(box.top - box.bottom);
    if (line->height == 0) {
      line->left = box.left;
      line->first_bottom = std::min(box.top, box.bottom);
    }
    line->last_bottom = std::min(box.top, box.bottom);
    line->right = std::max(line->right, box.right);
    line->height = std::max(line->height, height);
  }

  // The height that most characters have is the body's; the taller ones, tallest first, are the
  // levels of headings.
  void MeasureBody(const std::vector<Page>& pages) {
    std::map<int, std::size_t> runes;  // By height in half points.
    for (const Page& page : pages) {
      for (const TextLine& line : page.lines) {
        runes[static_cast<int>(std::lround(line.height * 2))] += line.runes;
      }
    }
    std::size_t most = 0;
    for (const auto& [height, n] : runes) {
      if (height > 0 && n > most) {
        most = n;
        body_ = static_cast<float>(height) / 2;
      }
    }
    for (auto it = runes.rbegin(); it != runes.rend() && heading_heights_.size() < 4; ++it) {
      if (static_cast<float>(it->first) / 2 >= body_ * kHeadingRatio) {
        heading_heights_.push_back(it->first);
      }
    }
  }

  // 0: not a heading.
  std::uint8_t LevelOf(const TextLine& line) const {
    if (body_ == 0 || line.height < body_ * kHeadingRatio || line.runes > kHeadingRunes ||
        line.runes < 2) {
      return 0;
    }
    const int height = static_cast<int>(std::lround(line.height * 2));
    for (std::size_t i = 0; i < heading_heights_.size(); ++i) {
      if (height >= heading_heights_[i]) return static_cast<std::uint8_t>(i + 1);
    }
    return static_cast<std::uint8_t>(heading_heights_.size());
  }

  static bool EndsParagraph(const TextLine& above, const TextLine& line) {
    const float height = std::max(above.height, line.height);
    if (height == 0) return false;
    const float drop = above.last_bottom - line.first_bottom;
    if (drop > kParagraphGap * height || drop < -0.5f * height) return true;
    if (std::abs(above.height - line.height) > 0.15f * height) return true;
    if (BeginsItem(line.text)) return true;
    // A sentence's end where the next line is indented, or where the line is short.
    const char32_t last = LastRune(above.text);
    const bool stops = last == '.' || last == '!' || last == '?' || last == 0x3002 || last == ':';
    const float indent = line.left - above.left;
    if (stops && indent > 0.5f * height && indent < 4 * height) return true;
    return stops && above.right < line.left + 0.85f * (line.right - line.left);
  }

  void WritePage(const Page& page) {
    out_.BeginPage();
    const TextLine* above = nullptr;
    std::uint8_t heading = 0;
    for (const TextLine& line : page.lines) {
      const std::uint8_t level = LevelOf(line);
      const bool same = above != nullptr && level == heading && !EndsParagraph(*above, line);
      if (!same) {
        if (heading != 0) out_.EndHeading();
        if (above != nullptr) {
          // An item of a list goes on the next line; all else is a paragraph of its own.
          BeginsItem(line.text) ? out_.Line() : out_.Paragraph();
        }
        if (level != 0) out_.BeginHeading(level);
      } else if (!above->hyphen) {
        const bool tight = JoinsWithoutSpace(LastRune(above->text)) &&
                           JoinsWithoutSpace(DecodeRune(line.text, 0).value);
        if (!tight) out_.Text(" ");
      }
      out_.Text(line.text);
      heading = level;
      above = &line;
    }
    if (heading != 0) out_.EndHeading();
  }

  void WarnOfEmpty(const std::vector<Page>& pages) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (!pages[i].lines.empty()) continue;
      std::size_t last = i;
      while (last + 1 < pages.size() && pages[last + 1].lines.empty()) ++last;
      out_.Warn(last == i ? "page " + std::to_string(i + 1) + ": no text layer"
                          : "pages " + std::to_string(i + 1) + "-" + std::to_string(last + 1) +
                                ": no text layer");
      i = last;
    }
  }

  // The information dictionary's, unless a program put its own file name there.
  std::string Title() const {
    std::string wide(2048, '\0');
    const unsigned long size = pdf_.GetMetaText(document_, "Title", wide.data(), wide.size());
    if (size < 4 || size > wide.size()) return {};
    std::string title;
    for (std::size_t i = 0; i + 3 < size; i += 2) {
      char32_t c = static_cast<unsigned char>(wide[i]) |
                   static_cast<char32_t>(static_cast<unsigned char>(wide[i + 1])) << 8;
      if (c >= 0x20) AppendRune(&title, c);
    }
    title = std::string(Trim(title));
    const std::string lower = AsciiLower(title);
    for (const char* bad : {"microsoft word", "untitled", "microsoft powerpoint", ".doc", ".hwp",
                            ".indd", ".tex", ".dvi", ".ppt", ".xls", ".qxd"}) {
      if (lower.find(bad) != lower.npos) return {};
    }
    return title;
  }

  const Pdfium& pdf_;
  TextBuilder out_;
  PdfDocument* document_ = nullptr;
  float body_ = 0;
  std::vector<int> heading_heights_;
};

}  // namespace

Result<Document> ReadPdf(const ReadInput& input) {
  const Pdfium* pdf = LoadPdfium();
  if (pdf == nullptr) {
    return Error(Code::kUnavailable,
                 "PDF needs pdfium/libpdfium.so, which is in no asset folder: run malmoi doctor");
  }
  return PdfReader(*pdf, input.limits).Read(input.bytes);
}

}  // namespace malmoi::ingest
