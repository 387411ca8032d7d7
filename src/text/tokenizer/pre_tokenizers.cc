#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/chars.h"
#include "text/tokenizer/metaspace.h"
#include "text/tokenizer/split.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

// Appends the pieces of `input` that delimiters make. `classify(at, &size)` gives for the character
// at `at` its size and whether it is a delimiter.
template <class Classify>
void SplitOn(Keep keep, const Piece& input, Classify classify, std::vector<Piece>* out) {
  std::size_t begin = input.begin;  // Of the open piece.
  bool previous = false;
  const auto close = [&](std::size_t end) {
    if (end > begin) out->push_back({begin, end, -1});
    begin = end;
  };
  std::size_t size = 0;
  for (std::size_t at = input.begin; at < input.end; at += size) {
    const bool delimiter = classify(at, &size);
    switch (keep) {
      case Keep::kRemoved:
        if (delimiter) {
          close(at);
          begin = at + size;
        }
        break;
      case Keep::kIsolated:
        if (delimiter) {
          close(at);
          close(at + size);
        }
        break;
      case Keep::kContiguous:
        if (delimiter != previous) close(at);
        break;
      case Keep::kWithPrevious:
        // A delimiter after a delimiter stands alone.
        if (delimiter) close(previous ? at : at + size);
        if (delimiter && previous) close(at + size);
        break;
      case Keep::kWithNext:
        if (delimiter) close(at);
        break;
    }
    previous = delimiter;
  }
  close(input.end);
}

template <class Classify>
void SplitAll(Keep keep, Classify classify, std::vector<Piece>* pieces, TokenizerScratch* scratch) {
  std::vector<Piece>& out = scratch->pieces;
  out.clear();
  for (const Piece& piece : *pieces) {
    if (piece.token >= 0) {
      out.push_back(piece);
    } else {
      SplitOn(keep, piece, classify, &out);
    }
  }
  pieces->swap(out);
}

// Splits on characters that have a property.
class FlagSplitter : public PreTokenizer {
 public:
  FlagSplitter(CharFlag flag, Keep keep) : flag_(flag), keep_(keep) {}
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    const std::string_view s = text->text;
    SplitAll(
        keep_, [&](std::size_t at, std::size_t* size) { return Has(ReadRune(s, at, size), flag_); },
        pieces, scratch);
  }
  AtCut at_cut() const override {
    return flag_ == kSpace && keep_ == Keep::kRemoved ? AtCut::kDrops : AtCut::kKeeps;
  }

 private:
  CharFlag flag_;
  Keep keep_;
};

// Drops spaces and isolates punctuation, in one pass.
class BertPreTokenizer : public PreTokenizer {
 public:
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    std::vector<Piece>& out = scratch->pieces;
    out.clear();
    for (const Piece& piece : *pieces) {
      if (piece.token >= 0) {
        out.push_back(piece);
        continue;
      }
      std::size_t begin = piece.begin, size = 0;
      for (std::size_t at = piece.begin; at < piece.end; at += size) {
        const std::uint32_t flags = FlagsOf(ReadRune(text->text, at, &size));
        if ((flags & (kSpace | kPunctuation)) == 0) continue;
        if (at > begin) out.push_back({begin, at, -1});
        begin = at + size;
        if ((flags & kSpace) == 0) out.push_back({at, begin, -1});
      }
      if (piece.end > begin) out.push_back({begin, piece.end, -1});
    }
    pieces->swap(out);
  }
  AtCut at_cut() const override { return AtCut::kDrops; }
};

// Runs of \w, and runs of what is neither \w nor a space.
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    std::vector<Piece>& out = scratch->pieces;
    out.clear();
    for (const Piece& piece : *pieces) {
      if (piece.token >= 0) {
        out.push_back(piece);
        continue;
      }
      std::size_t begin = piece.begin, size = 0;
      std::uint32_t previous = kSpace;
      for (std::size_t at = piece.begin; at < piece.end; at += size) {
        const std::uint32_t flags = FlagsOf(ReadRune(text->text, at, &size));
        const std::uint32_t kind = (flags & kWord) != 0 ? kWord : flags & kSpace;
        if (kind != previous) {
          if (previous != kSpace && at > begin) out.push_back({begin, at, -1});
          begin = at;
        }
        previous = kind;
      }
      if (previous != kSpace && piece.end > begin) out.push_back({begin, piece.end, -1});
    }
    pieces->swap(out);
  }
  AtCut at_cut() const override { return AtCut::kDrops; }
};

// Turns spaces into a visible mark, puts one before the text, and splits before each.
class MetaspacePreTokenizer : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(MetaspaceOptions options) : options_(std::move(options)) {}

  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    Normalized& out = scratch->swap;
    out.Clear();
    out.text.reserve(text->text.size() * 3 / 2);
    out.spans.reserve(text->text.size() * 3 / 2);
    std::vector<Piece>& split = scratch->pieces;
    split.clear();
    for (const Piece& piece : *pieces) {
      const std::size_t begin = out.text.size();
      if (piece.token >= 0) {
        out.Append(*text, piece.begin, piece.end);
        split.push_back({begin, out.text.size(), piece.token});
      } else {
        Mark(*text, piece, &out);
        SplitMarked(out.text, begin, &split);
      }
    }
    std::swap(*text, out);
    pieces->swap(split);
  }
  AtCut at_cut() const override { return options_.split ? AtCut::kSplits : AtCut::kDepends; }
  bool looks_at_start() const override { return options_.scheme == PrependScheme::kFirst; }

 private:
  void Mark(const Normalized& text, const Piece& piece, Normalized* out) const {
    const std::string& mark = options_.replacement;
    const std::string_view s = std::string_view(text.text).substr(0, piece.end);
    const bool wanted =
        options_.scheme == PrependScheme::kAlways ||
        (options_.scheme == PrependScheme::kFirst && text.spans[piece.begin].begin == 0);
    if (wanted && s[piece.begin] != ' ' && s.compare(piece.begin, mark.size(), mark) != 0) {
      PutMark(text.spans[piece.begin], out);
    }
    for (std::size_t at = piece.begin; at < piece.end;) {
      const std::size_t space = std::min(s.find(' ', at), piece.end);
      out->Append(text, at, space);
      if (space < piece.end) PutMark(text.spans[space], out);
      at = space + 1;
    }
  }

  void PutMark(const Encoding::Span& span, Normalized* out) const {
    out->text += options_.replacement;
    out->spans.resize(out->text.size(), span);
  }

  void SplitMarked(const std::string& s, std::size_t begin, std::vector<Piece>* out) const {
    while (options_.split && begin < s.size()) {
      const std::size_t next = s.find(options_.replacement, begin + 1);
      if (next == std::string::npos) break;
      out->push_back({begin, next, -1});
      begin = next;
    }
    if (begin < s.size()) out->push_back({begin, s.size(), -1});
  }

  const MetaspaceOptions options_;
};

// Drops one character and splits there.
class DelimiterPreTokenizer : public PreTokenizer {
 public:
  explicit DelimiterPreTokenizer(std::string delimiter) : delimiter_(std::move(delimiter)) {}
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    const std::string_view s = text->text;
    SplitAll(
        Keep::kRemoved,
        [&](std::size_t at, std::size_t* size) {
          *size = RuneSize(s[at]);
          return s.substr(at, *size) == delimiter_;
        },
        pieces, scratch);
  }

 private:
  const std::string delimiter_;
};

// Splits where the script changes. Characters without one stay with what precedes them, and are
// dropped where nothing does.
class ScriptPreTokenizer : public PreTokenizer {
 public:
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    std::vector<Piece>& out = scratch->pieces;
    out.clear();
    for (const Piece& piece : *pieces) {
      if (piece.token >= 0) {
        out.push_back(piece);
        continue;
      }
      int last = -1;
      std::size_t begin = piece.begin, size = 0;
      for (std::size_t at = piece.begin; at < piece.end; at += size) {
        const int script = ScriptOf(ReadRune(text->text, at, &size));
        if (script < 0 || script == last) continue;
        if (last >= 0) out.push_back({begin, at, -1});
        begin = at;
        last = script;
      }
      if (last >= 0) out.push_back({begin, piece.end, -1});
    }
    pieces->swap(out);
  }
};

// Cuts off pieces of a number of characters.
class FixedLengthPreTokenizer : public PreTokenizer {
 public:
  explicit FixedLengthPreTokenizer(std::size_t length) : length_(length) {}
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    std::vector<Piece>& out = scratch->pieces;
    out.clear();
    for (const Piece& piece : *pieces) {
      std::size_t begin = piece.begin, count = 0;
      for (std::size_t at = begin; piece.token < 0 && at < piece.end;) {
        at += RuneSize(text->text[at]);
        if (++count % length_ != 0 || at == piece.end) continue;
        out.push_back({begin, at, -1});
        begin = at;
      }
      out.push_back({begin, piece.end, piece.token});
    }
    pieces->swap(out);
  }

 private:
  const std::size_t length_;
};

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<const PreTokenizer>> parts)
      : parts_(std::move(parts)) {}
  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    for (const auto& part : parts_) {
      if (text->text.size() > scratch->max_text) return;
      part->Split(text, pieces, scratch);
    }
  }
  // What splits settles it: later parts see the two sides as pieces of their own.
  AtCut at_cut() const override {
    for (const auto& part : parts_) {
      if (part->at_cut() != AtCut::kKeeps) return part->at_cut();
    }
    return AtCut::kKeeps;
  }
  bool looks_at_start() const override {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const auto& part) { return part->looks_at_start(); });
  }

 private:
  std::vector<std::unique_ptr<const PreTokenizer>> parts_;
};

Result<std::unique_ptr<const PreTokenizer>> ReadSequence(const json::Value& value) {
  std::vector<std::unique_ptr<const PreTokenizer>> parts;
  const json::Value* list = value.Find("pretokenizers");
  if (list == nullptr || !list->is_array()) {
    return Error(Code::kInvalidArgument,
                 "pre-tokenizer 'Sequence': 'pretokenizers' is not an array");
  }
  for (const json::Value& item : list->items()) {
    MALMOI_TRY(auto part, ReadPreTokenizer(item));
    if (part == nullptr) {
      return Error(Code::kInvalidArgument, "pre-tokenizer 'Sequence': a part is null");
    }
    parts.push_back(std::move(part));
  }
  return std::unique_ptr<const PreTokenizer>(new SequencePreTokenizer(std::move(parts)));
}

}  // namespace

Result<MetaspaceOptions> ReadMetaspaceOptions(const json::Value& value) {
  MetaspaceOptions options;
  options.replacement = value.GetString("replacement");
  if (CountRunes(options.replacement) != 1) {
    return Error(Code::kInvalidArgument, "'Metaspace': 'replacement' must be one character, not '" +
                                             options.replacement + "'");
  }
  options.split = value.GetBool("split", true);
  const std::string_view scheme = value.GetString("prepend_scheme", "always");
  if (scheme == "never" || !value.GetBool("add_prefix_space", true)) {
    options.scheme = PrependScheme::kNever;
  } else if (scheme == "first") {
    options.scheme = PrependScheme::kFirst;
  } else if (scheme != "always") {
    return Error(Code::kInvalidArgument,
                 "'Metaspace': unknown prepend_scheme '" + std::string(scheme) + "'");
  }
  return options;
}

Result<std::unique_ptr<const PreTokenizer>> ReadPreTokenizer(const json::Value& value) {
  using Pointer = std::unique_ptr<const PreTokenizer>;
  if (value.is_null()) return Pointer();
  const std::string_view type = value.GetString("type");
  if (type == "BertPreTokenizer") return Pointer(new BertPreTokenizer);
  if (type == "Whitespace") return Pointer(new WhitespacePreTokenizer);
  if (type == "WhitespaceSplit") return Pointer(new FlagSplitter(kSpace, Keep::kRemoved));
  if (type == "Sequence") return ReadSequence(value);
  if (type == "Metaspace") {
    MALMOI_TRY(auto options, ReadMetaspaceOptions(value));
    return Pointer(new MetaspacePreTokenizer(std::move(options)));
  }
  if (type == "Punctuation") {
    MALMOI_TRY(auto keep, ReadKeep(value));
    return Pointer(new FlagSplitter(kPunctuation, keep));
  }
  if (type == "Digits") {
    const bool single = value.GetBool("individual_digits");
    return Pointer(new FlagSplitter(kNumeric, single ? Keep::kIsolated : Keep::kContiguous));
  }
  if (type == "Split") return ReadSplit(value);
  if (type == "ByteLevel") return ReadByteLevel(value);
  if (type == "UnicodeScripts") return Pointer(new ScriptPreTokenizer);
  if (type == "CharDelimiterSplit") {
    const std::string delimiter(value.GetString("delimiter"));
    if (CountRunes(delimiter) != 1) {
      return Error(Code::kInvalidArgument,
                   "pre-tokenizer 'CharDelimiterSplit': 'delimiter' must be one character, not '" +
                       delimiter + "'");
    }
    return Pointer(new DelimiterPreTokenizer(delimiter));
  }
  if (type == "FixedLength") {
    const std::int64_t length = value.GetInt("length", 5);
    if (length < 1) {
      return Error(Code::kInvalidArgument, "pre-tokenizer 'FixedLength': 'length' is not positive");
    }
    return Pointer(new FixedLengthPreTokenizer(static_cast<std::size_t>(length)));
  }
  return UnknownComponent(
      "pre-tokenizer", value,
      "BertPreTokenizer, Metaspace, Whitespace, WhitespaceSplit, ByteLevel, "
      "Split, Punctuation, Digits, CharDelimiterSplit, FixedLength, UnicodeScripts, "
      "Sequence");
}

}  // namespace malmoi::text
