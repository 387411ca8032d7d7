#include <algorithm>
#include <utility>

#include "text/tokenizer/chars.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

// Tokens before and after the text, with their type ids. Every kind of processor is this one.
struct SpecialToken {
  std::int32_t id = 0;
  std::int32_t type_id = 0;
};

class TemplateProcessor : public PostProcessor {
 public:
  struct Template {
    std::vector<SpecialToken> before;
    std::vector<SpecialToken> after;
    std::int32_t type_id = 0;
    // RobertaProcessing: leave the spaces at a token's ends out of its offsets, but for the one
    // that the tokenizer itself may have put before the text.
    bool trim_offsets = false;
    bool add_prefix_space = false;
  };
  explicit TemplateProcessor(Template t) : template_(std::move(t)) {}

  std::size_t added() const override { return template_.before.size() + template_.after.size(); }

  void Process(std::string_view text, const Tokenizer& tokenizer, bool add_special_tokens,
               Encoding* encoding) const override {
    if (template_.trim_offsets) Trim(text, tokenizer, encoding);
    std::fill(encoding->type_ids.begin(), encoding->type_ids.end(), template_.type_id);
    if (!add_special_tokens) return;
    Encoding out;
    Put(template_.before, &out);
    out.ids.insert(out.ids.end(), encoding->ids.begin(), encoding->ids.end());
    out.offsets.insert(out.offsets.end(), encoding->offsets.begin(), encoding->offsets.end());
    out.type_ids.insert(out.type_ids.end(), encoding->type_ids.begin(), encoding->type_ids.end());
    out.special.insert(out.special.end(), encoding->special.begin(), encoding->special.end());
    Put(template_.after, &out);
    *encoding = std::move(out);
  }

 private:
  static void Put(const std::vector<SpecialToken>& tokens, Encoding* out) {
    for (const SpecialToken& token : tokens) {
      out->ids.push_back(token.id);
      out->offsets.push_back({});
      out->type_ids.push_back(token.type_id);
      out->special.push_back(1);
    }
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
  void Process(std::string_view text, const Tokenizer& tokenizer, bool add_special_tokens,
               Encoding* encoding) const override {
    for (const auto& part : parts_) part->Process(text, tokenizer, add_special_tokens, encoding);
  }

 private:
  std::vector<std::unique_ptr<const PostProcessor>> parts_;
};

Error Malformed(std::string_view kind, std::string_view what) {
  return Error(Code::kInvalidArgument,
               "post-processor '" + std::string(kind) + "': " + std::string(what));
}

// The `single` template: objects {"SpecialToken": {id, type_id}} around one {"Sequence": ...}.
Result<std::unique_ptr<const PostProcessor>> ReadTemplate(const json::Value& value) {
  TemplateProcessor::Template out;
  const json::Value* single = value.Find("single");
  const json::Value* table = value.Find("special_tokens");
  if (single == nullptr || !single->is_array() || table == nullptr || !table->is_object()) {
    return Malformed("TemplateProcessing", "'single' or 'special_tokens' is missing");
  }
  bool seen = false;
  for (const json::Value& piece : single->items()) {
    if (const json::Value* sequence = piece.Find("Sequence")) {
      if (seen || sequence->GetString("id") != "A") {
        return Malformed("TemplateProcessing", "'single' must hold sequence A once");
      }
      seen = true;
      out.type_id = static_cast<std::int32_t>(sequence->GetInt("type_id"));
      continue;
    }
    const json::Value* special = piece.Find("SpecialToken");
    const json::Value* entry = special != nullptr ? table->Find(special->GetString("id")) : nullptr;
    const json::Value* ids = entry != nullptr ? entry->Find("ids") : nullptr;
    if (ids == nullptr || !ids->is_array()) {
      return Malformed("TemplateProcessing", "no special token for piece " + piece.Dump());
    }
    for (const json::Value& id : ids->items()) {
      (seen ? out.after : out.before)
          .push_back({static_cast<std::int32_t>(id.AsInt().value_or(0)),
                      static_cast<std::int32_t>(special->GetInt("type_id"))});
    }
  }
  if (!seen) return Malformed("TemplateProcessing", "'single' must hold sequence A once");
  return std::unique_ptr<const PostProcessor>(new TemplateProcessor(std::move(out)));
}

// BertProcessing and RobertaProcessing: "cls" and "sep" are [token, id].
Result<std::unique_ptr<const PostProcessor>> ReadClsSep(const json::Value& value) {
  const bool roberta = value.GetString("type") == "RobertaProcessing";
  TemplateProcessor::Template out;
  for (const char* name : {"cls", "sep"}) {
    const json::Value* pair = value.Find(name);
    if (pair == nullptr || pair->items().size() != 2 || !pair->items()[1].AsInt()) {
      return Malformed(value.GetString("type"), std::string("'") + name + "' is not [token, id]");
    }
    const auto id = static_cast<std::int32_t>(*pair->items()[1].AsInt());
    (name[0] == 'c' ? out.before : out.after).push_back({id, 0});
  }
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
