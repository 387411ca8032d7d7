// A stream gives the same events however it is cut; the first byte is the size of the pieces.
#include <string>

#include "fuzz/input.h"
#include "net/client.h"

namespace {

std::string Events(std::string_view bytes, std::size_t piece) {
  malmoi::net::SseParser parser;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    parser.Feed(bytes.substr(at, piece), [&](std::string_view data) {
      out.append(data).push_back('\0');
      return true;
    });
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes = FuzzInput(data + 1, size - 1);
  Expect(Events(bytes, 1 + data[0] % 16) == Events(bytes, bytes.size()));
  return 0;
}
