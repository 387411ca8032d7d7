// malmoi_tokenize TOKENIZER_JSON: reads JSON lines {"text"} from standard input, prints for each
// {"ids","offsets","type_ids","special","decoded","kept"}; offsets count code points. For
// tools/diff_tokenizer.py.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "json/value.h"
#include "json/writer.h"
#include "text/tokenizer.h"

namespace malmoi::text {
namespace {

std::string Print(const Tokenizer& tokenizer, const std::string& text) {
  const Encoding encoding = tokenizer.Encode(text);
  std::vector<std::uint32_t> points(text.size() + 1);  // Code points before each byte.
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = DecodeRune(text, at).size;
    for (std::size_t i = 1; i <= size; ++i) points[at + i] = points[at] + (i == size ? 1 : 0);
    at += size;
  }
  json::Writer w;
  w.BeginObject();
  w.Key("ids").BeginArray();
  for (const auto id : encoding.ids) w.Put(id);
  w.EndArray().Key("offsets").BeginArray();
  for (const auto& span : encoding.offsets) {
    w.BeginArray().Put(points[span.begin]).Put(points[span.end]).EndArray();
  }
  w.EndArray().Key("type_ids").BeginArray();
  for (const auto id : encoding.type_ids) w.Put(id);
  w.EndArray().Key("special").BeginArray();
  for (const auto flag : encoding.special) w.Put(static_cast<int>(flag));
  w.EndArray();
  w.Field("decoded", tokenizer.Decode(encoding.ids, true));
  w.Field("kept", tokenizer.Decode(encoding.ids, false));
  w.EndObject();
  return std::move(w).Take();
}

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: malmoi_tokenize TOKENIZER_JSON <lines.jsonl\n", stderr);
    return 2;
  }
  auto tokenizer = Tokenizer::FromFile(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message().c_str());
    return 3;
  }
  for (std::string line; std::getline(std::cin, line);) {
    auto value = json::Parse(line);
    if (!value.ok()) {
      std::fprintf(stderr, "%s\n", value.error().message().c_str());
      return 3;
    }
    std::puts(Print(*tokenizer.value(), std::string(value.value().GetString("text"))).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace malmoi::text

int main(int argc, char** argv) {
  return malmoi::text::Main(argc, argv);
}
