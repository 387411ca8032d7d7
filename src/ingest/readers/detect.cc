#include <array>

#include "base/strings.h"
#include "ingest/readers/detect_internal.h"

namespace malmoi::ingest {
namespace {

using std::string_view_literals::operator""sv;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr std::array kRefused = {
    Magic{0, "\x89PNG\r\n"sv, "PNG image"},
    Magic{0, "\xFF\xD8\xFF"sv, "JPEG image"},
    Magic{0, "GIF8"sv, "GIF image"},
    Magic{0, "II*\0"sv, "TIFF image"},
    Magic{0, "MM\0*"sv, "TIFF image"},
    Magic{8, "WEBP"sv, "WebP image"},
    Magic{0, "\0\0\1\0"sv, "icon"},
    Magic{0, "\x1F\x8B"sv, "gzip archive"},
    Magic{0, "BZh"sv, "bzip2 archive"},
    Magic{0,
          "\xFD"
          "7zXZ\0"sv,
          "xz archive"},
    Magic{0, "\x28\xB5\x2F\xFD"sv, "zstd archive"},
    Magic{0, "7z\xBC\xAF\x27\x1C"sv, "7z archive"},
    Magic{0, "Rar!\x1A\x07"sv, "RAR archive"},
    Magic{257, "ustar"sv, "tar archive"},
    Magic{0,
          "\x7F"
          "ELF"sv,
          "ELF program"},
    Magic{0, "MZ\x90\0"sv, "Windows program"},
    Magic{0, "\xCA\xFE\xBA\xBE"sv, "Java class or Mach-O program"},
    Magic{0, "\0asm"sv, "WebAssembly module"},
    Magic{0, "SQLite format 3\0"sv, "SQLite database"},
    Magic{0, "OggS"sv, "Ogg media"},
    Magic{0, "ID3"sv, "MP3 audio"},
    Magic{0, "fLaC"sv, "FLAC audio"},
    Magic{4, "ftyp"sv, "MP4 media or HEIF image"},
    Magic{8, "WAVE"sv, "WAV audio"},
    Magic{8, "AVI "sv, "AVI video"},
    Magic{0, "\x1A\x45\xDF\xA3"sv, "Matroska media"},
    Magic{0, "\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D\xAE\xB1\x53\x78\xD0\x29\x96\xD3"sv, "OneNote file"},
    Magic{0, "\x78\x9F\x3E\x22"sv, "TNEF attachment (winmail.dat)"},
    Magic{0, "HWP Document File V3.00"sv,
          "HWP 3.0 document: save it as HWPX or HWP 5 in Hancom Office"},
    Magic{0, "WARC/"sv, "web archive (WARC)"},
    Magic{0, "wOFF"sv, "WOFF font"},
    Magic{0, "wOF2"sv, "WOFF2 font"},
    Magic{0, "%!PS"sv, "PostScript program"},
    Magic{0, "PAR1"sv, "Parquet table"},
};

constexpr std::array kCode = {
    "c"sv,     "h"sv,    "cc"sv,     "cpp"sv,        "cxx"sv,        "hpp"sv,  "hh"sv,    "py"sv,
    "pyi"sv,   "js"sv,   "mjs"sv,    "cjs"sv,        "ts"sv,         "tsx"sv,  "jsx"sv,   "java"sv,
    "kt"sv,    "kts"sv,  "go"sv,     "rs"sv,         "rb"sv,         "php"sv,  "swift"sv, "scala"sv,
    "cs"sv,    "fs"sv,   "m"sv,      "mm"sv,         "pl"sv,         "pm"sv,   "lua"sv,   "r"sv,
    "jl"sv,    "sh"sv,   "bash"sv,   "zsh"sv,        "ps1"sv,        "bat"sv,  "sql"sv,   "proto"sv,
    "cmake"sv, "mk"sv,   "gradle"sv, "groovy"sv,     "dart"sv,       "hs"sv,   "ml"sv,    "mli"sv,
    "ex"sv,    "exs"sv,  "erl"sv,    "clj"sv,        "lisp"sv,       "el"sv,   "vim"sv,   "zig"sv,
    "nim"sv,   "v"sv,    "sv"sv,     "vhd"sv,        "asm"sv,        "s"sv,    "cu"sv,    "css"sv,
    "scss"sv,  "less"sv, "vue"sv,    "svelte"sv,     "tf"sv,         "toml"sv, "ini"sv,   "cfg"sv,
    "conf"sv,  "yaml"sv, "yml"sv,    "properties"sv, "dockerfile"sv, "ipynb"sv};

template <class List>
bool Has(const List& list, std::string_view s) {
  for (const std::string_view item : list) {
    if (item == s) return true;
  }
  return false;
}

// A tag of HTML that plain text would hardly begin with.
bool BeginsLikeHtml(std::string_view head) {
  for (const std::string_view tag : {"<!doctype html"sv, "<html"sv, "<head"sv, "<body"sv}) {
    if (head.starts_with(tag)) return true;
  }
  return false;
}

// Header lines of RFC 5322 up to a blank line, some of which are a message's own.
bool LooksLikeMail(std::string_view text) {
  int known = 0;
  for (int lines = 0; lines < 60 && !text.empty(); ++lines) {
    const std::size_t newline = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(std::min(newline + 1, text.size()));
    if (Trim(line).empty()) break;
    if (line[0] == ' ' || line[0] == '\t') continue;
    const std::size_t colon = line.find(':');
    if (colon == line.npos || line.substr(0, colon).find(' ') != line.npos) return false;
    const std::string name = AsciiLower(line.substr(0, colon));
    known += Has(std::array{"from"sv, "to"sv, "subject"sv, "date"sv, "message-id"sv, "received"sv,
                            "mime-version"sv, "return-path"sv},
                 name);
  }
  return known >= 3;
}

}  // namespace

Detected DetectContainer(std::string_view bytes) {
  if (bytes.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return {Container::kCompound, {}};
  if (bytes.starts_with("PK\3\4") || bytes.starts_with("PK\5\6") ||
      bytes.starts_with("PK\x07\x08")) {
    return {Container::kZip, {}};
  }
  if (bytes.starts_with("{\\rtf")) return {Container::kRtf, {}};
  // Readers accept a PDF's mark after up to 1,024 bytes of other data.
  if (bytes.substr(0, 1024).find("%PDF-") != bytes.npos) return {Container::kPdf, {}};
  for (const Magic& magic : kRefused) {
    if (bytes.size() > magic.offset && bytes.substr(magic.offset).starts_with(magic.bytes)) {
      return {Container::kRefused, magic.name};
    }
  }
  if (bytes.starts_with("BM") && bytes.size() > 14 && bytes.substr(6, 4) == "\0\0\0\0"sv) {
    return {Container::kRefused, "BMP image"};
  }
  return {};
}

TextKind DetectText(std::string_view text, std::string_view extension) {
  std::string_view body = text.substr(0, 4096);
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const std::string head = AsciiLower(Trim(body));
  if (Has(kCode, extension)) return TextKind::kCode;
  if (extension == "md" || extension == "markdown" || extension == "mdx")
    return TextKind::kMarkdown;
  if (BeginsLikeHtml(head)) return TextKind::kHtml;
  if (head.starts_with("<?xml")) {
    const bool xhtml = head.find("<html") != head.npos || head.find("<!doctype html") != head.npos;
    return xhtml || extension == "html" || extension == "xhtml" ? TextKind::kHtml : TextKind::kXml;
  }
  if (extension == "html" || extension == "htm" || extension == "xhtml") {
    return head.find('<') != head.npos ? TextKind::kHtml : TextKind::kPlain;
  }
  if (extension == "xml" && head.starts_with('<')) return TextKind::kXml;
  if (extension == "rst") return TextKind::kRestructured;
  if (extension == "csv" || extension == "tsv") return TextKind::kCsv;
  if (extension == "jsonl" || extension == "ndjson") return TextKind::kJsonLines;
  if (extension == "json" || extension == "geojson") return TextKind::kJson;
  if (extension == "eml" || LooksLikeMail(body)) return TextKind::kMail;
  if (head.starts_with("<!--") && head.find("<html") != head.npos) return TextKind::kHtml;
  return TextKind::kPlain;
}

}  // namespace malmoi::ingest
