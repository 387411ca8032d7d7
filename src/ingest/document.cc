#include "ingest/document.h"

#include <algorithm>

#include "base/bytes.h"

// Layout: docs/formats/document.md.
namespace malmoi::ingest {
namespace {

constexpr std::uint32_t kMagic = 0x31444D4Du;  // "MMD1".

void PutBytes(std::string* out, std::string_view s) {
  Put<std::uint64_t>(out, s.size());
  out->append(s);
}

std::string_view GetBytes(ByteReader* in) {
  return in->Take(in->Get<std::uint64_t>());
}

// A count that cannot be met by the bytes left would make the caller reserve memory for nothing.
bool CountFits(const ByteReader& in, std::uint64_t count, std::size_t least_bytes_each) {
  return in.ok() && count <= in.left() / least_bytes_each;
}

Error Broken(std::string_view what) {
  return Error(Code::kCorruption, "decode document: " + std::string(what));
}

Status CheckOffsets(const Document& d) {
  std::uint64_t last = 0;
  for (const std::uint64_t begin : d.page_starts) {
    if (begin < last || begin > d.text.size()) return Broken("page starts are not in order");
    last = begin;
  }
  last = 0;
  for (const Document::Heading& h : d.headings) {
    if (h.begin < last || h.end < h.begin || h.end > d.text.size()) {
      return Broken("headings are not in order");
    }
    last = h.begin;
  }
  return Ok();
}

}  // namespace

std::uint32_t LineAt(const Document& document, std::uint64_t offset) {
  const auto end = document.text.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(
                                               offset, document.text.size()));
  return 1 + static_cast<std::uint32_t>(std::count(document.text.begin(), end, '\n'));
}

std::uint32_t PageAt(const Document& document, std::uint64_t offset) {
  const auto& starts = document.page_starts;
  if (starts.empty()) return 0;
  const auto after = std::upper_bound(starts.begin(), starts.end(), offset);
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(after - starts.begin()));
}

std::string Encode(const Document& document) {
  std::string out;
  out.reserve(document.text.size() + 64 * document.headings.size() + 256);
  Put(&out, kMagic);
  PutBytes(&out, document.text);
  for (const std::string* s : {&document.title, &document.format, &document.encoding}) {
    PutBytes(&out, *s);
  }
  Put<std::uint64_t>(&out, document.page_starts.size());
  for (const std::uint64_t begin : document.page_starts) Put(&out, begin);
  Put<std::uint64_t>(&out, document.headings.size());
  for (const Document::Heading& h : document.headings) {
    Put(&out, h.begin);
    Put(&out, h.end);
    Put(&out, h.level);
    PutBytes(&out, h.title);
  }
  Put<std::uint64_t>(&out, document.warnings.size());
  for (const std::string& w : document.warnings) PutBytes(&out, w);
  return out;
}

Result<Document> Decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.Get<std::uint32_t>() != kMagic) return Broken("not a document");
  Document d;
  d.text = GetBytes(&in);
  for (std::string* s : {&d.title, &d.format, &d.encoding}) *s = GetBytes(&in);
  const auto pages = in.Get<std::uint64_t>();
  if (!CountFits(in, pages, 8)) return Broken("page count is past the end");
  d.page_starts.resize(pages);
  for (std::uint64_t& begin : d.page_starts) begin = in.Get<std::uint64_t>();
  const auto headings = in.Get<std::uint64_t>();
  if (!CountFits(in, headings, 25)) return Broken("heading count is past the end");
  d.headings.resize(headings);
  for (Document::Heading& h : d.headings) {
    h.begin = in.Get<std::uint64_t>();
    h.end = in.Get<std::uint64_t>();
    h.level = in.Get<std::uint8_t>();
    h.title = GetBytes(&in);
  }
  const auto warnings = in.Get<std::uint64_t>();
  if (!CountFits(in, warnings, 8)) return Broken("warning count is past the end");
  d.warnings.resize(warnings);
  for (std::string& w : d.warnings) w = GetBytes(&in);
  if (!in.ok()) return Broken("ends early");
  if (in.left() != 0) return Broken(std::to_string(in.left()) + " bytes too many");
  MALMOI_TRY(CheckOffsets(d));
  return d;
}

}  // namespace malmoi::ingest
