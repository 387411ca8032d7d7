// A file of one type, READER_EXTENSION. What is read survives the pipe to the parent, and cuts into
// chunks.
#include "ingest/reader.h"

#include <string>

#include "fuzz/input.h"
#include "ingest/document.h"

#ifndef READER_PREFIX
#define READER_PREFIX ""
#endif

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ingest = malmoi::ingest;
  std::string bytes(FuzzInput(data, size));
  constexpr std::string_view kPrefix(READER_PREFIX);
  if (!std::string_view(bytes).starts_with(kPrefix)) bytes.insert(0, kPrefix);
  const auto document = ingest::ParseDocument(bytes, "file." READER_EXTENSION,
                                              {.file_bytes = 1 << 20, .text_bytes = 1 << 22});
  if (!document.ok()) return 0;
  Expect(ingest::Decode(ingest::Encode(document.value())).ok());
  for (const auto& chunk : ingest::ChunkDocument(document.value())) {
    Expect(chunk.begin < chunk.end && chunk.end <= document.value().text.size());
  }
  return 0;
}
