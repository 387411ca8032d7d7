#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "embed/engine.h"
#include "serve/tei/body_internal.h"

namespace malmoi::serve::tei {

// Requests as the routes take them. Texts are views into the Body, which outlives the request.
// Unknown members are ignored; `model` is ours on every route: it selects one of several models.
// Errors of all readers: those of Body.

struct InputList {
  bool single = false;  // Not in a list of its own.
  std::vector<embed::Input> items;
};

struct EmbedRequest {
  InputList inputs;
  std::optional<bool> truncate;
  bool cut_left = false;
  std::optional<std::string> prompt_name;
  bool normalize = true;                    // /embed only.
  std::optional<std::uint64_t> dimensions;  // /embed only.
  std::string_view model;
};
enum class EmbedForm : std::uint8_t { kPooled, kTokensOrSparse };
Result<EmbedRequest> ReadEmbed(const Body& body, const Node& node, EmbedForm form);

struct PredictRequest {
  InputList inputs;
  std::optional<bool> truncate;
  bool cut_left = false;
  bool raw_scores = false;
  std::string_view model;
};
Result<PredictRequest> ReadPredict(const Body& body, const Node& node);

struct RerankRequest {
  std::string_view query;
  std::vector<std::string_view> texts;
  std::optional<bool> truncate = std::nullopt;
  bool cut_left = false;
  bool raw_scores = false;
  bool return_text = false;
  std::string_view model = {};
};
Result<RerankRequest> ReadRerank(const Body& body, const Node& node);

struct SimilarityRequest {
  std::string_view source;
  std::vector<std::string_view> sentences;
  std::optional<bool> truncate;
  bool cut_left = false;
  std::optional<std::string> prompt_name;
  std::string_view model;
};
Result<SimilarityRequest> ReadSimilarity(const Body& body, const Node& node);

struct TokenizeRequest {
  bool single = false;
  std::vector<std::string_view> inputs;
  bool add_special_tokens = true;
  std::optional<std::string> prompt_name;
  std::string_view model;
};
Result<TokenizeRequest> ReadTokenize(const Body& body, const Node& node);

struct DecodeRequest {
  bool single = false;
  std::vector<std::vector<std::int32_t>> ids;
  bool skip_special_tokens = true;
  std::string_view model;
};
Result<DecodeRequest> ReadDecode(const Body& body, const Node& node);

struct OpenAiRequest {
  InputList input;
  bool base64 = false;
  std::optional<std::uint64_t> dimensions;
  std::string_view model;
};
Result<OpenAiRequest> ReadOpenAi(const Body& body, const Node& node);

// Cohere's (v1, v2) and Jina's rerank.
struct DocumentRerankRequest {
  std::string_view query;
  std::vector<std::string_view> documents;
  std::optional<std::uint64_t> top_n;
  std::optional<bool> return_documents;
  std::string_view model;
};
Result<DocumentRerankRequest> ReadDocumentRerank(const Body& body, const Node& node);

// Ollama's /api/embed ("input") and /api/embeddings ("prompt").
struct OllamaRequest {
  std::vector<std::string_view> input;
  bool truncate = true;
  std::optional<std::uint64_t> dimensions;
  std::string_view model;
};
Result<OllamaRequest> ReadOllama(const Body& body, const Node& node, std::string_view member);

// {"instances": [...]}, each as JSON for another reader.
Result<const Node*> ReadInstances(const Body& body, const Node& node);

}  // namespace malmoi::serve::tei
