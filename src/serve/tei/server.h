#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/engine.h"

namespace malmoi::serve::tei {

// A model of the server. The first one answers requests that name none, unless another is the
// first of the kind that the route needs.
struct ModelOptions {
  std::string id;           // A directory or a model that FindModel knows.
  std::string served_name;  // Empty: the id.
};

// The names and defaults are those of text-embeddings-inference 1.9, flag by flag.
struct ServerOptions {
  std::vector<ModelOptions> models;
  std::string revision;  // As given; shown by /info.
  std::string hostname = "0.0.0.0";
  std::uint16_t port = 3000;  // 0: any free one.
  std::size_t threads = 0;    // 0: all usable cores.
  std::size_t tokenization_workers = 0;
  std::size_t max_concurrent_requests = 512;
  std::size_t max_batch_tokens = 16384;
  std::optional<std::size_t> max_batch_requests;
  std::size_t max_client_batch_size = 32;  // Inputs that are submitted together.
  bool split_batches = true;  // A request may have more inputs, up to kSplitMax; it is split.
  bool auto_truncate = true;
  std::optional<std::string> default_prompt;
  std::optional<std::string> default_prompt_name;
  std::string pooling;
  std::string dtype = "float32";
  std::uint64_t payload_limit = 2'000'000;     // Bytes of a request's body.
  std::string api_key;                         // Empty: none asked for.
  std::vector<std::string> cors_allow_origin;  // Empty, or one "*": any.
  std::uint16_t prometheus_port = 0;  // A port for /metrics alone; 0: none, it is on `port` too.
  std::optional<std::uint16_t> grpc_port;  // For rpc/tei/server.h; 0: any free one.
  std::string tls_cert, tls_key;           // PEM files; both or none.
  std::string task;                        // "sentence-similarity": what POST / does.
  std::string vertex_predict_route, vertex_health_route;  // AIP_PREDICT_ROUTE, AIP_HEALTH_ROUTE.
  double stop_seconds = 30;

  // The most inputs of one request without --max-client-batch-size: 32 times as many as
  // text-embeddings-inference takes.
  static constexpr std::size_t kSplitMax = 1024;
  std::size_t inputs_max() const {
    return split_batches && max_client_batch_size < kSplitMax ? kSplitMax : max_client_batch_size;
  }
};

struct Service;

// Embedding, reranking and classification over HTTP, as text-embeddings-inference, OpenAI, Cohere,
// Jina, Ollama, SageMaker and Vertex clients ask for it. docs/api/embed.md describes every route.
class Server {
 public:
  // Opens the models and listens. Errors: those of FindModel and Engine::Open; kUnavailable where
  // the address is taken; kInvalidArgument for options that contradict each other.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options);
  virtual ~Server() = default;
  virtual std::uint16_t port() const = 0;
  // For another protocol beside HTTP; lives as long as the server.
  virtual const Service& service() const = 0;
  virtual const std::vector<std::shared_ptr<embed::Engine>>& engines() const = 0;
  // Takes no new requests, finishes those under way for at most stop_seconds.
  virtual void Stop() = 0;
};

}  // namespace malmoi::serve::tei
