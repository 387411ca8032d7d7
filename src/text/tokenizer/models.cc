#include "text/tokenizer/stages.h"

namespace malmoi::text {

Result<std::unique_ptr<const Model>> ReadModel(const json::Value& value) {
  const std::string_view type = value.GetString("type");
  if (type == "WordPiece") return ReadWordPiece(value);
  if (type == "Unigram") return ReadUnigram(value);
  if (type == "BPE") return ReadBpe(value);
  if (type == "WordLevel") return ReadWordLevel(value);
  return UnknownComponent("model", value, "WordPiece, Unigram, BPE, WordLevel");
}

}  // namespace malmoi::text
