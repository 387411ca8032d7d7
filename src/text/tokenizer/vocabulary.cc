#include "text/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

namespace malmoi::text {
namespace {

constexpr std::int64_t kMaxId = 1 << 27;  // 262,144 is the largest vocabulary that is in use.

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  keys.reserve(tokens_.size());
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    keys.emplace_back(tokens_[id], static_cast<std::int32_t>(id));
  }
  trie_ = ByteTrie::Build(std::move(keys));
  count_ = tokens_.size();
}

Result<Vocabulary> Vocabulary::Read(const json::Value& model) {
  const json::Value* vocab = model.Find("vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->members().empty()) {
    return MalformedModel(model, "'vocab' is not an object with tokens");
  }
  Vocabulary out;
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  keys.reserve(vocab->members().size());
  for (const auto& [token, value] : vocab->members()) {
    const auto id = value.AsInt();
    if (!id || *id < 0 || *id >= kMaxId) {
      return MalformedModel(
          model, "id of '" + token + "' is " + value.Dump() + ", not an integer in [0, 134217728)");
    }
    const auto index = static_cast<std::size_t>(*id);
    if (index >= 64 * vocab->members().size() + 65536) {
      return MalformedModel(model, "id of '" + token + "' leaves too large a gap");
    }
    if (index >= out.tokens_.size()) out.tokens_.resize(index + 1);
    out.tokens_[index] = token;
    keys.emplace_back(token, static_cast<std::int32_t>(*id));
    if (token.empty()) out.empty_id_ = static_cast<std::int32_t>(*id);
  }
  out.trie_ = ByteTrie::Build(std::move(keys));
  out.count_ = vocab->members().size();
  return out;
}

std::size_t Vocabulary::longest() const {
  std::size_t most = 0;
  for (const std::string& token : tokens_) most = std::max(most, token.size());
  return most;
}

Error MalformedModel(const json::Value& model, std::string_view what) {
  return Error(Code::kInvalidArgument,
               "model '" + std::string(model.GetString("type")) + "': " + std::string(what));
}

}  // namespace malmoi::text
