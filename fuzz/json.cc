// What was parsed and written again parses to the same text.
#include "fuzz/input.h"
#include "json/value.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = malmoi::json::Parse(FuzzInput(data, size));
  if (!value.ok()) return 0;
  const std::string text = value.value().Dump();
  const auto again = malmoi::json::Parse(text);
  Expect(again.ok() && again.value().Dump() == text);
  return 0;
}
