#include <utility>

#include "base/hash.h"
#include "embed/open_model_internal.h"
#include "embed/samples.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::embed {

Result<OpenedModel> OpenModel(const std::string& directory, model::OpenOptions options,
                              const std::string& where) {
  OpenedModel out;
  const auto read = [&]() -> Result<std::shared_ptr<const text::Tokenizer>> {
    MALMOI_TRY(const auto json,
               os::ReadFile(os::PosixVfs(), os::JoinPath(directory, "tokenizer.json")));
    out.tokenizer_hash = Hash64(json);
    return text::Tokenizer::FromJson(json);
  };
  auto tokenizer = read();
  if (options.precision == kernels::Precision::kInt8 && tokenizer.ok()) {
    options.samples = SampleIds(*tokenizer.value());
    options.samples_folder = os::JoinPath(os::CacheHome(), "malmoi/samples");
  }
  MALMOI_TRY(out.encoder, model::Encoder::Open(directory, options));
  MALMOI_TRY(out.tokenizer, std::move(tokenizer).With(where));
  return out;
}

}  // namespace malmoi::embed
