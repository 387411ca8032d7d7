// The parts inside a zip container, without its checksums in the way: the first byte chooses the
// format, the rest is its main part.
#include <zip.h>

#include <array>
#include <string>

#include "fuzz/input.h"
#include "ingest/document.h"
#include "ingest/reader.h"

namespace {

struct Form {
  const char* part;
  const char* mimetype;
};
constexpr std::array<Form, 7> kForms = {{
    {"word/document.xml", ""},
    {"Contents/section0.xml", "application/hwp+zip"},
    {"xl/workbook.xml", ""},
    {"ppt/presentation.xml", ""},
    {"content.xml", "application/vnd.oasis.opendocument.text"},
    {"content.xml", "application/vnd.oasis.opendocument.spreadsheet"},
    {"META-INF/container.xml", "application/epub+zip"},
}};

void Add(zip_t* zip, const char* name, std::string_view bytes) {
  zip_source_t* part = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
  const zip_int64_t i = zip_file_add(zip, name, part, 0);
  Expect(i >= 0);
  zip_set_file_compression(zip, static_cast<zip_uint64_t>(i), ZIP_CM_STORE, 0);
}

std::string MakeZip(const Form& form, std::string_view xml) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(source);
  zip_t* zip = zip_open_from_source(source, ZIP_TRUNCATE, &error);
  Expect(zip != nullptr);
  if (*form.mimetype != '\0') Add(zip, "mimetype", form.mimetype);
  Add(zip, form.part, xml);
  // Parts that the main ones name.
  for (const char* name :
       {"word/styles.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml",
        "ppt/slides/slide1.xml", "xl/_rels/workbook.xml.rels", "ppt/_rels/presentation.xml.rels"}) {
    Add(zip, name, xml);
  }
  Expect(zip_close(zip) == 0 && zip_source_open(source) == 0);
  zip_source_seek(source, 0, SEEK_END);
  std::string out(static_cast<std::size_t>(zip_source_tell(source)), '\0');
  zip_source_seek(source, 0, SEEK_SET);
  Expect(zip_source_read(source, out.data(), out.size()) == static_cast<zip_int64_t>(out.size()));
  zip_source_close(source);
  zip_source_free(source);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ingest = malmoi::ingest;
  if (size == 0) return 0;
  const std::string bytes = MakeZip(kForms[data[0] % kForms.size()], FuzzInput(data + 1, size - 1));
  const auto document =
      ingest::ParseDocument(bytes, "file", {.file_bytes = 1 << 22, .text_bytes = 1 << 22});
  if (document.ok()) Expect(ingest::Decode(ingest::Encode(document.value())).ok());
  return 0;
}
