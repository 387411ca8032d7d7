#include <algorithm>
#include <utility>

#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/chars.h"
#include "text/tokenizer/split.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/unicode_forms.h"

namespace malmoi::text {
namespace {

// Calls visit(c, at) for each character of the text.
template <class F>
void ForEachRune(std::string_view text, F visit) {
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
    visit(ReadRune(text, at, &size), at);
  }
}

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<const Normalizer>> parts)
      : parts_(std::move(parts)) {}
  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    for (const auto& part : parts_) {
      if (text->text.size() > scratch->max_text) return;
      part->Normalize(text, scratch);
    }
  }
  AtCut at_cut() const override {
    AtCut all = AtCut::kDrops;
    for (const auto& part : parts_) all = std::min(all, part->at_cut());
    return all;
  }

 private:
  std::vector<std::unique_ptr<const Normalizer>> parts_;
};

class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(UnicodeForm form) : form_(form) {}
  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    scratch->swap.Clear();
    if (!ApplyForm(form_, *text, 0, text->text.size(), &scratch->swap)) scratch->drifted = true;
    std::swap(*text, scratch->swap);
  }
  AtCut at_cut() const override { return AtCut::kKeeps; }

 private:
  UnicodeForm form_;
};

// Maps each character by itself: to itself, to others, or away.
class CharNormalizer : public Normalizer {
 public:
  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    scratch->swap.Clear();
    {
      Rewriter out(*text, 0, text->text.size(), &scratch->swap);
      ForEachRune(text->text, [&](char32_t c, std::size_t) { Map(c, &out); });
      if (!out.Finish()) scratch->drifted = true;
    }
    std::swap(*text, scratch->swap);
  }
  AtCut at_cut() const override { return AtCut::kKeeps; }

 private:
  virtual void Map(char32_t c, Rewriter* out) const = 0;
};

class LowercaseNormalizer : public CharNormalizer {
  void Map(char32_t c, Rewriter* out) const override {
    char32_t lower[2];
    const int count = LowerCase(c, lower);
    for (int i = 0; i < count; ++i) out->Put(lower[i], i);
  }
};

class StripAccentsNormalizer : public CharNormalizer {
  void Map(char32_t c, Rewriter* out) const override {
    if (Has(c, kMark)) {
      out->Drop(1);
    } else {
      out->Put(c, 0);
    }
  }
};

// The cleaning of SentencePiece's nmt rules, without their NFKC.
class NmtNormalizer : public CharNormalizer {
  void Map(char32_t c, Rewriter* out) const override {
    const bool dropped = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                         c == 0x8F || c == 0x9F;
    if (dropped) {
      out->Drop(1);
      return;
    }
    const bool blank = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    out->Put(blank ? ' ' : c, 0);
  }
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void Normalize(Normalized* text, TokenizerScratch*) const override {
    const std::string& s = text->text;
    std::size_t begin = 0, end = s.size(), size = 0;
    while (left_ && begin < end && Has(ReadRune(s, begin, &size), kSpace)) begin += size;
    while (right_ && end > begin && Has(ReadRune(s, PreviousRune(s, end), &size), kSpace)) {
      end -= size;
    }
    text->text.resize(end);
    text->spans.resize(end);
    text->text.erase(0, begin);
    text->spans.erase(text->spans.begin(),
                      text->spans.begin() + static_cast<std::ptrdiff_t>(begin));
  }

 private:
  bool left_, right_;
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void Normalize(Normalized* text, TokenizerScratch*) const override {
    if (text->text.empty()) return;
    const Encoding::Span first = text->spans[0];
    text->text.insert(0, prefix_);
    text->spans.insert(text->spans.begin(), prefix_.size(), first);
  }

 private:
  std::string prefix_;
};

// Replaces each match. All of the new text stands for the last character of the match; where an
// empty match has none before it, for the empty beginning of the piece.
class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    if (text->text.empty()) return;
    pattern_.FindAll(text->text, &scratch->regex, &scratch->matches);
    if (scratch->matches.empty()) return;
    const std::uint32_t start = scratch->piece_begin;
    Normalized& out = scratch->swap;
    out.Clear();
    std::size_t done = 0;
    for (const Regex::Match& match : scratch->matches) {
      if (out.text.size() > scratch->max_text) break;
      out.Append(*text, done, match.begin);
      done = match.end;
      out.text += content_;
      out.spans.resize(out.text.size(),
                       done > 0 ? text->spans[done - 1] : Encoding::Span{start, start});
    }
    out.Append(*text, done, text->text.size());
    std::swap(*text, out);
  }
  // A match may not reach over a cut, nor replace the blank there.
  AtCut at_cut() const override {
    return pattern_.avoids_blanks() ? AtCut::kKeeps : AtCut::kDepends;
  }

 private:
  const TextPattern pattern_;
  const std::string content_;
};

// Writes each byte as a visible character.
class ByteLevelNormalizer : public Normalizer {
 public:
  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    scratch->swap.Clear();
    AppendByteLevel(*text, 0, text->text.size(), &scratch->swap);
    std::swap(*text, scratch->swap);
  }
};

Result<std::unique_ptr<const Normalizer>> ReadSequence(const json::Value& value) {
  std::vector<std::unique_ptr<const Normalizer>> parts;
  const json::Value* list = value.Find("normalizers");
  if (list == nullptr || !list->is_array()) {
    return Error(Code::kInvalidArgument, "normalizer 'Sequence': 'normalizers' is not an array");
  }
  for (const json::Value& item : list->items()) {
    MALMOI_TRY(auto part, ReadNormalizer(item));
    if (part == nullptr) {
      return Error(Code::kInvalidArgument, "normalizer 'Sequence': a part is null");
    }
    parts.push_back(std::move(part));
  }
  return std::unique_ptr<const Normalizer>(new SequenceNormalizer(std::move(parts)));
}

}  // namespace

Error UnknownComponent(std::string_view slot, const json::Value& value,
                       std::string_view supported) {
  return Error(Code::kInvalidArgument, "unknown " + std::string(slot) + " '" +
                                           std::string(value.GetString("type")) +
                                           "'; supported: " + std::string(supported));
}

Result<std::unique_ptr<const Normalizer>> ReadNormalizer(const json::Value& value) {
  using Pointer = std::unique_ptr<const Normalizer>;
  if (value.is_null()) return Pointer();
  const std::string_view type = value.GetString("type");
  if (type == "BertNormalizer") return ReadBertNormalizer(value);
  if (type == "Precompiled") return ReadPrecompiled(value);
  if (type == "Sequence") return ReadSequence(value);
  if (type == "Lowercase") return Pointer(new LowercaseNormalizer);
  if (type == "StripAccents") return Pointer(new StripAccentsNormalizer);
  if (type == "Nmt") return Pointer(new NmtNormalizer);
  if (type == "NFC") return Pointer(new FormNormalizer(UnicodeForm::kNfc));
  if (type == "NFD") return Pointer(new FormNormalizer(UnicodeForm::kNfd));
  if (type == "NFKC") return Pointer(new FormNormalizer(UnicodeForm::kNfkc));
  if (type == "NFKD") return Pointer(new FormNormalizer(UnicodeForm::kNfkd));
  if (type == "ByteLevel") return Pointer(new ByteLevelNormalizer);
  if (type == "Strip") {
    return Pointer(
        new StripNormalizer(value.GetBool("strip_left", true), value.GetBool("strip_right", true)));
  }
  if (type == "Prepend") {
    return Pointer(new PrependNormalizer(std::string(value.GetString("prepend"))));
  }
  if (type == "Replace") {
    MALMOI_TRY(auto pattern, TextPattern::Read(value));
    return Pointer(
        new ReplaceNormalizer(std::move(pattern), std::string(value.GetString("content"))));
  }
  return UnknownComponent("normalizer", value,
                          "BertNormalizer, Precompiled, Sequence, Replace, NFC, NFD, NFKC, NFKD, "
                          "Lowercase, StripAccents, Strip, Prepend, Nmt, ByteLevel");
}

}  // namespace malmoi::text
