#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "embed/embedder.h"

namespace malmoi::remote {

struct EmbeddingServerOptions {
  // tei://HOST[:8080], teis:// (TLS), http:// or https://HOST: text-embeddings-inference, this
  // program's or Hugging Face's, one or a fleet behind a balancer.
  // http(s)://HOST/.../v1[#MODEL]: an OpenAI-compatible server; without MODEL the first it lists.
  std::string url;
  std::string key;              // Sent as a bearer token; empty: none.
  std::size_t connections = 4;  // Requests under way at once, so that a fleet has work.
};

// Whether the text names an embedding server, not a model's id or folder.
bool IsEmbeddingServer(std::string_view model);

// An embed::Embedder over such a server. Prompts are put before the texts here (E5's), since the
// server's own defaults are not known; texts over the model's limit are cut there. The fingerprint
// is that of the model's name, revision and dtype as the server gives them, and of its dimension:
// vectors of another server of the same model are taken for equal to these. A server that is full
// (429, 503) is asked again for up to half a minute.
// Errors of opening and of Embed: kUnavailable, kPermissionDenied, kInvalidArgument (no embedding
// model), kOutOfRange, kCancelled, kInternal for an answer of another form. Thread-safe.
Result<std::shared_ptr<embed::Embedder>> OpenEmbeddingServer(const EmbeddingServerOptions& options);

}  // namespace malmoi::remote
