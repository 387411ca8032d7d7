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

// Tokens around one text or two, with their type ids. Every kind of processor is this one.
class TemplateProcessor : public PostProcessor {
 public:
  struct Template {
    Pieces single;
    Pieces pair;
    // BertProcessing: without special tokens the texts keep the type ids they came with.
    bool types_need_special = false;
    // RobertaProcessing: leave the spaces at a token's ends out of its offsets, but for the one
    // that the tokenizer itself may have put before the text.
    bool trim_offsets = false;
    bool add_prefix_space = false;
  };
  explicit TemplateProcessor(Template t) : template_(std::move(t)) {}

  std::size_t added() const override { return TokensOf(template_.single); }
  std::size_t added_to_pair() const override { return TokensOf(template_.pair); }

  void Process(std::string_view text, const Tokenizer& tokenizer, bool add_special_tokens,
               Encoding* encoding) const override {
    if (template_.trim_offsets) Trim(text, tokenizer, encoding);
    Join(template_.single, add_special_tokens, encoding, nullptr);
  }

  void ProcessPair(std::string_view first_text, std::string_view second_text,
                   const Tokenizer& tokenizer, bool add_special_tokens, Encoding* first,
                   Encoding* second) const override {
    if (template_.trim_offsets) {
      Trim(first_text, tokenizer, first);
      Trim(second_text, tokenizer, second);
    }
    Join(template_.pair, add_special_tokens, first, second);
  }

 private:
  void Join(const Pieces& pieces, bool add_special_tokens, Encoding* first,
            Encoding* second) const {
    const bool keep_types = template_.types_need_special && !add_special_tokens;
    Encoding out;
    for (const TemplatePiece& piece : pieces) {
      if (piece.kind == TemplatePiece::kToken) {
        if (!add_special_tokens) continue;
        out.ids.push_back(piece.id);
        out.offsets.push_back({});
        out.type_ids.push_back(piece.type_id);
        out.special.push_back(1);
        continue;
      }
      Encoding* text = piece.kind == TemplatePiece::kFirst ? first : second;
      if (!keep_types) std::fill(text->type_ids.begin(), text->type_ids.end(), piece.type_id);
      Append(*text, &out);
    }
    *first = std::move(out);
  }

  // Byte-level vocabularies write a space as U+0120.
  static bool IsSpace(char32_t c) { return c == 0x120 || Has(c, kSpace); }

  void Trim(std::string_view text, const Tokenizer& tokenizer, Encoding* encoding) const {
    for (std::size_t i = 0; i < encoding->size(); ++i) {
      const std::string_view token = tokenizer.TokenOf(encoding->ids[i]);
      Encoding::Span& span = encoding->offsets[i];
      std::size_t leading = 0, trailing = 0, size = 0;
      for (std::size_t at = 0; at < token.size() && IsSpace(ReadRune(token, at, &size));
           at += size) {
        ++leading;
      }
      for (std::size_t at = token.size(); at > 0; ++trailing) {
        at = PreviousRune(token, at);
        if (!IsSpace(ReadRune(token, at, &size))) break;
      }
      const bool first = i == 0 || span.begin == 0;
      if (first && template_.add_prefix_space && leading == 1) leading = 0;
      // Counted in characters, as the package counts when its offsets are in characters.
      for (; leading > 0 && span.begin < span.end; --leading) {
        const std::size_t next = span.begin + RuneSize(text[span.begin]);
        span.begin = static_cast<std::uint32_t>(std::min<std::size_t>(next, span.end));
      }
      for (; trailing > 0 && span.end > span.begin; --trailing) {
        span.end = static_cast<std::uint32_t>(PreviousRune(text, span.end));
      }
    }
  }

  const Template template_;
};

class SequenceProcessor : public PostProcessor {
 public:
  explicit SequenceProcessor(std::vector<std::unique_ptr<const PostProcessor>> parts)
      : parts_(std::move(parts)) {}
  std::size_t added() const override {
    std::size_t sum = 0;
    for (const auto& part : parts_) sum += part->added();
    return sum;
  }
  std::size_t added_to_pair() const override {
    return parts_.empty() ? 0 : parts_.back()->added_to_pair();
  }
  void Process(std::string_view text, const Tokenizer& tokenizer, bool add_special_tokens,
               Encoding* encoding) const override {
    for (const auto& part : parts_) part->Process(text, tokenizer, add_special_tokens, encoding);
  }
  // The last part joins the texts; those before it see one at a time, as they would trim offsets.
  void ProcessPair(std::string_view first_text, std::string_view second_text,
                   const Tokenizer& tokenizer, bool add_special_tokens, Encoding* first,
                   Encoding* second) const override {
    if (parts_.empty()) {
      Append(*second, first);
      return;
    }
    for (std::size_t i = 0; i + 1 < parts_.size(); ++i) {
      parts_[i]->Process(first_text, tokenizer, false, first);
      parts_[i]->Process(second_text, tokenizer, false, second);
    }
    parts_.back()->ProcessPair(first_text, second_text, tokenizer, add_special_tokens, first,
                               second);
  }

 private:
  std::vector<std::unique_ptr<const PostProcessor>> parts_;
};

Error Malformed(std::string_view kind, std::string_view what) {
  return Error(Code::kInvalidArgument,
               "post-processor '" + std::string(kind) + "': " + std::string(what));
}

// A template's pieces: objects {"SpecialToken": {id, type_id}} and {"Sequence": {id, type_id}},
// sequence A once and, in a pair, B once.
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
  if (first != 1 || second != (pair ? 1 : 0)) {
    return Malformed("TemplateProcessing", where + (pair ? " must hold sequences A and B once"
                                                         : " must hold sequence A once"));
  }
  return out;
}

Result<std::unique_ptr<const PostProcessor>> ReadTemplate(const json::Value& value) {
  TemplateProcessor::Template out;
  MALMOI_TRY(out.single, ReadPieces(value, "single", false));
  if (value.Find("pair") != nullptr && !value.Find("pair")->items().empty()) {
    MALMOI_TRY(out.pair, ReadPieces(value, "pair", true));
  } else {
    out.pair = {{TemplatePiece::kFirst, 0, 0}, {TemplatePiece::kSecond, 0, 1}};
  }
  return std::unique_ptr<const PostProcessor>(new TemplateProcessor(std::move(out)));
}

// BertProcessing and RobertaProcessing: "cls" and "sep" are [token, id].
Result<std::unique_ptr<const PostProcessor>> ReadClsSep(const json::Value& value) {
  const bool roberta = value.GetString("type") == "RobertaProcessing";
  TemplatePiece tokens[2];
  for (int i = 0; i < 2; ++i) {
    const char* name = i == 0 ? "cls" : "sep";
    const json::Value* pair = value.Find(name);
    if (pair == nullptr || pair->items().size() != 2 || !pair->items()[1].AsInt()) {
      return Malformed(value.GetString("type"), std::string("'") + name + "' is not [token, id]");
    }
    tokens[i].id = static_cast<std::int32_t>(*pair->items()[1].AsInt());
  }
  const auto [cls, sep] = tokens;
  const TemplatePiece first = {TemplatePiece::kFirst, 0, 0};
  TemplateProcessor::Template out;
  out.single = {cls, first, sep};
  if (roberta) {
    out.pair = {cls, first, sep, sep, {TemplatePiece::kSecond, 0, 0}, sep};
  } else {
    const TemplatePiece last = {TemplatePiece::kToken, sep.id, 1};
    out.pair = {cls, first, sep, {TemplatePiece::kSecond, 0, 1}, last};
  }
  out.types_need_special = !roberta;
  out.trim_offsets = roberta && value.GetBool("trim_offsets", true);
  out.add_prefix_space = roberta && value.GetBool("add_prefix_space", true);
  return std::unique_ptr<const PostProcessor>(new TemplateProcessor(std::move(out)));
}

}  // namespace

Result<std::unique_ptr<const PostProcessor>> ReadPostProcessor(const json::Value& value) {
  using Pointer = std::unique_ptr<const PostProcessor>;
  if (value.is_null()) return Pointer();
  const std::string_view type = value.GetString("type");
  if (type == "TemplateProcessing") return ReadTemplate(value);
  if (type == "BertProcessing" || type == "RobertaProcessing") return ReadClsSep(value);
  if (type != "Sequence") {
    return UnknownComponent("post-processor", value,
                            "TemplateProcessing, BertProcessing, RobertaProcessing, Sequence");
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
