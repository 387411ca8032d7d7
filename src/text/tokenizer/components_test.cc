// Goal: tokenizers of all kinds of components give the package's ids, offsets, type ids, masks and
// decoded texts.
// Method: tests/golden/tokenizers-0.23.3-components.jsonl, written by the package
// (tools/make_golden/tokenizer_components.py): small random tokenizers and requests with answers.
#include <doctest/doctest.h>

#include "json/value.h"
#include "os/vfs.h"
#include "text/tokenizer.h"

namespace malmoi::text {
namespace {

std::vector<std::int64_t> Integers(const json::Value& object, std::string_view key) {
  std::vector<std::int64_t> out;
  const json::Value* list = object.Find(key);
  REQUIRE(list != nullptr);
  for (const json::Value& item : list->items()) out.push_back(item.AsInt().value_or(-1));
  return out;
}

template <class T>
std::vector<std::int64_t> Widen(const std::vector<T>& list) {
  return {list.begin(), list.end()};
}

void Replay(const Tokenizer& tokenizer, const json::Value& line) {
  const std::string text(line.GetString("text"));
  CAPTURE(line.Dump());
  EncodeOptions options;
  options.max_tokens = static_cast<std::size_t>(line.GetInt("max_tokens"));
  options.cut_left = line.GetBool("left");
  options.add_special_tokens = !line.GetBool("bare");
  if (line.GetString("cut") == "only_first") options.cut = CutWhat::kOnlyFirst;
  if (line.GetString("cut") == "only_second") options.cut = CutWhat::kOnlySecond;
  const Encoding got = line.Find("pair") != nullptr
                           ? tokenizer.EncodePair(text, line.GetString("pair"), options)
                           : tokenizer.Encode(text, options);
  const json::Value& want = *line.Find("want");
  CHECK(Widen(got.ids) == Integers(want, "ids"));
  CHECK(Widen(got.type_ids) == Integers(want, "type_ids"));
  CHECK(Widen(got.special) == Integers(want, "special"));
  std::vector<std::int64_t> offsets;
  for (const auto& span : got.offsets) offsets.insert(offsets.end(), {span.begin, span.end});
  CHECK(offsets == Integers(want, "offsets"));
  CHECK(tokenizer.Decode(got.ids, true) == want.GetString("decoded"));
  CHECK(tokenizer.Decode(got.ids, false) == want.GetString("kept"));
}

TEST_CASE("random components replay the package's answers") {
  auto bytes = os::ReadFile(os::PosixVfs(), std::string(MALMOI_SOURCE_DIR) +
                                                "/tests/golden/tokenizers-0.23.3-components.jsonl");
  REQUIRE(bytes.ok());
  std::shared_ptr<const Tokenizer> tokenizer;
  int tokenizers = 0, cases = 0;
  std::string_view rest = bytes.value();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    auto line = json::Parse(rest.substr(0, end));
    REQUIRE(line.ok());
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const json::Value* source = line.value().Find("tokenizer");
    if (source == nullptr) {
      Replay(*tokenizer, line.value());
      ++cases;
      continue;
    }
    auto made = Tokenizer::FromJson(source->Dump());
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().message()));
    tokenizer = made.value();
    ++tokenizers;
  }
  CHECK(tokenizers == 57);
  CHECK(cases > 500);
}

}  // namespace
}  // namespace malmoi::text
