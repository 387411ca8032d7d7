#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "base/utf8.h"
#include "json/value.h"
#include "os/vfs.h"
#include "text/tokenizer.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/cuts.h"
#include "text/tokenizer/join.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/word_cache.h"

namespace malmoi::text {
namespace {

// Encode(): raw text -> added tokens -> per part: normalizer -> added tokens -> pre-tokenizer ->
// model -> post-processor. Where the stages allow it, parts are cut at blanks first (cuts.h), and
// what comes again is taken from a cache.
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
  explicit HfTokenizer(Stages stages)
      : stages_(std::move(stages)),
        cuts_(stages_.normalizer.get(), stages_.pre_tokenizer.get(), stages_.added),
        trims_(stages_.post_processor != nullptr && stages_.post_processor->trims()) {}

  Encoding Encode(std::string_view text, const EncodeOptions& options) const override {
    text = text.substr(0, kMaxText);
    const std::size_t limit = LimitOf(options, false);
    std::vector<EncodedPart> parts(1);
    parts[0] = EncodeBare(text, options.cut_left ? SIZE_MAX : limit);
    CutPart(limit, options.cut_left, &parts[0]);
    return PostProcess(options, &parts);
  }

  Encoding EncodePair(std::string_view first, std::string_view second,
                      const EncodeOptions& options) const override {
    first = first.substr(0, kMaxText);
    second = second.substr(0, kMaxText);
    const std::size_t limit = LimitOf(options, true);
    std::vector<EncodedPart> parts(2);
    parts[0] = EncodeBare(first, SIZE_MAX);
    parts[1] = EncodeBare(second, SIZE_MAX);
    const std::size_t a = parts[0].encoding.size(), b = parts[1].encoding.size();
    if (a + b > limit) {
      const auto [keep_a, keep_b] = Share(options.cut, a, b, limit);
      CutPart(keep_a, options.cut_left, &parts[0]);
      CutPart(keep_b, options.cut_left, &parts[1]);
    }
    std::vector<std::int32_t>& types = parts[1].encoding.type_ids;
    std::fill(types.begin(), types.end(), 1);
    return PostProcess(options, &parts);
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
  static constexpr std::size_t kLongText = 1 << 20;  // See TokenizerScratch::max_text.

  // What one call needs; kept for later calls, with the words that it has seen.
  struct Work {
    TokenizerScratch scratch;
    Normalized text;
    std::vector<Piece> parts;
    std::vector<Piece> pieces;
    std::vector<ModelToken> tokens;
    WordCache cache;
    std::vector<WordCache::Token> cached;
    std::size_t limit = 0;  // Tokens wanted, without the template's.
    std::string_view source;
    Encoding out;
    std::vector<TokenEdges> edges;

    void Put(std::int32_t id, Encoding::Span span) {
      out.ids.push_back(id);
      out.offsets.push_back(span);
    }
    bool full() const { return out.ids.size() >= limit; }
    // Forgets the tokens from the `count`th on.
    void Rewind(std::size_t count) {
      out.ids.resize(count);
      out.offsets.resize(count);
      while (!edges.empty() && edges.back().index >= count) edges.pop_back();
    }
    // The package has no span for what lies past a piece, and gives the offsets in the piece as
    // offsets in the text: down to whole characters, or two characters where they pass its end.
    Encoding::Span Stray(std::size_t begin, std::size_t end) const {
      const auto floor = [&](std::size_t at) {
        if (at >= source.size()) return source.size();
        while (at > 0 && (static_cast<unsigned char>(source[at]) & 0xC0) == 0x80) --at;
        return at;
      };
      std::size_t from = floor(begin), to = floor(end);
      if (end > source.size()) {
        to = from;
        for (int i = 0; i < 2 && to < source.size(); ++i) to += RuneSize(source[to]);
        to = std::min(to, source.size());
      }
      return {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to)};
    }
  };

  // A Work for the time of one call. At most kKept stay, none of which holds a large text.
  class Borrowed {
   public:
    explicit Borrowed(const HfTokenizer& owner) : owner_(owner) {
      const std::lock_guard lock(owner_.mutex_);
      if (!owner_.idle_.empty()) {
        work_ = std::move(owner_.idle_.back());
        owner_.idle_.pop_back();
      }
    }
    ~Borrowed() {
      if (work_ == nullptr || work_->text.text.capacity() > kMaxKeptText ||
          work_->scratch.steps.capacity() > kMaxKeptText) {
        return;
      }
      const std::lock_guard lock(owner_.mutex_);
      if (owner_.idle_.size() < kKept) owner_.idle_.push_back(std::move(work_));
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Work* get() {
      if (work_ == nullptr) work_ = std::make_unique<Work>();
      return work_.get();
    }

   private:
    static constexpr std::size_t kKept = 32;
    static constexpr std::size_t kMaxKeptText = 1 << 16;
    const HfTokenizer& owner_;
    std::unique_ptr<Work> work_;
  };

  // Tokens wanted of the texts themselves.
  std::size_t LimitOf(const EncodeOptions& options, bool pair) const {
    if (options.max_tokens == 0) return SIZE_MAX;
    const PostProcessor* post = stages_.post_processor.get();
    const std::size_t added = post != nullptr && options.add_special_tokens ? post->added(pair) : 0;
    return options.max_tokens - std::min(added, options.max_tokens);
  }

  // How many tokens of each text stay, as the package counts.
  static std::pair<std::size_t, std::size_t> Share(CutWhat what, std::size_t a, std::size_t b,
                                                   std::size_t limit) {
    if (what == CutWhat::kOnlyFirst) return {limit - std::min(b, limit), b};
    if (what == CutWhat::kOnlySecond) return {a, limit - std::min(a, limit)};
    std::size_t n1 = std::min(a, b);
    std::size_t n2 = n1 > limit ? n1 : std::max(n1, limit - n1);
    if (n1 + n2 > limit) {
      n1 = limit / 2;
      n2 = n1 + limit % 2;
    }
    return a > b ? std::pair(n2, n1) : std::pair(n1, n2);
  }

  Encoding PostProcess(const EncodeOptions& options, std::vector<EncodedPart>* parts) const {
    if (stages_.post_processor != nullptr) {
      stages_.post_processor->Process(*this, options.add_special_tokens, parts);
    }
    Encoding out;
    if (parts->size() == 1) {
      out = std::move((*parts)[0].encoding);
    } else {
      for (const EncodedPart& part : *parts) Append(part.encoding, &out);
    }
    // A limit below the template's own length cuts the template.
    if (options.max_tokens != 0) Cut(options.max_tokens, false, &out);
    return out;
  }

  static void CutPart(std::size_t size, bool left, EncodedPart* part) {
    const std::size_t before = part->encoding.size();
    if (before <= size) return;
    Cut(size, left, &part->encoding);
    const std::size_t from = left ? before - size : 0;
    std::erase_if(part->edges, [&](const TokenEdges& edges) {
      return edges.index < from || edges.index >= from + size;
    });
    for (TokenEdges& edges : part->edges) edges.index -= from;
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
  EncodedPart EncodeBare(std::string_view text, std::size_t limit) const {
    Borrowed borrowed(*this);
    Work& work = *borrowed.get();
    work.limit = limit;
    work.source = text;
    work.out = {};
    work.edges.clear();
    const std::size_t guess = std::min(text.size() / 3 + 8, limit);
    work.out.ids.reserve(guess);
    work.out.offsets.reserve(guess);
    if (IsValidUtf8(text)) {
      EncodeValid(text, &work);
    } else {
      EncodeLossy(text, &work);
    }
    work.out.type_ids.resize(work.out.size(), 0);
    work.out.special.resize(work.out.size(), 0);
    return {std::move(work.out), text, std::move(work.edges)};
  }

  // Keeps how the package names the token that comes next, where that matters.
  void Name(std::int32_t id, std::string_view name, Work* work) const {
    if (!trims_) return;
    TokenEdges edges = EdgesOf(name);
    const TokenEdges own = EdgesOf(TokenOf(id));
    if (edges.leading == own.leading && edges.trailing == own.trailing) return;
    edges.index = work->out.size();
    work->edges.push_back(edges);
  }

  void EncodeValid(std::string_view text, Work* work) const {
    work->parts.clear();
    stages_.added.Find(text, false, &work->parts);
    for (const Piece& part : work->parts) {
      if (work->full()) return;
      const auto begin = static_cast<std::uint32_t>(part.begin);
      if (part.token >= 0) {
        Name(part.token, text.substr(part.begin, part.end - part.begin), work);
        work->Put(part.token, {begin, static_cast<std::uint32_t>(part.end)});
        continue;
      }
      const std::string_view raw = text.substr(part.begin, part.end - part.begin);
      const std::size_t before = work->out.size();
      if (cuts_.enabled() && EncodeCut(raw, begin, work)) continue;
      work->Rewind(before);
      work->text.Assign(raw, begin);
      Normalize(work);
      EncodeNormalized(work);
    }
  }

  // Each ill-formed byte becomes U+FFFD, whose span is that byte.
  void EncodeLossy(std::string_view text, Work* work) const {
    Normalized repaired;
    repaired.AssignLossy(text, 0);
    work->parts.clear();
    stages_.added.Find(repaired.text, false, &work->parts);
    for (const Piece& part : work->parts) {
      if (work->full()) return;
      if (part.token >= 0) {
        Name(part.token, std::string_view(repaired.text).substr(part.begin, part.end - part.begin),
             work);
        work->Put(part.token, repaired.SpanOf(part.begin, part.end));
        continue;
      }
      work->text.Clear();
      work->text.Append(repaired, part.begin, part.end);
      Normalize(work);
      EncodeNormalized(work);
    }
  }

  // Encodes `raw`, which begins at byte `base` of the text, from cut to cut. False where that gave
  // something else than the uncut text would.
  bool EncodeCut(std::string_view raw, std::uint32_t base, Work* work) const {
    for (std::size_t at = 0, end = 0; at < raw.size(); at = end) {
      if (work->full()) return true;
      end = cuts_.Next(raw, at);
      std::string_view part = raw.substr(at, end - at);
      const std::size_t skipped = cuts_.Skippable(part);
      part.remove_prefix(skipped);
      if (part.empty()) continue;
      const auto begin = static_cast<std::uint32_t>(base + at + skipped);
      const bool first = at == 0, last = end == raw.size();
      const bool cacheable =
          part.size() <= WordCache::kMaxBytes && !(first && cuts_.first_is_special());
      const std::uint64_t hash = cacheable ? WordCache::HashOf(part) : 0;
      if (cacheable) {
        const WordCache::Tokens known = work->cache.Find(part, hash);
        if (known.first != nullptr) {
          for (std::size_t i = 0; i < known.count; ++i) {
            const WordCache::Token& token = known.first[i];
            work->Put(token.id, {begin + token.begin, begin + token.end});
          }
          continue;
        }
      }
      const std::size_t before = work->out.size();
      work->text.Assign(part, begin);
      Normalize(work);
      if (!cuts_.IsSound(work->text, work->scratch.drifted, first, last)) return false;
      // What the cache gives is not looked at again: it has to be sound with texts on both sides.
      const bool keep =
          cacheable && cuts_.IsSound(work->text, false,
                                     first && static_cast<unsigned char>(part[0]) > ' ', false);
      EncodeNormalized(work);
      if (keep) Remember(part, hash, begin, before, work);
    }
    return true;
  }

  // Puts the tokens from `from` on, which are those of `part`, into the cache.
  static void Remember(std::string_view part, std::uint64_t hash, std::uint32_t begin,
                       std::size_t from, Work* work) {
    const std::size_t count = work->out.size() - from;
    if (count > WordCache::kMaxTokens || work->full()) return;
    if (!work->edges.empty() && work->edges.back().index >= from) return;
    work->cached.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const Encoding::Span span = work->out.offsets[from + i];
      if (span.begin < begin || span.end > begin + part.size()) return;  // See Stray().
      work->cached[i] = {work->out.ids[from + i], static_cast<std::uint8_t>(span.begin - begin),
                         static_cast<std::uint8_t>(span.end - begin)};
    }
    work->cache.Put(part, hash, work->cached);
  }

  void Normalize(Work* work) const {
    work->scratch.drifted = false;
    work->scratch.piece_begin = work->text.spans.empty() ? 0 : work->text.spans[0].begin;
    work->scratch.max_text = kLongText + 32 * work->text.text.size();
    if (stages_.normalizer != nullptr) stages_.normalizer->Normalize(&work->text, &work->scratch);
  }

  // Encodes work->text, which has no raw added tokens.
  void EncodeNormalized(Work* work) const {
    Normalized& text = work->text;
    work->pieces.clear();
    stages_.added.Find(text.text, true, &work->pieces);
    if (stages_.pre_tokenizer != nullptr) {
      stages_.pre_tokenizer->Split(&text, &work->pieces, &work->scratch);
    }
    for (const Piece& piece : work->pieces) {
      if (work->full()) return;
      const std::string_view word =
          std::string_view(text.text).substr(piece.begin, piece.end - piece.begin);
      if (piece.token >= 0) {
        Name(piece.token, word, work);
        work->Put(piece.token, text.SpanOf(piece.begin, piece.end));
        continue;
      }
      work->tokens.clear();
      stages_.model->Tokenize(word, &work->tokens, &work->scratch);
      for (const ModelToken& token : work->tokens) {
        if (token.end > word.size()) {
          work->Put(token.id, work->Stray(token.begin, token.end));
          continue;
        }
        if (trims_ && token.id == stages_.model->named_by_text()) {
          Name(token.id, word.substr(token.begin, token.end - token.begin), work);
        }
        work->Put(token.id, text.SpanOf(piece.begin + token.begin, piece.begin + token.end));
      }
    }
  }

  const Stages stages_;
  const Cuts cuts_;
  const bool trims_;  // Offsets, by how tokens are named.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Work>> idle_;  // Guarded by mutex_.
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
