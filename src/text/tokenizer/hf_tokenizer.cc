#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "json/value.h"
#include "os/vfs.h"
#include "text/tokenizer.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/join.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

// Encode(): raw text -> added tokens -> per part: normalizer -> added tokens -> pre-tokenizer ->
// model -> post-processor.
class HfTokenizer : public Tokenizer {
 public:
  struct Stages {
    std::unique_ptr<const Normalizer> normalizer;       // May be null.
    std::unique_ptr<const PreTokenizer> pre_tokenizer;  // May be null.
    std::unique_ptr<const Model> model;
    std::unique_ptr<const PostProcessor> post_processor;  // May be null.
    std::unique_ptr<const Decoder> decoder;               // May be null.
    AddedTokens added;
  };
  explicit HfTokenizer(Stages stages) : stages_(std::move(stages)) {}

  Encoding Encode(std::string_view text, const EncodeOptions& options) const override {
    text = text.substr(0, kMaxText);
    const PostProcessor* post = stages_.post_processor.get();
    const std::size_t limit =
        LimitOf(options, post != nullptr && options.add_special_tokens ? post->added() : 0);
    Encoding out = EncodeBare(text, options.cut_left ? SIZE_MAX : limit);
    Cut(limit, options.cut_left, &out);
    if (post != nullptr) post->Process(text, *this, options.add_special_tokens, &out);
    // A limit below the template's own length cuts the template.
    if (options.max_tokens != 0) Cut(options.max_tokens, false, &out);
    return out;
  }

  Encoding EncodePair(std::string_view first, std::string_view second,
                      const EncodeOptions& options) const override {
    first = first.substr(0, kMaxText);
    second = second.substr(0, kMaxText);
    const PostProcessor* post = stages_.post_processor.get();
    const std::size_t limit =
        LimitOf(options, post != nullptr && options.add_special_tokens ? post->added_to_pair() : 0);
    Encoding a = EncodeBare(first, SIZE_MAX);
    Encoding b = EncodeBare(second, SIZE_MAX);
    if (a.size() + b.size() > limit) {
      const auto [keep_a, keep_b] = LongestFirst(a.size(), b.size(), limit);
      Cut(keep_a, options.cut_left, &a);
      Cut(keep_b, options.cut_left, &b);
    }
    std::fill(b.type_ids.begin(), b.type_ids.end(), 1);
    if (post != nullptr) {
      post->ProcessPair(first, second, *this, options.add_special_tokens, &a, &b);
    } else {
      Append(b, &a);
    }
    if (options.max_tokens != 0) Cut(options.max_tokens, false, &a);
    return a;
  }

  std::string Decode(const std::vector<std::int32_t>& ids, bool skip_special) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const std::int32_t id : ids) {
      const AddedToken* added = stages_.added.ById(id);
      const std::string_view token = added != nullptr ? added->shown : stages_.model->TokenOf(id);
      if (added == nullptr && token.empty()) continue;
      if (skip_special) {
        const AddedToken* same = stages_.added.ByContent(token);
        if (same != nullptr && same->special) continue;
      }
      tokens.emplace_back(token);
    }
    std::string out;
    if (stages_.decoder != nullptr) {
      stages_.decoder->Decode(&tokens);
      for (const std::string& token : tokens) out += token;
      return out;
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) out += ' ';
      out += tokens[i];
    }
    return out;
  }

  std::size_t vocabulary_size() const override {
    return stages_.model->size() + stages_.added.beyond_model();
  }
  std::int32_t IdOf(std::string_view token) const override {
    const AddedToken* added = stages_.added.ByContent(token);
    return added != nullptr ? added->id : stages_.model->IdOf(token);
  }
  std::string_view TokenOf(std::int32_t id) const override {
    const AddedToken* added = stages_.added.ById(id);
    return added != nullptr ? std::string_view(added->content) : stages_.model->TokenOf(id);
  }

 private:
  // Spans are 32 bits wide; past that a text is cut.
  static constexpr std::size_t kMaxText = 0xFFFFFFFF;

  struct Work {
    TokenizerScratch scratch;
    Normalized text;
    std::vector<Piece> pieces;
    std::vector<ModelToken> tokens;
    std::size_t limit = 0;  // Tokens wanted, without the template's.
    Encoding out;
  };

  static std::size_t LimitOf(const EncodeOptions& options, std::size_t template_tokens) {
    if (options.max_tokens == 0) return SIZE_MAX;
    return options.max_tokens - std::min(template_tokens, options.max_tokens);
  }

  // How many tokens of each text stay, as the package's LongestFirst counts.
  static std::pair<std::size_t, std::size_t> LongestFirst(std::size_t a, std::size_t b,
                                                          std::size_t limit) {
    std::size_t n1 = std::min(a, b);
    std::size_t n2 = n1 > limit ? n1 : std::max(n1, limit - n1);
    if (n1 + n2 > limit) {
      n1 = limit / 2;
      n2 = n1 + limit % 2;
    }
    return a > b ? std::pair(n2, n1) : std::pair(n1, n2);
  }

  static void Cut(std::size_t size, bool left, Encoding* out) {
    if (out->size() <= size) return;
    const std::size_t from = left ? out->size() - size : 0;
    const auto keep = [&](auto* v) {
      v->erase(v->begin(), v->begin() + static_cast<std::ptrdiff_t>(from));
      v->resize(size);
    };
    keep(&out->ids);
    keep(&out->offsets);
    keep(&out->type_ids);
    keep(&out->special);
  }

  // The text's tokens without a template, at least `limit` of them where it has so many.
  Encoding EncodeBare(std::string_view text, std::size_t limit) const {
    Work work;
    work.limit = limit;
    work.out.ids.reserve(std::min(text.size() / 3 + 8, work.limit));
    work.out.offsets.reserve(std::min(text.size() / 3 + 8, work.limit));
    if (IsValidUtf8(text)) {
      EncodeValid(text, &work);
    } else {
      EncodeLossy(text, &work);
    }
    work.out.type_ids.resize(work.out.size(), 0);
    work.out.special.resize(work.out.size(), 0);
    return std::move(work.out);
  }

  void EncodeValid(std::string_view text, Work* work) const {
    std::vector<Piece> parts;
    stages_.added.Find(text, false, &parts);
    for (const Piece& part : parts) {
      if (work->out.ids.size() >= work->limit) return;
      if (part.token >= 0) {
        work->out.ids.push_back(part.token);
        work->out.offsets.push_back(
            {static_cast<std::uint32_t>(part.begin), static_cast<std::uint32_t>(part.end)});
        continue;
      }
      work->text.Assign(text.substr(part.begin, part.end - part.begin),
                        static_cast<std::uint32_t>(part.begin));
      EncodePart(work);
    }
  }

  // Each ill-formed byte becomes U+FFFD, whose span is that byte.
  void EncodeLossy(std::string_view text, Work* work) const {
    Normalized repaired;
    repaired.AssignLossy(text, 0);
    std::vector<Piece> parts;
    stages_.added.Find(repaired.text, false, &parts);
    for (const Piece& part : parts) {
      if (work->out.ids.size() >= work->limit) return;
      if (part.token >= 0) {
        work->out.ids.push_back(part.token);
        work->out.offsets.push_back(repaired.SpanOf(part.begin, part.end));
        continue;
      }
      work->text.Clear();
      work->text.Append(repaired, part.begin, part.end);
      EncodePart(work);
    }
  }

  // Encodes work->text, a part without raw added tokens.
  void EncodePart(Work* work) const {
    Normalized& text = work->text;
    if (stages_.normalizer != nullptr) stages_.normalizer->Normalize(&text, &work->scratch);
    work->pieces.clear();
    stages_.added.Find(text.text, true, &work->pieces);
    if (stages_.pre_tokenizer != nullptr) {
      stages_.pre_tokenizer->Split(&text, &work->pieces, &work->scratch);
    }
    for (const Piece& piece : work->pieces) {
      if (work->out.ids.size() >= work->limit) return;
      if (piece.token >= 0) {
        work->out.ids.push_back(piece.token);
        work->out.offsets.push_back(text.SpanOf(piece.begin, piece.end));
        continue;
      }
      work->tokens.clear();
      const std::string_view word =
          std::string_view(text.text).substr(piece.begin, piece.end - piece.begin);
      stages_.model->Tokenize(word, &work->tokens, &work->scratch);
      for (const ModelToken& token : work->tokens) {
        work->out.ids.push_back(token.id);
        work->out.offsets.push_back(
            text.SpanOf(piece.begin + token.begin, piece.begin + token.end));
      }
    }
  }

  const Stages stages_;
};

Result<std::shared_ptr<const Tokenizer>> FromValue(const json::Value& root) {
  const json::Value null{};  // clang wants the braces: no constructor is written out.
  const auto member = [&](std::string_view key) -> const json::Value& {
    const json::Value* value = root.Find(key);
    return value != nullptr ? *value : null;
  };
  HfTokenizer::Stages stages;
  MALMOI_TRY(stages.normalizer, ReadNormalizer(member("normalizer")));
  MALMOI_TRY(stages.pre_tokenizer, ReadPreTokenizer(member("pre_tokenizer")));
  MALMOI_TRY(stages.model, ReadModel(member("model")));
  MALMOI_TRY(stages.post_processor, ReadPostProcessor(member("post_processor")));
  MALMOI_TRY(stages.decoder, ReadDecoder(member("decoder")));
  MALMOI_TRY(stages.added,
             AddedTokens::Read(root.Find("added_tokens"), *stages.model, stages.normalizer.get()));
  return std::shared_ptr<const Tokenizer>(std::make_shared<HfTokenizer>(std::move(stages)));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromJson(std::string_view tokenizer_json) {
  auto root = json::Parse(tokenizer_json);
  if (!root.ok()) return std::move(root.error()).With("parse tokenizer.json");
  return FromValue(root.value()).With("read tokenizer.json");
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromFile(const std::string& path) {
  MALMOI_TRY(auto bytes, os::ReadFile(os::PosixVfs(), path));
  return FromJson(bytes).With(path);
}

}  // namespace malmoi::text
