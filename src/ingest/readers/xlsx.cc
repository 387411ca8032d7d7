#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/strings.h"
#include "ingest/readers/office_internal.h"
#include "ingest/readers/text_builder_internal.h"
#include "ingest/readers/xml_internal.h"

// SpreadsheetML (ECMA-376 part 1, 18): values as they are stored, formulas by their last result,
// dates by their cell's number format.
namespace malmoi::ingest {
namespace {

constexpr std::size_t kSheetsMax = 1000;
// Empty cells within a row keep their columns up to this many.
constexpr int kGapMax = 16;

// "2024-03-01" or, with a time of day, "2024-03-01 13:30". Day 1 is 1900-01-01, and 1900 is taken
// for a leap year as Excel does (and did for Lotus 1-2-3): right from March 1900 on.
std::string DateOf(double serial) {
  const auto days = static_cast<std::int64_t>(std::floor(serial));
  // Civil date of a day count (Hinnant, "chrono-compatible low-level date algorithms").
  const std::int64_t z = days - 25569 + 719468;
  const std::int64_t era = z / 146097;
  const std::int64_t doe = z - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  const int day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  const int year = static_cast<int>(yoe + era * 400 + (month <= 2 ? 1 : 0));
  const int minutes = static_cast<int>(std::lround((serial - std::floor(serial)) * 1440)) % 1440;
  std::array<char, 64> text;
  if (minutes == 0) {
    std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", year, month, day);
  } else {
    std::snprintf(text.data(), text.size(), "%04d-%02d-%02d %02d:%02d", year, month, day,
                  minutes / 60, minutes % 60);
  }
  return text.data();
}

bool IsDateFormat(std::string_view code) {
  bool quoted = false;
  bool bracket = false;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (c == '"') quoted = !quoted;
    if (c == '[') bracket = true;
    if (c == ']') bracket = false;
    if (c == '\\') ++i;
    if (quoted || bracket || c == '\\') continue;
    if (c == 'y' || c == 'Y' || c == 'd' || c == 'D') return true;
  }
  return false;
}

// For each cell format: whether its numbers are dates.
std::vector<bool> ReadDateStyles(ZipArchive* zip) {
  std::vector<bool> dates;
  auto bytes = zip->Read("xl/styles.xml");
  pugi::xml_document xml;
  if (!bytes.ok() || !LoadXml(bytes.value(), "xl/styles.xml", &xml).ok()) return dates;
  std::map<std::string, bool, std::less<>> custom;
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (!enter) return true;
    if (LocalName(node) == "numFmt") {
      custom[std::string(Attribute(node, "numFmtId"))] =
          IsDateFormat(Attribute(node, "formatCode"));
    }
    if (LocalName(node) != "cellXfs") return true;
    for (const pugi::xml_node& xf : node.children()) {
      if (LocalName(xf) != "xf") continue;
      const std::string_view id = Attribute(xf, "numFmtId");
      const auto n = ParseInt(id).value_or(0);
      const auto found = custom.find(id);
      // Built-in formats: 14 to 17 and 22 are dates, 27 to 36 and 50 to 58 East Asian ones.
      const bool built_in =
          (n >= 14 && n <= 17) || n == 22 || (n >= 27 && n <= 36) || (n >= 50 && n <= 58);
      dates.push_back(found != custom.end() ? found->second : built_in);
    }
    return false;
  });
  return dates;
}

// Text of all <t> below, phonetic guides left out.
std::string TextOf(const pugi::xml_node& root) {
  std::string text;
  WalkXml(root, [&](const pugi::xml_node& node, bool enter) {
    if (!enter) return true;
    if (LocalName(node) == "rPh") return false;
    if (LocalName(node) == "t") text += node.text().get();
    return true;
  });
  return text;
}

Result<std::vector<std::string>> ReadSharedStrings(ZipArchive* zip) {
  std::vector<std::string> strings;
  if (!zip->Has("xl/sharedStrings.xml")) return strings;
  MALMOI_TRY(const std::string bytes, zip->Read("xl/sharedStrings.xml"));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, "xl/sharedStrings.xml", &xml));
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (!enter || LocalName(node) != "si") return true;
    strings.push_back(TextOf(node));
    return false;
  });
  return strings;
}

// Column of "BC12", from 0; -1 if there is none.
int ColumnOf(std::string_view reference) {
  int column = 0;
  for (const char c : reference) {
    if (c < 'A' || c > 'Z' || column > 100'000) break;
    column = column * 26 + (c - 'A' + 1);
  }
  return column - 1;
}

class SheetText {
 public:
  SheetText(const std::vector<std::string>& strings, const std::vector<bool>& dates,
            TextBuilder* out)
      : strings_(strings), dates_(dates), out_(out) {}

  void Run(const pugi::xml_node& root) {
    WalkXml(root, [this](const pugi::xml_node& node, bool enter) {
      if (out_->full()) return false;
      const std::string_view name = LocalName(node);
      if (name == "row") {
        out_->Line();
        column_ = 0;
        return true;
      }
      if (name != "c") return true;
      if (enter) Cell(node);
      return false;
    });
    out_->Paragraph();
  }

 private:
  void Cell(const pugi::xml_node& node) {
    const std::string value = ValueOf(node);
    const int at = ColumnOf(Attribute(node, "r"));
    const int column = at >= 0 ? at : column_;
    if (Trim(value).empty()) {
      if (at < 0) ++column_;
      return;
    }
    // Columns that are empty on the left are no part of a row's text.
    if (!out_->at_line_start()) {
      for (int i = std::min(column - column_, kGapMax); i >= 0; --i) out_->Cell();
    }
    out_->Text(value);
    column_ = column + 1;
  }

  std::string ValueOf(const pugi::xml_node& node) const {
    const std::string_view type = Attribute(node, "t");
    if (type == "inlineStr") return TextOf(node);
    std::string value;
    for (const pugi::xml_node& child : node.children()) {
      if (LocalName(child) == "v") value = child.text().get();
    }
    if (type == "s") {
      const auto index = ParseInt(value);
      if (!index || *index < 0 || static_cast<std::size_t>(*index) >= strings_.size()) return {};
      return strings_[static_cast<std::size_t>(*index)];
    }
    if (type == "b") return value == "1" ? "TRUE" : "FALSE";
    if (!type.empty() && type != "n") return value;
    const auto style = ParseInt(Attribute(node, "s")).value_or(0);
    const auto number = ParseDouble(value);
    if (!number) return value;
    const bool date = style >= 0 && static_cast<std::size_t>(style) < dates_.size() &&
                      dates_[static_cast<std::size_t>(style)];
    if (date && *number >= 1 && *number < 2958466) return DateOf(*number);
    // Stored with 17 digits: 0.1 comes as 0.10000000000000001.
    std::array<char, 40> text;
    std::snprintf(text.data(), text.size(), "%.15g", *number);
    return text.data();
  }

  const std::vector<std::string>& strings_;
  const std::vector<bool>& dates_;
  TextBuilder* out_;
  int column_ = 0;  // The next one's.
};

}  // namespace

Result<Document> ReadXlsx(ZipArchive* zip, const ReaderLimits& limits) {
  const std::string main = "xl/workbook.xml";
  MALMOI_TRY(const std::string bytes, zip->Read(main));
  pugi::xml_document xml;
  MALMOI_TRY(LoadXml(bytes, main, &xml));
  const auto targets = Relationships(zip, main);
  MALMOI_TRY(const std::vector<std::string> strings, ReadSharedStrings(zip));
  const std::vector<bool> dates = ReadDateStyles(zip);
  std::vector<std::pair<std::string, std::string>> sheets;  // Name, part.
  WalkXml(xml, [&](const pugi::xml_node& node, bool enter) {
    if (!enter || LocalName(node) != "sheet" || sheets.size() >= kSheetsMax) return true;
    for (const pugi::xml_attribute& a : node.attributes()) {
      const auto found = targets.find(a.value());
      if (std::string_view(a.name()).ends_with(":id") && found != targets.end()) {
        sheets.emplace_back(Attribute(node, "name"), found->second);
      }
    }
    return true;
  });
  TextBuilder out(limits.text_bytes);
  for (const auto& [name, part] : sheets) {
    if (out.full()) break;
    out.BeginHeading(1);
    out.Text(name);
    out.EndHeading();
    auto sheet = zip->Read(part);
    if (!sheet.ok() && sheet.error().code() != Code::kNotFound) return std::move(sheet.error());
    pugi::xml_document tree;
    if (sheet.ok() && LoadXml(sheet.value(), part, &tree).ok()) {
      SheetText(strings, dates, &out).Run(tree);
    } else {
      out.Warn("sheet '" + name + "': cannot be read");
    }
  }
  out.document().title = CoreTitle(zip, "docProps/core.xml");
  return out.Finish("xlsx");
}

}  // namespace malmoi::ingest
