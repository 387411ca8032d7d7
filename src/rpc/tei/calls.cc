#ifdef MALMOI_GRPC
#include <utility>

#include "base/clock.h"
#include "base/utf8.h"
#include "rpc/tei/calls_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/scores.h"

namespace malmoi::rpc::tei {
namespace {

using embed::ModelKind;
using serve::tei::Outcome;
using serve::tei::Served;

constexpr ModelKind kDense[] = {ModelKind::kEmbedding};
constexpr ModelKind kSparse[] = {ModelKind::kSparse};
constexpr ModelKind kClassifiers[] = {ModelKind::kClassifier, ModelKind::kReranker};
constexpr ModelKind kRerankers[] = {ModelKind::kReranker};

Error Wrong(const Call& call, const char* message) {
  call.service.metrics.Failure("model_type");
  return Error(Code::kUnsupported, message);
}

template <class Request>
serve::tei::Wish WishOf(const Request& request, embed::Output output) {
  return {.single = true,
          .truncate = request.truncate(),
          .cut_left = request.truncation_direction() == pb::TRUNCATION_DIRECTION_LEFT,
          .output = output};
}

// The outcome of one text, with its prompt where the message has one.
template <class Request>
Result<Outcome> InferText(const Call& call, const Served& served, const Request& request,
                          embed::Output output) {
  if (served.Classifies()) return Wrong(call, "Model is not an embedding model");
  serve::tei::Wish wish = WishOf(request, output);
  if (request.has_prompt_name()) wish.prompt_name = request.prompt_name();
  const embed::Input input = {.text = request.inputs()};
  return serve::tei::Infer(call, served, std::span(&input, 1), wish);
}

void SetMetadata(const Call& call, const Outcome& outcome, bool single, pb::Metadata* to) {
  (void)serve::tei::Finish(call, outcome, single);  // For its metrics.
  to->set_compute_chars(static_cast<std::uint32_t>(outcome.characters));
  to->set_compute_tokens(static_cast<std::uint32_t>(outcome.tokens));
  to->set_total_time_ns(static_cast<std::uint64_t>(MonotonicNs() - call.start_ns));
  to->set_tokenization_time_ns(static_cast<std::uint64_t>(outcome.tokenization_ns));
  to->set_queue_time_ns(static_cast<std::uint64_t>(outcome.queue_ns));
  to->set_inference_time_ns(static_cast<std::uint64_t>(outcome.inference_ns));
}

Result<pb::PredictResponse> PredictInput(const Call& call, const embed::Input& input,
                                         const serve::tei::Wish& wish, bool raw_scores) {
  MALMOI_TRY(const Served* served, call.service.Pick("", kClassifiers));
  if (!served->Classifies()) return Wrong(call, "Model is not a classifier model");
  MALMOI_TRY(Outcome outcome, serve::tei::Infer(call, *served, std::span(&input, 1), wish));
  std::vector<float>& scores = outcome.jobs.front().values;
  if (!raw_scores) serve::tei::Squash(&scores);
  MALMOI_TRY(serve::tei::CheckNumbers(scores));
  pb::PredictResponse response;
  const auto& labels = served->engine->info().labels;
  for (const serve::tei::Score& score : serve::tei::Sorted(scores)) {
    pb::Prediction* prediction = response.add_predictions();
    prediction->set_score(score.value);
    prediction->set_label(score.index < labels.size() ? labels[score.index]
                                                      : "LABEL_" + std::to_string(score.index));
  }
  SetMetadata(call, outcome, true, response.mutable_metadata());
  return response;
}

}  // namespace

Result<pb::InfoResponse> Info(const Call& call, const pb::InfoRequest&) {
  const serve::tei::ServerOptions& options = call.service.options;
  const Served& served = call.service.models.front();
  const embed::EngineInfo& info = served.engine->info();
  pb::InfoResponse out;
  out.set_version(serve::tei::kVersion);
  out.set_model_id(served.model_id);
  if (!options.revision.empty()) out.set_model_sha(options.revision);
  out.set_model_dtype(info.dtype);
  out.set_model_type(info.kind == ModelKind::kReranker     ? pb::MODEL_TYPE_RERANKER
                     : info.kind == ModelKind::kClassifier ? pb::MODEL_TYPE_CLASSIFIER
                                                           : pb::MODEL_TYPE_EMBEDDING);
  out.set_max_concurrent_requests(static_cast<std::uint32_t>(options.max_concurrent_requests));
  out.set_max_input_length(static_cast<std::uint32_t>(info.max_tokens));
  out.set_max_batch_tokens(static_cast<std::uint32_t>(options.max_batch_tokens));
  if (options.max_batch_requests) {
    out.set_max_batch_requests(static_cast<std::uint32_t>(*options.max_batch_requests));
  }
  out.set_max_client_batch_size(static_cast<std::uint32_t>(options.max_client_batch_size));
  out.set_tokenization_workers(static_cast<std::uint32_t>(options.tokenization_workers));
  return out;
}

Result<pb::EmbedResponse> Embed(const Call& call, const pb::EmbedRequest& request) {
  MALMOI_TRY(const Served* served, call.service.Pick("", kDense));
  const bool normalize = request.has_normalize() ? request.normalize() : true;
  if (served->engine->info().kind == ModelKind::kSparse && normalize) {
    return Wrong(call, "`normalize` is not available for SPLADE models");
  }
  serve::tei::VectorShape shape{.normalize = normalize, .dimensions = {}};
  if (request.has_dimensions()) shape.dimensions = request.dimensions();
  if (shape.dimensions == 0u) {
    return serve::tei::Invalid(call, Code::kInvalidArgument, "`dimensions` should be positive");
  }
  MALMOI_TRY(Outcome outcome, InferText(call, *served, request, embed::Output::kPooled));
  MALMOI_TRY(serve::tei::Shape(call, shape, &outcome.jobs));
  pb::EmbedResponse out;
  const std::vector<float>& values = outcome.jobs.front().values;
  out.mutable_embeddings()->Add(values.begin(), values.end());
  SetMetadata(call, outcome, true, out.mutable_metadata());
  return out;
}

Result<pb::EmbedSparseResponse> EmbedSparse(const Call& call,
                                            const pb::EmbedSparseRequest& request) {
  MALMOI_TRY(const Served* served, call.service.Pick("", kSparse));
  if (!served->engine->info().has_sparse) {
    return Wrong(call, "Model is not an embedding model with SPLADE pooling");
  }
  MALMOI_TRY(const Outcome outcome, InferText(call, *served, request, embed::Output::kSparse));
  pb::EmbedSparseResponse out;
  for (const embed::SparseWeight& weight : outcome.jobs.front().sparse) {
    if (weight.value == 0) continue;
    pb::SparseValue* value = out.add_sparse_embeddings();
    value->set_index(weight.index);
    value->set_value(weight.value);
  }
  SetMetadata(call, outcome, true, out.mutable_metadata());
  return out;
}

Result<pb::EmbedAllResponse> EmbedAll(const Call& call, const pb::EmbedAllRequest& request) {
  MALMOI_TRY(const Served* served, call.service.Pick("", kDense));
  if (served->engine->info().kind == ModelKind::kSparse) {
    return Wrong(call, "`embed_all` is not available for SPLADE models");
  }
  MALMOI_TRY(const Outcome outcome, InferText(call, *served, request, embed::Output::kTokens));
  pb::EmbedAllResponse out;
  const embed::Job& job = outcome.jobs.front();
  for (auto at = job.values.begin(); at != job.values.end();) {
    const auto end = at + static_cast<std::ptrdiff_t>(job.width);
    out.add_token_embeddings()->mutable_embeddings()->Add(at, end);
    at = end;
  }
  SetMetadata(call, outcome, true, out.mutable_metadata());
  return out;
}

Result<pb::PredictResponse> Predict(const Call& call, const pb::PredictRequest& request) {
  return PredictInput(call, {.text = request.inputs()}, WishOf(request, embed::Output::kScores),
                      request.raw_scores());
}

Result<pb::PredictResponse> PredictPair(const Call& call, const pb::PredictPairRequest& request) {
  if (request.inputs_size() < 1 || request.inputs_size() > 2) {
    return serve::tei::Invalid(call, Code::kInvalidArgument,
                               "`inputs` must have a single element or a pair of elements");
  }
  embed::Input input = {.text = request.inputs(0)};
  if (request.inputs_size() == 2) input.second = request.inputs(1);
  return PredictInput(call, input, WishOf(request, embed::Output::kScores), request.raw_scores());
}

Result<pb::RerankResponse> Rerank(const Call& call, const pb::RerankRequest& request) {
  if (request.texts().empty()) {
    call.service.metrics.Failure("validation");
    return Error(Code::kNotFound, "`texts` cannot be empty");
  }
  MALMOI_TRY(const Served* served, call.service.Pick("", kRerankers));
  if (served->engine->info().kind != ModelKind::kReranker) {
    return Wrong(call, "model is not a re-ranker model");
  }
  MALMOI_TRY(serve::tei::CheckBatch(call, static_cast<std::size_t>(request.texts_size()), "texts"));
  std::vector<embed::Input> inputs;
  for (const std::string& text : request.texts()) {
    inputs.push_back({.text = request.query(), .second = text});
  }
  serve::tei::Wish wish = WishOf(request, embed::Output::kScores);
  wish.single = false;
  MALMOI_TRY(const Outcome outcome, serve::tei::Infer(call, *served, inputs, wish));
  std::vector<float> scores;
  for (const embed::Job& job : outcome.jobs) {
    MALMOI_TRY(serve::tei::CheckNumbers(job.values));
    const float score = job.values.front();
    scores.push_back(request.raw_scores() ? score : serve::tei::Sigmoid(score));
  }
  pb::RerankResponse out;
  for (const serve::tei::Score& score : serve::tei::Sorted(scores)) {
    pb::Rank* rank = out.add_ranks();
    rank->set_index(static_cast<std::uint32_t>(score.index));
    rank->set_score(score.value);
    if (request.return_text()) rank->set_text(request.texts(static_cast<int>(score.index)));
  }
  SetMetadata(call, outcome, false, out.mutable_metadata());
  return out;
}

Result<pb::EncodeResponse> Tokenize(const Call& call, const pb::EncodeRequest& request) {
  if (request.inputs().empty()) {
    return serve::tei::Invalid(call, Code::kNotFound, "`inputs` cannot be empty");
  }
  const embed::Engine& engine = *call.service.models.front().engine;
  std::optional<std::string> name;
  if (request.has_prompt_name()) name = request.prompt_name();
  auto prompt = engine.PromptOf(name);
  if (!prompt.ok()) {
    return serve::tei::Invalid(call, prompt.error().code(), prompt.error().message());
  }
  const std::size_t limit = engine.info().max_tokens * embed::kCharactersPerToken;
  if (const std::size_t given = CountRunes(request.inputs()); given > limit) {
    return serve::tei::Invalid(call, Code::kOutOfRange,
                               "`inputs` must have less than " + std::to_string(limit) +
                                   " characters. Given: " + std::to_string(given));
  }
  const std::string text = prompt.value() + request.inputs();
  const text::Encoding encoding =
      engine.tokenizer().Encode(text, {.add_special_tokens = request.add_special_tokens()});
  pb::EncodeResponse out;
  for (std::size_t i = 0; i < encoding.size(); ++i) {
    pb::SimpleToken* token = out.add_tokens();
    token->set_id(static_cast<std::uint32_t>(encoding.ids[i]));
    token->set_special(encoding.special[i] != 0);
    const text::Encoding::Span span = encoding.offsets[i];
    if (token->special()) {
      token->set_text(std::string(engine.tokenizer().TokenOf(encoding.ids[i])));
      continue;
    }
    token->set_text(ToValidUtf8(std::string_view(text).substr(span.begin, span.end - span.begin)));
    token->set_start(span.begin);
    token->set_stop(span.end);
  }
  return out;
}

Result<pb::DecodeResponse> Decode(const Call& call, const pb::DecodeRequest& request) {
  if (request.ids().empty()) {
    return serve::tei::Invalid(call, Code::kNotFound, "`input_ids` cannot be empty");
  }
  std::vector<std::int32_t> ids;
  for (const std::uint32_t id : request.ids()) {
    ids.push_back(id > 0x7FFFFFFF ? -1 : static_cast<std::int32_t>(id));
  }
  pb::DecodeResponse out;
  out.set_text(ToValidUtf8(
      call.service.models.front().engine->tokenizer().Decode(ids, request.skip_special_tokens())));
  return out;
}

}  // namespace malmoi::rpc::tei
#endif
