// A hostile tokenizer.json, and hostile text in whatever tokenizer it makes. Text follows the file
// after a zero byte.
#include "text/tokenizer.h"

#include <string>

#include "fuzz/input.h"

namespace {

void CheckEncode(const malmoi::text::Tokenizer& tokenizer, std::string_view text) {
  const auto e = tokenizer.Encode(text);
  Expect(e.offsets.size() == e.size() && e.type_ids.size() == e.size() &&
         e.special.size() == e.size());
  for (const auto& span : e.offsets) Expect(span.begin <= span.end && span.end <= text.size());
  static_cast<void>(tokenizer.Decode(e.ids, true));
  Expect(tokenizer.Encode(text, {.max_tokens = 3}).size() <= 3);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all = FuzzInput(data, size);
  const std::size_t zero = all.find('\0');
  const auto tokenizer = malmoi::text::Tokenizer::FromJson(all.substr(0, zero));
  if (!tokenizer.ok()) return 0;
  CheckEncode(*tokenizer.value(), "Hello, w\xC3\xB6rld! 한국어 문서 12 [MASK]\xFF");
  if (zero != all.npos) CheckEncode(*tokenizer.value(), all.substr(zero + 1));
  return 0;
}
