#include <algorithm>
#include <limits>
#include <utility>

#include "serve/tei/fields_internal.h"
#include "serve/tei/requests_internal.h"

namespace malmoi::serve::tei {
namespace {

// Token ids; nothing where one is not an integer of 32 bits.
std::optional<std::vector<std::int32_t>> ReadIds(const Node& node) {
  if (node.kind != Node::Kind::kArray) return std::nullopt;
  std::vector<std::int32_t> ids;
  ids.reserve(node.items.size());
  for (const Node& item : node.items) {
    if (item.kind != Node::Kind::kUint) return std::nullopt;
    if (item.number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    // No vocabulary reaches the sign bit: such an id is as unknown as -1.
    ids.push_back(item.number > 0x7FFFFFFF ? -1 : static_cast<std::int32_t>(item.number));
  }
  return ids;
}

std::optional<embed::Input> ReadInput(const Node& node) {
  embed::Input input;
  if (node.kind == Node::Kind::kString) {
    input.text = node.text;
    return input;
  }
  input.ids = ReadIds(node);
  if (!input.ids) return std::nullopt;
  return input;
}

// A text, a list of ids, or a list of those.
Field InputField(std::string_view name, InputList* to) {
  return {name, true, [to](const Node& node, const Place& place) -> Status {
            if (auto one = ReadInput(node)) {
              to->single = true;
              to->items.push_back(std::move(*one));
              return Ok();
            }
            for (const Node& item : node.items) {
              auto one = ReadInput(item);
              if (!one) return NoVariant(node, place, "Input");
              to->items.push_back(std::move(*one));
            }
            if (node.kind != Node::Kind::kArray) return NoVariant(node, place, "Input");
            return Ok();
          }};
}

constexpr const char* kPredictInput =
    "a string, a pair of strings [string, string] or a batch of mixed strings and pairs "
    "[[string], [string, string], ...]";

Error WrongLength(std::size_t length, const Node& node, const Place& place) {
  return place.body.Mismatch(
      place.path, "invalid length " + std::to_string(length) + ", expected " + kPredictInput,
      node.end);
}

// [text] or [text, text].
Result<embed::Input> ReadSequence(const Node& node, const Place& place) {
  std::vector<std::string_view> texts;
  MALMOI_TRY(TextsField("", &texts).read(node, place));
  if (texts.empty() || texts.size() > 2) return WrongLength(texts.size(), node, place);
  embed::Input input{.text = texts.front()};
  if (texts.size() == 2) input.second = texts.back();
  return input;
}

Status ReadPredictInput(const Node& node, const Place& place, InputList* to) {
  to->single = true;
  if (node.kind == Node::Kind::kString) {
    to->items.push_back({.text = node.text});
    return Ok();
  }
  if (node.kind != Node::Kind::kArray) return WrongType(node, place, kPredictInput);
  if (node.items.empty()) return WrongLength(0, node, place);
  if (node.items.front().kind == Node::Kind::kString) {
    MALMOI_TRY(auto input, ReadSequence(node, place));
    to->items.push_back(std::move(input));
    return Ok();
  }
  to->single = false;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Place here = {place.body, place.path + "[" + std::to_string(i) + "]"};
    if (i == 0 && node.items[0].kind != Node::Kind::kArray) {
      return NoVariant(node.items[0], here, "Internal");
    }
    MALMOI_TRY(auto input, ReadSequence(node.items[i], here));
    to->items.push_back(std::move(input));
  }
  return Ok();
}

// A text, or an object with one under "text".
Status ReadDocuments(const Node& node, const Place& place, std::vector<std::string_view>* to) {
  if (node.kind != Node::Kind::kArray) return WrongType(node, place, "a sequence");
  for (const Node& item : node.items) {
    const Node* text = item.kind == Node::Kind::kObject ? item.Find("text") : &item;
    if (text == nullptr || text->kind != Node::Kind::kString) {
      const std::string path = place.path + "[" + std::to_string(to->size()) + "]";
      return WrongType(item, {place.body, path}, "a string or an object with a \"text\"");
    }
    to->push_back(text->text);
  }
  return Ok();
}

}  // namespace

Result<EmbedRequest> ReadEmbed(const Body& body, const Node& node, EmbedForm form) {
  EmbedRequest out;
  Field fields[] = {InputField("inputs", &out.inputs),
                    OptionalBoolField("truncate", &out.truncate),
                    DirectionField(&out.cut_left),
                    OptionalTextField("prompt_name", &out.prompt_name),
                    ModelField(&out.model),
                    BoolField("normalize", &out.normalize),
                    OptionalSizeField("dimensions", &out.dimensions)};
  const bool pooled = form == EmbedForm::kPooled;
  const std::span<Field> known(fields, pooled ? 7 : 5);
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct EmbedRequest", known));
  return out;
}

Result<PredictRequest> ReadPredict(const Body& body, const Node& node) {
  PredictRequest out;
  Field fields[] = {{"inputs", true,
                     [&out](const Node& value, const Place& place) {
                       return ReadPredictInput(value, place, &out.inputs);
                     }},
                    OptionalBoolField("truncate", &out.truncate),
                    DirectionField(&out.cut_left),
                    BoolField("raw_scores", &out.raw_scores),
                    ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct PredictRequest", fields));
  return out;
}

Result<RerankRequest> ReadRerank(const Body& body, const Node& node) {
  RerankRequest out;
  Field fields[] = {TextField("query", &out.query),
                    TextsField("texts", &out.texts),
                    OptionalBoolField("truncate", &out.truncate),
                    DirectionField(&out.cut_left),
                    BoolField("raw_scores", &out.raw_scores),
                    BoolField("return_text", &out.return_text),
                    ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct RerankRequest", fields));
  return out;
}

Result<SimilarityRequest> ReadSimilarity(const Body& body, const Node& node) {
  SimilarityRequest out;
  const auto inputs = [&out](const Node& value, const Place& place) {
    Field fields[] = {TextField("source_sentence", &out.source),
                      TextsField("sentences", &out.sentences)};
    return ReadObject(value, place, "struct SimilarityInput", fields);
  };
  const auto parameters = [&out](const Node& value, const Place& place) -> Status {
    if (value.kind == Node::Kind::kNull) return Ok();
    Field fields[] = {OptionalBoolField("truncate", &out.truncate), DirectionField(&out.cut_left),
                      OptionalTextField("prompt_name", &out.prompt_name)};
    return ReadObject(value, place, "struct SimilarityParameters", fields);
  };
  Field fields[] = {
      {"inputs", true, inputs}, {"parameters", false, parameters}, ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct SimilarityRequest", fields));
  return out;
}

Result<TokenizeRequest> ReadTokenize(const Body& body, const Node& node) {
  TokenizeRequest out;
  const auto inputs = [&out](const Node& value, const Place& place) -> Status {
    out.single = value.kind == Node::Kind::kString;
    if (out.single) {
      out.inputs.push_back(value.text);
      return Ok();
    }
    const bool texts = value.kind == Node::Kind::kArray &&
                       std::all_of(value.items.begin(), value.items.end(), [](const Node& item) {
                         return item.kind == Node::Kind::kString;
                       });
    if (!texts) return NoVariant(value, place, "TokenizeInput");
    for (const Node& item : value.items) out.inputs.push_back(item.text);
    return Ok();
  };
  Field fields[] = {{"inputs", true, inputs},
                    BoolField("add_special_tokens", &out.add_special_tokens),
                    OptionalTextField("prompt_name", &out.prompt_name),
                    ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct TokenizeRequest", fields));
  return out;
}

Result<DecodeRequest> ReadDecode(const Body& body, const Node& node) {
  DecodeRequest out;
  const auto ids = [&out](const Node& value, const Place& place) -> Status {
    if (auto one = ReadIds(value)) {
      out.single = true;
      out.ids.push_back(std::move(*one));
      return Ok();
    }
    for (const Node& item : value.items) {
      auto one = ReadIds(item);
      if (!one) return NoVariant(value, place, "InputIds");
      out.ids.push_back(std::move(*one));
    }
    if (value.kind != Node::Kind::kArray) return NoVariant(value, place, "InputIds");
    return Ok();
  };
  Field fields[] = {{"ids", true, ids},
                    BoolField("skip_special_tokens", &out.skip_special_tokens),
                    ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct DecodeRequest", fields));
  return out;
}

Result<OpenAiRequest> ReadOpenAi(const Body& body, const Node& node) {
  OpenAiRequest out;
  std::optional<std::string> model, user;
  const auto format = [&out](const Node& value, const Place& place) -> Status {
    static constexpr std::string_view kChoices[] = {"float", "base64"};
    MALMOI_TRY(const std::size_t choice, ReadChoice(value, place, kChoices));
    out.base64 = choice == 1;
    return Ok();
  };
  Field fields[] = {InputField("input", &out.input),
                    OptionalTextField("model", &model),
                    OptionalTextField("user", &user),
                    {"encoding_format", false, format},
                    OptionalSizeField("dimensions", &out.dimensions)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct OpenAICompatRequest", fields));
  if (model) out.model = node.Find("model")->text;
  return out;
}

Result<DocumentRerankRequest> ReadDocumentRerank(const Body& body, const Node& node) {
  DocumentRerankRequest out;
  Field fields[] = {TextField("query", &out.query),
                    {"documents", true,
                     [&out](const Node& value, const Place& place) {
                       return ReadDocuments(value, place, &out.documents);
                     }},
                    OptionalSizeField("top_n", &out.top_n),
                    OptionalBoolField("return_documents", &out.return_documents),
                    ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct RerankRequest", fields));
  return out;
}

Result<OllamaRequest> ReadOllama(const Body& body, const Node& node, std::string_view member) {
  OllamaRequest out;
  const auto input = [&out](const Node& value, const Place& place) -> Status {
    if (value.kind == Node::Kind::kString) {
      out.input = {value.text};
      return Ok();
    }
    return TextsField("", &out.input).read(value, place);
  };
  std::optional<bool> truncate;
  Field fields[] = {{member, true, input},
                    OptionalBoolField("truncate", &truncate),
                    OptionalSizeField("dimensions", &out.dimensions),
                    ModelField(&out.model)};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct EmbedRequest", fields));
  out.truncate = truncate.value_or(true);
  return out;
}

Result<const Node*> ReadInstances(const Body& body, const Node& node) {
  const Node* out = nullptr;
  Field fields[] = {{"instances", true, [&out](const Node& value, const Place& place) -> Status {
                       if (value.kind != Node::Kind::kArray) {
                         return WrongType(value, place, "a sequence");
                       }
                       out = &value;
                       return Ok();
                     }}};
  MALMOI_TRY(ReadObject(node, {body, ""}, "struct VertexRequest", fields));
  return out;
}

}  // namespace malmoi::serve::tei
