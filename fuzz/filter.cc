// Filters in JSON, as clients send them.
#include "vec/filter.h"

#include "fuzz/input.h"
#include "json/value.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = malmoi::json::Parse(FuzzInput(data, size));
  if (value.ok()) static_cast<void>(malmoi::vec::ParseFilter(value.value()));
  return 0;
}
