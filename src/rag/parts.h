#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "embed/embedder.h"
#include "kernels/gemm.h"
#include "llm/generator.h"
#include "remote/qdrant_client.h"
#include "text/analyzer.h"
#include "vec/collection.h"

namespace malmoi::rag {

// The embedded parts as the settings name them: the one place that knows where assets lie.

// The folder of IPADIC: the asset mecab-ipadic, else Debian's package mecab-ipadic-utf8; else
// empty.
std::string JapaneseDictionary();
// The analyser with the Korean dictionary, if the asset mecab-ko-dic is there, and the Japanese
// one.
Result<std::shared_ptr<const text::Analyzer>> OpenAnalyzer();

// `model` is an id, a directory, an embedding server's URL (remote::EmbeddingServerOptions), or
// "none" (null); `key` is that server's. Errors: those of FindModel and Embedder::Open, or of
// remote::OpenEmbeddingServer.
Result<std::shared_ptr<embed::Embedder>> OpenEmbedder(
    const std::string& model, std::size_t threads,
    kernels::Precision precision = kernels::Precision::kFloat32, const std::string& key = "");

// Where a library's chunks lie: in `data`, or in a store.
struct DatabaseSettings {
  std::string data;
  remote::StoreAddress store;  // Without a url: embedded.
  std::size_t threads = 0;
};
Result<std::unique_ptr<vec::Database>> OpenDatabase(const DatabaseSettings& settings);

// `llm` is "none" (null), "local" (the asset), a .gguf file, or an endpoint's URL.
struct GeneratorSettings {
  std::string llm = "none";
  std::string model;    // At the endpoint; empty: its first.
  std::string api_key;  // Of the endpoint.
  std::size_t threads = 0;
};
Result<std::shared_ptr<llm::Generator>> OpenGenerator(const GeneratorSettings& settings);

}  // namespace malmoi::rag
