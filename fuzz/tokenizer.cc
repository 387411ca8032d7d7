// A hostile tokenizer.json, and hostile text in whatever tokenizer it makes. Text follows the file
// after a zero byte. Small tokenizers of all components are among the seeds (tools/fuzz_smoke.py).
#include "text/tokenizer.h"

#include <string>

#include "fuzz/input.h"

namespace {

void CheckSizes(const malmoi::text::Encoding& e, std::size_t text_size) {
  Expect(e.offsets.size() == e.size() && e.type_ids.size() == e.size() &&
         e.special.size() == e.size());
  for (const auto& span : e.offsets) Expect(span.begin <= span.end && span.end <= text_size);
}

void CheckEncode(const malmoi::text::Tokenizer& tokenizer, std::string_view text) {
  const auto e = tokenizer.Encode(text);
  CheckSizes(e, text.size());
  Expect(tokenizer.Encode(text).ids == e.ids);  // From the cache, in part.
  static_cast<void>(tokenizer.Decode(e.ids, true));
  static_cast<void>(tokenizer.Decode({0, 1, 2, 3, 4, 5, -1, 1 << 30}, false));
  Expect(tokenizer.Encode(text, {.max_tokens = 3}).size() <= 3);
  Expect(tokenizer.Encode(text, {.max_tokens = 4, .cut_left = true}).size() <= 4);
  const auto half = text.substr(0, text.size() / 2);
  CheckSizes(tokenizer.EncodePair(text, half), text.size());
  Expect(tokenizer.EncodePair(half, text, {.max_tokens = 7}).size() <= 7);
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
