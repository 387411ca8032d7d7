#include <algorithm>
#include <map>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/charset_internal.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/text_builder_internal.h"

// Rich Text Format 1.9.1: groups, control words, bytes in the code page of their font.
namespace malmoi::ingest {
namespace {

constexpr std::size_t kGroupsMax = 2000;

// Encodings by code page (\ansicpg) and by font character set (\fcharset).
std::string OfCodePage(std::int64_t page) {
  switch (page) {
    case 932:
      return "shift_jis";
    case 936:
      return "gb18030";
    case 949:
      return "cp949";
    case 950:
      return "big5";
    case 65001:
      return "utf-8";
    default:
      return page >= 1250 && page <= 1258 ? "windows-" + std::to_string(page) : "windows-1252";
  }
}

std::string OfCharset(std::int64_t charset) {
  switch (charset) {
    case 128:
      return "shift_jis";
    case 129:
      return "cp949";
    case 134:
      return "gb18030";
    case 136:
      return "big5";
    case 161:
      return "windows-1253";
    case 162:
      return "windows-1254";
    case 177:
      return "windows-1255";
    case 178:
      return "windows-1256";
    case 186:
      return "windows-1257";
    case 204:
      return "windows-1251";
    case 238:
      return "windows-1250";
    default:
      return {};
  }
}

// Groups that hold no text of the document.
bool IsDestinationWithoutText(std::string_view word) {
  for (const std::string_view skipped : {"fonttbl",
                                         "colortbl",
                                         "stylesheet",
                                         "pict",
                                         "object",
                                         "objdata",
                                         "themedata",
                                         "info",
                                         "generator",
                                         "listtable",
                                         "listoverridetable",
                                         "rsidtbl",
                                         "fldinst",
                                         "header",
                                         "headerl",
                                         "headerr",
                                         "headerf",
                                         "footer",
                                         "footerl",
                                         "footerr",
                                         "footerf",
                                         "xmlnstbl",
                                         "datastore",
                                         "latentstyles",
                                         "filetbl",
                                         "revtbl",
                                         "pgdsctbl",
                                         "bkmkstart",
                                         "bkmkend",
                                         "datafield",
                                         "nonshppict",
                                         "listtext",
                                         "mmathPr",
                                         "colorschememapping",
                                         "falt",
                                         "panose"}) {
    if (word == skipped) return true;
  }
  return false;
}

class RtfReader {
 public:
  RtfReader(std::string_view bytes, const ReaderLimits& limits)
      : bytes_(bytes), out_(limits.text_bytes), text_bytes_(limits.text_bytes) {}

  Result<Document> Read() {
    groups_.push_back({});
    while (at_ < bytes_.size() && !out_.full()) {
      const char c = bytes_[at_++];
      if (c == '{') {
        Flush();
        if (groups_.size() > kGroupsMax) {
          return Error(Code::kOutOfRange,
                       "nested deeper than " + std::to_string(kGroupsMax) + " groups");
        }
        groups_.push_back(groups_.back());
      } else if (c == '}') {
        Flush();
        if (groups_.size() > 1) groups_.pop_back();
      } else if (c == '\\') {
        Control();
      } else if (c != '\r' && c != '\n' && c != '\0') {
        Byte(c);
      }
    }
    Flush();
    out_.document().title = title_;
    return out_.Finish("rtf");
  }

 private:
  struct Group {
    bool skip = false;
    bool fonts = false;
    bool title = false;
    std::int64_t font = -1;
    int unicode_skip = 1;  // Bytes that stand for a \u in programs that know none.
  };

  Group& group() { return groups_.back(); }

  void Byte(char c) {
    if (pending_skip_ > 0) {
      --pending_skip_;
      return;
    }
    if (!group().skip || group().title) run_.push_back(c);
  }

  // Bytes wait until their run is complete: two \' may be one character.
  void Flush() {
    if (run_.empty()) return;
    const std::string encoding = Encoding();
    auto text = ConvertText(run_, encoding.empty() ? code_page_ : encoding, text_bytes_);
    // "ANSI" fonts hold Western text, or that of the document's code page where programs took
    // ANSI for the system's own.
    const bool ill = text.ok() && text.value().find("\xEF\xBF\xBD") != std::string::npos;
    if (ill && encoding.empty()) text = ConvertText(run_, "windows-1252", text_bytes_);
    Put(text.ok() ? text.value() : std::string("?"));
    run_.clear();
  }

  // Of the font; empty where it does not tell.
  std::string Encoding() {
    const auto font = fonts_.find(group().font >= 0 ? group().font : default_font_);
    return font != fonts_.end() ? font->second : std::string();
  }

  void Put(std::string_view text) {
    if (group().title) {
      title_ += text;
    } else if (!group().skip) {
      out_.Text(text);
    }
  }

  void Control() {
    if (at_ >= bytes_.size()) return;
    const char c = bytes_[at_];
    if (c == '\'') {
      const auto byte = ParseHex(bytes_.substr(at_ + 1, 2));
      at_ = std::min(at_ + 3, bytes_.size());
      if (byte && byte->size() == 1) Byte((*byte)[0]);
      return;
    }
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
      ++at_;
      Symbol(c);
      return;
    }
    std::size_t end = at_;
    while (end < bytes_.size() && end - at_ < 32 &&
           ((bytes_[end] >= 'a' && bytes_[end] <= 'z') ||
            (bytes_[end] >= 'A' && bytes_[end] <= 'Z'))) {
      ++end;
    }
    const std::string_view word = bytes_.substr(at_, end - at_);
    std::size_t digits = end;
    if (digits < bytes_.size() && bytes_[digits] == '-') ++digits;
    while (digits < bytes_.size() && digits - end < 12 && bytes_[digits] >= '0' &&
           bytes_[digits] <= '9') {
      ++digits;
    }
    const auto number = ParseInt(bytes_.substr(end, digits - end));
    at_ = digits;
    if (at_ < bytes_.size() && bytes_[at_] == ' ') ++at_;
    Word(word, number);
  }

  void Symbol(char c) {
    switch (c) {
      case '\\':
      case '{':
      case '}':
        Byte(c);
        break;
      case '~':
        Byte(' ');
        break;
      case '_':
        Byte('-');
        break;
      case '*':  // A destination that programs may not know.
        group().skip = true;
        break;
      case '\r':
      case '\n':
        Line();
        break;
      default:
        break;
    }
  }

  void Line() {
    Flush();
    if (!group().skip) out_.Line();
  }

  void Word(std::string_view word, std::optional<std::int64_t> number) {
    const std::int64_t n = number.value_or(0);
    if (word == "u") {
      Unicode(n);
    } else if (word == "par" || word == "sect" || word == "page") {
      Flush();
      if (!group().skip) out_.Paragraph();
    } else if (word == "line" || word == "row") {
      Line();
    } else if (word == "cell" || word == "tab") {
      Flush();
      if (!group().skip) word == "cell" ? out_.Cell() : out_.Text(" ");
    } else if (word == "bin") {
      at_ = n > 0 ? std::min<std::size_t>(bytes_.size(), at_ + static_cast<std::size_t>(n)) : at_;
    } else if (word == "uc") {
      group().unicode_skip = static_cast<int>(std::clamp<std::int64_t>(n, 0, 8));
    } else if (word == "ansicpg") {
      code_page_ = OfCodePage(n);
    } else if (word == "deff") {
      default_font_ = n;
    } else if (word == "f") {
      Flush();
      group().font = n;
    } else if (word == "fcharset") {
      if (group().fonts) fonts_[group().font] = OfCharset(n);
    } else if (word == "title") {
      group().title = true;
      title_.clear();  // The form in Unicode comes second.
    } else if (word == "ud") {
      group().skip = false;
    } else if (IsDestinationWithoutText(word)) {
      Flush();
      group().skip = true;
      group().fonts |= word == "fonttbl";
    } else {
      Named(word);
    }
  }

  void Named(std::string_view word) {
    static constexpr std::pair<std::string_view, char32_t> kNamed[] = {
        {"emdash", 0x2014}, {"endash", 0x2013},    {"lquote", 0x2018},
        {"rquote", 0x2019}, {"ldblquote", 0x201C}, {"rdblquote", 0x201D},
        {"bullet", 0x2022}, {"emspace", ' '},      {"enspace", ' '}};
    for (const auto& [name, rune] : kNamed) {
      if (name != word) continue;
      Flush();
      std::string text;
      AppendRune(&text, rune);
      Put(text);
    }
  }

  void Unicode(std::int64_t n) {
    Flush();
    const auto unit = static_cast<char32_t>(n & 0xFFFF);
    pending_skip_ = group().unicode_skip;
    if (unit >= 0xD800 && unit < 0xDC00) {
      lead_ = unit;
      return;
    }
    char32_t rune = unit;
    if (unit >= 0xDC00 && unit < 0xE000 && lead_ != 0) {
      rune = 0x10000 + ((lead_ - 0xD800) << 10) + (unit - 0xDC00);
    }
    lead_ = 0;
    std::string text;
    AppendRune(&text, rune);
    Put(text);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  TextBuilder out_;
  std::uint64_t text_bytes_;
  std::vector<Group> groups_;
  std::map<std::int64_t, std::string> fonts_;  // Encodings.
  std::int64_t default_font_ = 0;
  std::string code_page_ = "windows-1252";
  std::string run_;
  std::string title_;
  int pending_skip_ = 0;
  char32_t lead_ = 0;
};

}  // namespace

Result<Document> ReadRtf(const ReadInput& input) {
  return RtfReader(input.bytes, input.limits).Read();
}

}  // namespace malmoi::ingest
