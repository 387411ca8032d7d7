// Documents come from a process that read an untrusted file: what decodes is encoded to the same
// bytes, and can be cut, located and numbered.
#include "ingest/document.h"

#include <string>

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ingest = malmoi::ingest;
  const auto document = ingest::Decode(FuzzInput(data, size));
  if (!document.ok()) return 0;
  const ingest::Document& d = document.value();
  const std::string bytes = ingest::Encode(d);
  const auto again = ingest::Decode(bytes);
  Expect(again.ok() && ingest::Encode(again.value()) == bytes);
  std::uint64_t end = 0;
  for (const auto& chunk : ingest::ChunkDocument(d)) {
    Expect(chunk.begin >= end && chunk.begin < chunk.end && chunk.end <= d.text.size());
    end = chunk.end;
    Expect(ingest::LineAt(d, chunk.begin) >= 1);
    static_cast<void>(ingest::PageAt(d, chunk.begin));
  }
  return 0;
}
