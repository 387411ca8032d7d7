// /tokenize and /decode.
#include <utility>

#include "base/utf8.h"
#include "json/writer.h"
#include "serve/tei/handlers_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/routes_internal.h"

namespace malmoi::serve::tei {
namespace {

Error TokenizationError(const Context& context, Error error) {
  context.service.metrics.Failure("tokenization");
  return FromEngine(std::move(error));
}

void PutToken(const text::Tokenizer& tokenizer, const text::Encoding& encoding, std::size_t i,
              std::string_view text, json::Writer* w) {
  const bool special = encoding.special[i] != 0;
  const text::Encoding::Span span = encoding.offsets[i];
  w->BeginObject().Field("id", encoding.ids[i]);
  w->Field("text", special ? tokenizer.TokenOf(encoding.ids[i])
                           : text.substr(span.begin, span.end - span.begin));
  w->Field("special", special);
  if (special) {
    w->Key("start").PutNull().Key("stop").PutNull();
  } else {
    w->Field("start", span.begin).Field("stop", span.end);
  }
  w->EndObject();
}

Status PutTokens(const Context& context, const Served& served, const TokenizeRequest& request,
                 std::string_view input, json::Writer* w) {
  if (input.empty()) {
    return TokenizationError(context, Error(Code::kNotFound, "`inputs` cannot be empty"));
  }
  auto prompt = served.engine->PromptOf(request.prompt_name);
  if (!prompt.ok()) return TokenizationError(context, std::move(prompt.error()));
  const std::size_t limit = served.engine->info().max_tokens * embed::kCharactersPerToken;
  if (const std::size_t given = CountRunes(input); given > limit) {
    return TokenizationError(
        context, Error(Code::kOutOfRange, "`inputs` must have less than " + std::to_string(limit) +
                                              " characters. Given: " + std::to_string(given)));
  }
  const std::string text = prompt.value() + std::string(input);
  const text::Tokenizer& tokenizer = served.engine->tokenizer();
  const text::Encoding encoding =
      tokenizer.Encode(text, {.add_special_tokens = request.add_special_tokens});
  w->BeginArray();
  for (std::size_t i = 0; i < encoding.size(); ++i) PutToken(tokenizer, encoding, i, text, w);
  w->EndArray();
  return Ok();
}

Result<net::Response> Tokenize(const Context& context, const TokenizeRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, {}));
  if (!request.single) MALMOI_TRY(CheckBatch(context, request.inputs.size(), "inputs"));
  json::Writer w;
  w.BeginArray();
  for (const std::string_view input : request.inputs) {
    MALMOI_TRY(PutTokens(context, *served, request, input, &w));
  }
  return JsonResponse(std::move(w.EndArray()).Take());
}

Result<net::Response> Decode(const Context& context, const DecodeRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, {}));
  if (!request.single) MALMOI_TRY(CheckBatch(context, request.ids.size(), "ids"));
  json::Writer w;
  w.BeginArray();
  for (const auto& ids : request.ids) {
    if (ids.empty()) {
      return TokenizationError(context, Error(Code::kNotFound, "`input_ids` cannot be empty"));
    }
    w.Put(served->engine->tokenizer().Decode(ids, request.skip_special_tokens));
  }
  return JsonResponse(std::move(w.EndArray()).Take());
}

}  // namespace

net::Response RouteTokenize(const Context& context) {
  return Answer(context, Tokenize,
                [](const Body& body) { return ReadTokenize(body, body.root()); });
}

net::Response RouteDecode(const Context& context) {
  return Answer(context, Decode, [](const Body& body) { return ReadDecode(body, body.root()); });
}

}  // namespace malmoi::serve::tei
