#include <zlib.h>

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/hwp_internal.h"
#include "ingest/readers/text_builder_internal.h"

namespace malmoi::ingest {
namespace {

// FileHeader's flags.
constexpr std::uint32_t kCompressed = 1u << 0;
constexpr std::uint32_t kPassword = 1u << 1;
constexpr std::uint32_t kDistribution = 1u << 2;
constexpr std::uint32_t kDrm = 1u << 4;
constexpr std::uint32_t kCertificate = 1u << 8;

// Record tags.
constexpr std::uint32_t kStyle = 0x1A;
constexpr std::uint32_t kParaHeader = 0x42;
constexpr std::uint32_t kParaText = 0x43;
constexpr std::uint32_t kCtrlHeader = 0x47;
constexpr std::uint32_t kListHeader = 0x48;
constexpr std::uint32_t kTable = 0x4D;

constexpr std::uint64_t kInflatedMax = 256ull << 20;

constexpr std::uint32_t ControlId(const char (&s)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(s[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(s[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(s[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(s[3]));
}

// Raw deflate. A stream that breaks gives what came before, and *whole = false.
Result<std::string> Inflate(std::string_view packed, bool* whole) {
  z_stream z{};
  if (inflateInit2(&z, -15) != Z_OK) return Error(Code::kInternal, "inflate cannot start");
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  char buffer[64 << 10];
  int rc = Z_OK;
  while (rc == Z_OK) {
    z.next_out = reinterpret_cast<Bytef*>(buffer);
    z.avail_out = sizeof(buffer);
    rc = inflate(&z, Z_NO_FLUSH);
    out.append(buffer, sizeof(buffer) - z.avail_out);
    if (out.size() > kInflatedMax) {
      inflateEnd(&z);
      return Error(Code::kOutOfRange, "a section expands past " + FormatBytes(kInflatedMax));
    }
    if (rc == Z_OK && z.avail_in == 0 && z.avail_out != 0) break;
  }
  inflateEnd(&z);
  *whole = rc == Z_STREAM_END;
  if (out.empty() && !*whole) return Error(Code::kCorruption, "a section cannot be inflated");
  return out;
}

struct Record {
  std::uint32_t tag = 0;
  std::uint32_t level = 0;
  std::string_view data;
};

// False at the end, or where the rest is shorter than a record says (*cut).
bool NextRecord(std::string_view* rest, Record* record, bool* cut) {
  if (rest->size() < 4) return false;
  const auto header = Load<std::uint32_t>(rest->data());
  std::size_t size = header >> 20;
  std::size_t begin = 4;
  if (size == 0xFFF) {
    if (rest->size() < 8) return false;
    size = Load<std::uint32_t>(rest->data() + 4);
    begin = 8;
  }
  if (size > rest->size() - begin) {
    *cut = true;
    return false;
  }
  *record = {header & 0x3FF, (header >> 10) & 0x3FF, rest->substr(begin, size)};
  rest->remove_prefix(begin + size);
  return true;
}

std::string Utf16(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at + 2 <= bytes.size(); at += 2) {
    const char32_t c = Load<std::uint16_t>(bytes.data() + at);
    if (c >= 0xD800 && c < 0xDC00 && at + 4 <= bytes.size()) {
      const char32_t trail = Load<std::uint16_t>(bytes.data() + at + 2);
      if (trail >= 0xDC00 && trail < 0xE000) {
        AppendRune(&out, 0x10000 + ((c - 0xD800) << 10) + (trail - 0xDC00));
        at += 2;
        continue;
      }
    }
    AppendRune(&out, c);
  }
  return out;
}

// Levels of the styles "개요 1" to "개요 10", by their number.
std::vector<std::uint8_t> ReadStyleLevels(std::string_view doc_info) {
  std::vector<std::uint8_t> levels;
  Record record;
  bool cut = false;
  while (NextRecord(&doc_info, &record, &cut)) {
    if (record.tag != kStyle) continue;
    std::uint8_t level = 0;
    ByteReader in(record.data);
    const std::size_t runes = in.Get<std::uint16_t>();
    const std::string name = Utf16(in.Take(2 * runes));
    constexpr std::string_view kOutline = "개요 ";
    if (name.starts_with(kOutline)) {
      const auto n = ParseInt(std::string_view(name).substr(kOutline.size()));
      if (n && *n >= 1 && *n <= 10) level = static_cast<std::uint8_t>(*n);
    }
    levels.push_back(level);
  }
  return levels;
}

class HwpText {
 public:
  HwpText(const std::vector<std::uint8_t>& levels, TextBuilder* out) : levels_(levels), out_(out) {}

  // False where the section's records are cut off.
  bool Run(std::string_view section) {
    Record record;
    bool cut = false;
    while (!out_->full() && NextRecord(&section, &record, &cut)) Take(record);
    LeaveTo(0);
    EndParagraph();
    return !cut;
  }

 private:
  // A table that is being read: its control's level, and the row of its last cell.
  struct Table {
    std::uint32_t level = 0;
    int row = -1;
    bool begun = false;  // Lists before the table's own record are its caption.
  };

  void LeaveTo(std::uint32_t level) {
    while (!tables_.empty() && tables_.back().level >= level) {
      tables_.pop_back();
      if (tables_.empty()) out_->Paragraph();
    }
  }

  void Take(const Record& record) {
    if (record.level <= (tables_.empty() ? 0 : tables_.back().level)) LeaveTo(record.level);
    switch (record.tag) {
      case kParaHeader:
        BeginParagraph(record);
        break;
      case kParaText:
        Text(record.data);
        break;
      case kCtrlHeader:
        if (record.data.size() >= 4 &&
            Load<std::uint32_t>(record.data.data()) == ControlId("tbl ")) {
          if (tables_.empty()) {
            EndParagraph();
            out_->Line();
          }
          tables_.push_back({record.level, -1, false});
        }
        break;
      case kTable:
        if (!tables_.empty() && record.level == tables_.back().level + 1) {
          tables_.back().begun = true;
        }
        break;
      case kListHeader:
        Cell(record);
        break;
      default:
        break;
    }
  }

  // A list header under a table is a cell: its column and row follow the header's eight bytes.
  void Cell(const Record& record) {
    if (tables_.empty() || record.level != tables_.back().level + 1) return;
    Table& table = tables_.back();
    if (record.data.size() < 12 || !table.begun) return;
    const int row = Load<std::uint16_t>(record.data.data() + 10);
    if (tables_.size() > 1) {
      out_->Text(" ");
    } else if (row != table.row) {
      out_->Line();
    } else {
      out_->Cell();
    }
    table.row = row;
    cell_begins_ = true;
  }

  void BeginParagraph(const Record& record) {
    if (!tables_.empty()) {
      if (!cell_begins_) out_->Text(" ");
      cell_begins_ = false;
      return;
    }
    EndParagraph();
    if (record.data.size() < 11 || record.level != 0) return;
    const auto style = static_cast<unsigned char>(record.data[10]);
    if (style < levels_.size() && levels_[style] != 0) out_->BeginHeading(levels_[style]);
  }

  void EndParagraph() {
    if (out_->in_heading()) {
      out_->EndHeading();
    } else {
      out_->Paragraph();
    }
  }

  // Characters below 32 are controls: some take one place, the others eight, of which six are
  // theirs (specification, table 6).
  void Text(std::string_view data) {
    std::string run;
    for (std::size_t at = 0; at + 2 <= data.size();) {
      const auto c = Load<std::uint16_t>(data.data() + at);
      if (c >= 32) {
        std::size_t end = at;
        while (end + 2 <= data.size() && Load<std::uint16_t>(data.data() + end) >= 32) end += 2;
        out_->Text(Utf16(data.substr(at, end - at)));
        at = end;
        continue;
      }
      const bool single = c == 0 || c == 10 || c == 13 || c >= 24;
      at += single ? 2 : 16;
      if (c == 10 && tables_.empty() && !out_->in_heading()) {
        out_->Line();
      } else if (c == 9 || c == 10 || c == 30 || c == 31) {
        out_->Text(" ");
      } else if (c == 24) {
        out_->Text("-");
      }
    }
  }

  const std::vector<std::uint8_t>& levels_;
  TextBuilder* out_;
  std::vector<Table> tables_;
  bool cell_begins_ = false;
};

// PIDSI_TITLE of the summary: a property set ([MS-OLEPS]) with UTF-16 strings.
std::string SummaryTitle(const CompoundFile& file) {
  auto bytes = file.Read("\x05HwpSummaryInformation");
  if (!bytes.ok() || bytes.value().size() < 48) return {};
  const std::string_view all = bytes.value();
  const auto section = Load<std::uint32_t>(all.data() + 44);
  if (section > all.size()) return {};
  ByteReader in(all.substr(section));
  in.Get<std::uint32_t>();
  const std::uint32_t count = std::min(in.Get<std::uint32_t>(), 64u);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto id = in.Get<std::uint32_t>();
    const auto offset = in.Get<std::uint32_t>();
    if (id != 2 || offset > all.size() - section) continue;
    ByteReader value(all.substr(section + offset));
    if (value.Get<std::uint32_t>() != 0x1F) return {};
    const std::uint32_t runes = value.Get<std::uint32_t>();
    std::string title = Utf16(value.Take(std::size_t{runes} * 2));
    if (const std::size_t zero = title.find('\0'); zero != title.npos) title.resize(zero);
    return std::string(Trim(title));
  }
  return {};
}

Status CheckReadable(std::string_view header) {
  const std::uint32_t flags = Load<std::uint32_t>(header.data() + 36);
  if (flags & kPassword) {
    return Error(Code::kUnsupported, "encrypted HWP: needs a password; save it without one");
  }
  if (flags & kDistribution) {
    return Error(Code::kUnsupported,
                 "HWP distribution document (배포용 문서): its text is encrypted; ask its author "
                 "for the original");
  }
  if (flags & (kDrm | kCertificate)) {
    return Error(Code::kUnsupported, "HWP under rights management: its text is encrypted");
  }
  return Ok();
}

Result<std::string> ReadStream(const CompoundFile& file, const std::string& name, bool compressed,
                               TextBuilder* out) {
  MALMOI_TRY(std::string bytes, file.Read(name));
  if (!compressed) return bytes;
  bool whole = true;
  MALMOI_TRY(std::string inflated, Inflate(bytes, &whole).With(name));
  if (!whole) out->Warn(name + ": damaged; read up to the damage");
  return inflated;
}

}  // namespace

Result<Document> ReadHwp(const CompoundFile& file, const ReaderLimits& limits) {
  MALMOI_TRY(const std::string header, file.Read("FileHeader"));
  if (header.size() < 40 || !header.starts_with("HWP Document File")) {
    return Error(Code::kCorruption, "damaged HWP: its file header is wrong");
  }
  MALMOI_TRY(CheckReadable(header));
  const bool compressed = (Load<std::uint32_t>(header.data() + 36) & kCompressed) != 0;
  TextBuilder out(limits.text_bytes);
  std::vector<std::uint8_t> levels;
  if (auto info = ReadStream(file, "DocInfo", compressed, &out); info.ok()) {
    levels = ReadStyleLevels(info.value());
  }
  int sections = 0;
  for (;; ++sections) {
    const std::string name = "BodyText/Section" + std::to_string(sections);
    if (!file.Has(name)) break;
    auto section = ReadStream(file, name, compressed, &out);
    if (!section.ok()) {
      if (sections == 0) return std::move(section.error());
      out.Warn(name + ": " + section.error().message());
      continue;
    }
    out.Paragraph();
    if (!HwpText(levels, &out).Run(section.value())) {
      out.Warn(name + ": damaged; read up to the damage");
    }
  }
  if (sections == 0) return Error(Code::kCorruption, "damaged HWP: no BodyText/Section0");
  out.document().title = SummaryTitle(file);
  return out.Finish("hwp");
}

}  // namespace malmoi::ingest
