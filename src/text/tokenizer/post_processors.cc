#include <algorithm>
#include <utility>

#include "text/tokenizer/chars.h"
#include "text/tokenizer/join.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

// A special token, or a text: the first (kFirst) or the second (kSecond).
struct TemplatePiece {
  enum Kind : std::uint8_t { kToken, kFirst, kSecond };
  Kind kind = kToken;
  std::int32_t id = 0;
  std::int32_t type_id = 0;
};
using Pieces = std::vector<TemplatePiece>;

std::size_t TokensOf(const Pieces& pieces) {
  return static_cast<std::size_t>(std::count_if(
      pieces.begin(), pieces.end(), [](const auto& p) { return p.kind == TemplatePiece::kToken; }));
}

// Tokens around one text or two, with their type ids.
class TemplateProcessor : public PostProcessor {
 public:
  TemplateProcessor(Pieces single, Pieces pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}

  std::size_t added(bool pair) const override { return TokensOf(pair ? pair_ : single_); }

  void Process(const Tokenizer&, bool add_special_tokens,
               std::vector<EncodedPart>* parts) const override {
    // More parts than two come from another template, behind which the package gives up.
    if (parts->size() > 2) return;
    std::vector<EncodedPart> out;
    for (const TemplatePiece& piece : parts->size() == 2 ? pair_ : single_) {
      if (piece.kind == TemplatePiece::kToken) {
        if (add_special_tokens) out.push_back({SpecialToken(piece.id, piece.type_id), {}, {}});
        continue;
      }
      out.push_back((*parts)[piece.kind == TemplatePiece::kFirst ? 0 : 1]);
      std::vector<std::int32_t>& types = out.back().encoding.type_ids;
      std::fill(types.begin(), types.end(), piece.type_id);
    }
    parts->swap(out);
  }

  static Encoding SpecialToken(std::int32_t id, std::int32_t type_id) {
    Encoding out;
    out.ids.push_back(id);
    out.offsets.push_back({});
    out.type_ids.push_back(type_id);
    out.special.push_back(1);
    return out;
  }

 private:
  const Pieces single_, pair_;
};

// Byte-level vocabularies write a space as U+0120.
bool IsTrimmed(char32_t c) {
  return c == 0x120 || Has(c, kSpace);
}

// Moves the ends of `span` inwards. Counts characters, as the package counts when its offsets are
// in characters; more spaces than there are characters before the end leave the end where it is.
void TrimSpan(std::string_view text, std::size_t leading, std::size_t trailing,
              Encoding::Span* span) {
  std::size_t begin = span->begin, end = span->end;
  for (; leading > 0 && begin < end; --leading) begin += RuneSize(text[begin]);
  begin = std::min<std::size_t>(begin, span->end);
  for (; trailing > 0 && end > 0; --trailing) end = PreviousRune(text, end);
  span->begin = static_cast<std::uint32_t>(begin);
  if (trailing == 0) span->end = static_cast<std::uint32_t>(std::max(begin, end));
}

// Leaves the spaces at a token's ends out of its offsets, but for the one that the tokenizer itself
// may have put before the text.
void TrimOffsets(const Tokenizer& tokenizer, bool add_prefix_space, EncodedPart* part) {
  Encoding& encoding = part->encoding;
  auto named = part->edges.begin();
  for (std::size_t i = 0; i < encoding.size(); ++i) {
    const bool own = named != part->edges.end() && named->index == i;
    TokenEdges edges = own ? *named++ : EdgesOf(tokenizer.TokenOf(encoding.ids[i]));
    Encoding::Span& span = encoding.offsets[i];
    const bool first = i == 0 || span.begin == 0;
    if (first && add_prefix_space && edges.leading == 1) edges.leading = 0;
    TrimSpan(part->text, edges.leading, edges.trailing, &span);
  }
}

// Trims offsets and no more.
class ByteLevelProcessor : public PostProcessor {
 public:
  ByteLevelProcessor(bool trim_offsets, bool add_prefix_space)
      : trim_offsets_(trim_offsets), add_prefix_space_(add_prefix_space) {}
  std::size_t added(bool) const override { return 0; }
  bool trims() const override { return trim_offsets_; }
  void Process(const Tokenizer& tokenizer, bool, std::vector<EncodedPart>* parts) const override {
    if (!trim_offsets_) return;
    for (EncodedPart& part : *parts) TrimOffsets(tokenizer, add_prefix_space_, &part);
  }

 private:
  const bool trim_offsets_, add_prefix_space_;
};

// The fixed templates of BERT, <cls> A <sep> B <sep> with type ids as they come in, and of RoBERTa,
// <cls> A <sep> <sep> B <sep> with type ids 0 and trimmed offsets.
class ClsSepProcessor : public PostProcessor {
 public:
  struct Options {
    std::int32_t cls = 0;
    std::int32_t sep = 0;
    bool roberta = false;
    bool trim_offsets = false;
    bool add_prefix_space = false;
  };
  explicit ClsSepProcessor(const Options& options) : o_(options) {}
  std::size_t added(bool pair) const override { return !pair ? 2 : o_.roberta ? 4 : 3; }
  bool trims() const override { return o_.trim_offsets; }
  void Process(const Tokenizer& tokenizer, bool add_special_tokens,
               std::vector<EncodedPart>* parts) const override {
    for (std::size_t i = 0; i < parts->size(); ++i) {
      EncodedPart& part = (*parts)[i];
      Encoding& e = part.encoding;
      if (o_.trim_offsets) TrimOffsets(tokenizer, o_.add_prefix_space, &part);
      if (o_.roberta) std::fill(e.type_ids.begin(), e.type_ids.end(), 0);
      if (!add_special_tokens) continue;
      std::fill(e.special.begin(), e.special.end(), 0);
      const std::int32_t type = i > 0 && !o_.roberta ? 1 : 0;
      if (i == 0 || o_.roberta) {
        Prepend(i == 0 ? o_.cls : o_.sep, &e);
        for (TokenEdges& edges : part.edges) ++edges.index;
      }
      Append(TemplateProcessor::SpecialToken(o_.sep, type), &e);
    }
  }

 private:
  static void Prepend(std::int32_t id, Encoding* e) {
    e->ids.insert(e->ids.begin(), id);
    e->offsets.insert(e->offsets.begin(), Encoding::Span());
    e->type_ids.insert(e->type_ids.begin(), 0);
    e->special.insert(e->special.begin(), 1);
  }
  const Options o_;
};

class SequenceProcessor : public PostProcessor {
 public:
  explicit SequenceProcessor(std::vector<std::unique_ptr<const PostProcessor>> parts)
      : parts_(std::move(parts)) {}
  std::size_t added(bool pair) const override {
    std::size_t sum = 0;
    for (const auto& part : parts_) sum += part->added(pair);
    return sum;
  }
  bool trims() const override {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const auto& part) { return part->trims(); });
  }
  void Process(const Tokenizer& tokenizer, bool add_special_tokens,
               std::vector<EncodedPart>* parts) const override {
    for (const auto& part : parts_) part->Process(tokenizer, add_special_tokens, parts);
  }

 private:
  std::vector<std::unique_ptr<const PostProcessor>> parts_;
};

Error Malformed(std::string_view kind, std::string_view what) {
  return Error(Code::kInvalidArgument,
               "post-processor '" + std::string(kind) + "': " + std::string(what));
}

// A template's pieces: objects {"SpecialToken": {id, type_id}} and {"Sequence": {id, type_id}},
// sequence A only or, in a pair, A and B.
Result<Pieces> ReadPieces(const json::Value& value, const char* member, bool pair) {
  const json::Value* list = value.Find(member);
  const json::Value* table = value.Find("special_tokens");
  const std::string where = std::string("'") + member + "'";
  if (list == nullptr || !list->is_array() || table == nullptr || !table->is_object()) {
    return Malformed("TemplateProcessing", where + " or 'special_tokens' is missing");
  }
  Pieces out;
  int first = 0, second = 0;
  for (const json::Value& piece : list->items()) {
    if (const json::Value* sequence = piece.Find("Sequence")) {
      const bool is_first = sequence->GetString("id") == "A";
      ++(is_first ? first : second);
      out.push_back({is_first ? TemplatePiece::kFirst : TemplatePiece::kSecond, 0,
                     static_cast<std::int32_t>(sequence->GetInt("type_id"))});
      continue;
    }
    const json::Value* special = piece.Find("SpecialToken");
    const json::Value* entry = special != nullptr ? table->Find(special->GetString("id")) : nullptr;
    const json::Value* ids = entry != nullptr ? entry->Find("ids") : nullptr;
    if (ids == nullptr || !ids->is_array()) {
      return Malformed("TemplateProcessing", "no special token for piece " + piece.Dump());
    }
    for (const json::Value& id : ids->items()) {
      out.push_back({TemplatePiece::kToken, static_cast<std::int32_t>(id.AsInt().value_or(0)),
                     static_cast<std::int32_t>(special->GetInt("type_id"))});
    }
  }
  if (pair ? first == 0 || second == 0 : second > 0) {
    return Malformed("TemplateProcessing",
                     where + (pair ? " must hold sequences A and B" : " may not hold sequence B"));
  }
  return out;
}

Result<std::unique_ptr<const PostProcessor>> ReadTemplate(const json::Value& value) {
  MALMOI_TRY(auto single, ReadPieces(value, "single", false));
  Pieces pair = {{TemplatePiece::kFirst, 0, 0}, {TemplatePiece::kSecond, 0, 1}};
  if (value.Find("pair") != nullptr && !value.Find("pair")->items().empty()) {
    MALMOI_TRY(pair, ReadPieces(value, "pair", true));
  }
  return std::unique_ptr<const PostProcessor>(
      new TemplateProcessor(std::move(single), std::move(pair)));
}

// BertProcessing and RobertaProcessing: "cls" and "sep" are [token, id].
Result<std::unique_ptr<const PostProcessor>> ReadClsSep(const json::Value& value) {
  const bool roberta = value.GetString("type") == "RobertaProcessing";
  ClsSepProcessor::Options options;
  options.roberta = roberta;
  for (std::int32_t* id : {&options.cls, &options.sep}) {
    const char* name = id == &options.cls ? "cls" : "sep";
    const json::Value* pair = value.Find(name);
    if (pair == nullptr || pair->items().size() != 2 || !pair->items()[1].AsInt()) {
      return Malformed(value.GetString("type"), std::string("'") + name + "' is not [token, id]");
    }
    *id = static_cast<std::int32_t>(*pair->items()[1].AsInt());
  }
  options.trim_offsets = roberta && value.GetBool("trim_offsets", true);
  options.add_prefix_space = roberta && value.GetBool("add_prefix_space", true);
  return std::unique_ptr<const PostProcessor>(new ClsSepProcessor(options));
}

}  // namespace

TokenEdges EdgesOf(std::string_view name) {
  TokenEdges edges;
  std::size_t size = 0;
  for (std::size_t at = 0; at < name.size() && IsTrimmed(ReadRune(name, at, &size)); at += size) {
    ++edges.leading;
  }
  for (std::size_t at = name.size(); at > 0; ++edges.trailing) {
    at = PreviousRune(name, at);
    if (!IsTrimmed(ReadRune(name, at, &size))) break;
  }
  return edges;
}

Result<std::unique_ptr<const PostProcessor>> ReadPostProcessor(const json::Value& value) {
  using Pointer = std::unique_ptr<const PostProcessor>;
  if (value.is_null()) return Pointer();
  const std::string_view type = value.GetString("type");
  if (type == "TemplateProcessing") return ReadTemplate(value);
  if (type == "BertProcessing" || type == "RobertaProcessing") return ReadClsSep(value);
  if (type == "ByteLevel") {
    return Pointer(new ByteLevelProcessor(value.GetBool("trim_offsets", true),
                                          value.GetBool("add_prefix_space", true)));
  }
  if (type != "Sequence") {
    return UnknownComponent(
        "post-processor", value,
        "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence");
  }
  std::vector<std::unique_ptr<const PostProcessor>> parts;
  const json::Value* list = value.Find("processors");
  if (list == nullptr || !list->is_array()) {
    return Malformed("Sequence", "'processors' is not an array");
  }
  for (const json::Value& item : list->items()) {
    MALMOI_TRY(auto part, ReadPostProcessor(item));
    if (part == nullptr) return Malformed("Sequence", "a part is null");
    parts.push_back(std::move(part));
  }
  return Pointer(new SequenceProcessor(std::move(parts)));
}

}  // namespace malmoi::text
