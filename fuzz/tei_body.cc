// A request's body through the parser and every reader of the embedding server.
#include <cstdint>
#include <string_view>

#include "serve/tei/requests_internal.h"

using namespace malmoi::serve::tei;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto body = Body::Parse(bytes);
  if (!body.ok()) return 0;
  const Node& root = body.value().root();
  (void)ReadEmbed(body.value(), root, EmbedForm::kPooled).ok();
  (void)ReadPredict(body.value(), root).ok();
  (void)ReadRerank(body.value(), root).ok();
  (void)ReadSimilarity(body.value(), root).ok();
  (void)ReadTokenize(body.value(), root).ok();
  (void)ReadDecode(body.value(), root).ok();
  (void)ReadOpenAi(body.value(), root).ok();
  (void)ReadDocumentRerank(body.value(), root).ok();
  (void)ReadOllama(body.value(), root, "input").ok();
  (void)ReadInstances(body.value(), root).ok();
  return 0;
}
