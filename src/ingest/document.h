#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::ingest {

// What a reader made of one file. `text` is UTF-8. For UTF-8 plain text, Markdown and source code
// it is the file's bytes unchanged (a byte order mark excepted: it stays, so that offsets equal
// the file's); for all others it is the extracted text and offsets are into it.
struct Document {
  std::string text;
  std::string title;  // From the format (heading, <title>, PDF info); empty if there is none.
  // "markdown", "text", "code", "csv", "json", "jsonl", "html", "xml", "pdf", "docx", "pptx",
  // "xlsx", "hwpx", "hwp", "odt", "ods", "odp", "epub", "rtf" or "eml".
  std::string format;
  // Of the file: "utf-8", "cp949", "utf-16le"; empty where it does not apply.
  std::string encoding;
  // Byte offset where each page begins; the first entry is page 1. Empty for formats without pages.
  std::vector<std::uint64_t> page_starts;
  // Headings in order, for chunking and titles: level 1 is the highest.
  struct Heading {
    std::uint64_t begin = 0;  // Of the heading's line in `text`.
    std::uint64_t end = 0;
    std::uint8_t level = 1;
    std::string title;  // Without markup.
  };
  std::vector<Heading> headings;
  std::vector<std::string> warnings;  // "page 3: no text layer".
};

// 1-based line of a byte offset; 1-based page, or 0 where the document has no pages.
std::uint32_t LineAt(const Document& document, std::uint64_t offset);
std::uint32_t PageAt(const Document& document, std::uint64_t offset);

// A Document as bytes, for the pipe from the reader's child process and for the catalogue's
// content files. Layout: docs/formats/document.md. Decode checks every length: the bytes come from
// a process that parsed an untrusted file. Errors of Decode: kCorruption.
std::string Encode(const Document& document);
Result<Document> Decode(std::string_view bytes);

// A passage to index: [begin, end) of Document::text, with the titles of the headings above it
// joined by " > " (the document's title first).
struct Chunk {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string heading_path;
};

struct ChunkOptions {
  // Sizes in code points weighted by script: a Hangul, Han or Kana character counts 1, others
  // 0.4, near to what subword tokenizers make of them; so 320 is about 256-320 model tokens.
  std::uint32_t target = 320;
  std::uint32_t max = 400;
};

// Cuts a document at headings, then paragraphs, then sentences (never inside a code point), into
// chunks of at most `max`, small neighbours under one heading merged up to `target`. In order and
// without overlap; every non-blank byte is in exactly one chunk. A pure function of its input.
std::vector<Chunk> ChunkDocument(const Document& document, const ChunkOptions& options = {});

}  // namespace malmoi::ingest
