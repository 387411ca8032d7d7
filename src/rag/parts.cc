#include "rag/parts.h"

#include <filesystem>

#include "embed/model_store.h"
#include "os/paths.h"
#include "os/vfs.h"
#include "remote/embedding_server.h"
#include "remote/qdrant_database.h"

namespace malmoi::rag {
namespace {

// Where Debian's package mecab-ipadic-utf8 puts the compiled dictionary.
constexpr const char* kDebianIpadic = "/var/lib/mecab/dic/ipadic-utf8";

}  // namespace

std::string JapaneseDictionary() {
  if (auto asset = os::FindAsset("mecab-ipadic")) return *asset;
  const bool installed = std::filesystem::exists(std::string(kDebianIpadic) + "/sys.dic");
  return installed ? kDebianIpadic : "";
}

Result<std::shared_ptr<const text::Analyzer>> OpenAnalyzer() {
  text::AnalyzerOptions options;
  options.korean_dictionary = os::FindAsset("mecab-ko-dic").value_or("");
  options.japanese_dictionary = JapaneseDictionary();
  return text::Analyzer::Create(options).With("open analyser");
}

Result<std::shared_ptr<embed::Embedder>> OpenEmbedder(const std::string& model, std::size_t threads,
                                                      kernels::Precision precision,
                                                      const std::string& key) {
  if (model == "none" || model.empty()) return std::shared_ptr<embed::Embedder>();
  if (remote::IsEmbeddingServer(model)) return remote::OpenEmbeddingServer({model, key});
  MALMOI_TRY(const std::string directory, embed::FindModel(model));
  return embed::Embedder::Open(directory, {.threads = threads, .precision = precision})
      .With("open model '" + model + "'");
}

Result<std::unique_ptr<vec::Database>> OpenDatabase(const DatabaseSettings& settings) {
  os::Vfs& vfs = os::PosixVfs();
  if (settings.store.url.empty()) {
    return vec::Database::Open(vfs, os::JoinPath(settings.data, "vec"), settings.threads);
  }
  return remote::OpenQdrant(settings.store, vfs, os::JoinPath(settings.data, "store-owner"));
}

Result<std::shared_ptr<llm::Generator>> OpenGenerator(const GeneratorSettings& settings) {
  if (settings.llm == "none" || settings.llm.empty()) return std::shared_ptr<llm::Generator>();
  if (settings.llm.starts_with("http://") || settings.llm.starts_with("https://")) {
    MALMOI_TRY(auto endpoint,
               llm::OpenEndpoint(
                   {.url = settings.llm, .api_key = settings.api_key, .model = settings.model}));
    return std::shared_ptr<llm::Generator>(std::move(endpoint));
  }
  const bool is_file = settings.llm.ends_with(".gguf");
  if (!is_file && settings.llm != "local") {
    return Error(Code::kInvalidArgument,
                 "llm is '" + settings.llm + "': use none, local, a .gguf file, or an http(s) URL");
  }
  MALMOI_TRY(auto local,
             llm::OpenLocal({.gguf = is_file ? settings.llm : "", .threads = settings.threads}));
  return std::shared_ptr<llm::Generator>(std::move(local));
}

}  // namespace malmoi::rag
