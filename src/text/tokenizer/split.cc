#include "text/tokenizer/split.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/chars.h"

namespace malmoi::text {
namespace {

// Matches and what is between them, as pieces. An empty match counts as one that may be joined to a
// neighbour; an empty piece is left out.
void SplitAtMatches(Keep keep, bool invert, const Piece& input,
                    const std::vector<Regex::Match>& matches, std::vector<Piece>* out) {
  const std::size_t first = out->size();
  std::size_t done = input.begin;
  bool previous = false;
  bool joinable = false;  // The last piece may grow.
  const auto put = [&](std::size_t begin, std::size_t end, bool delimiter) {
    delimiter = delimiter != invert;
    bool joins = false;
    if (keep == Keep::kRemoved && delimiter) return;
    if (keep == Keep::kContiguous) joins = delimiter == previous;
    if (keep == Keep::kWithPrevious) joins = delimiter && !previous;
    previous = delimiter;
    if (joins && joinable) {
      out->back().end = end;
    } else {
      out->push_back({begin, end, -1});
      joinable = true;
    }
  };
  const auto all = [&](auto sink) {
    for (const Regex::Match& match : matches) {
      const std::size_t begin = input.begin + match.begin, end = input.begin + match.end;
      if (begin > done) sink(done, begin, false);
      sink(begin, end, true);
      done = end;
    }
    if (done < input.end) sink(done, input.end, false);
  };
  if (keep != Keep::kWithNext) {
    all(put);
  } else {
    // From right to left, as the imitated package does: of delimiters in a row the last one joins.
    all([&](std::size_t begin, std::size_t end, bool delimiter) {
      out->push_back({begin, end, delimiter != invert ? 1 : 0});
    });
    std::size_t to = out->size();
    for (std::size_t i = out->size(); i-- > first;) {
      Piece piece = (*out)[i];
      const bool delimiter = piece.token == 1;
      piece.token = -1;
      if (delimiter && !previous && joinable) {
        (*out)[to].begin = piece.begin;
      } else {
        (*out)[--to] = piece;
        joinable = true;
      }
      previous = delimiter;
    }
    out->erase(out->begin() + static_cast<std::ptrdiff_t>(first),
               out->begin() + static_cast<std::ptrdiff_t>(to));
  }
  out->erase(std::remove_if(out->begin() + static_cast<std::ptrdiff_t>(first), out->end(),
                            [](const Piece& piece) { return piece.begin == piece.end; }),
             out->end());
}

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(TextPattern pattern, Keep keep, bool invert)
      : pattern_(std::move(pattern)), keep_(keep), invert_(invert) {}

  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    std::vector<Piece>& out = scratch->pieces;
    out.clear();
    for (const Piece& piece : *pieces) {
      if (piece.token >= 0) {
        out.push_back(piece);
        continue;
      }
      const std::string_view s =
          std::string_view(text->text).substr(piece.begin, piece.end - piece.begin);
      pattern_.FindAll(s, &scratch->regex, &scratch->matches);
      SplitAtMatches(keep_, invert_, piece, scratch->matches, &out);
    }
    pieces->swap(out);
  }
  AtCut at_cut() const override {
    const bool whole = keep_ == Keep::kIsolated || (keep_ == Keep::kRemoved && invert_);
    return pattern_.is_known() && whole ? AtCut::kSplits : AtCut::kDepends;
  }

 private:
  const TextPattern pattern_;
  const Keep keep_;
  const bool invert_;
};

// Writes bytes as visible characters, after splitting as GPT-2 does, where that is asked for.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex), pattern_(Gpt2Pattern()) {}

  void Split(Normalized* text, std::vector<Piece>* pieces,
             TokenizerScratch* scratch) const override {
    Normalized& out = scratch->swap;
    Normalized& piece_text = scratch->part;
    out.Clear();
    out.text.reserve(text->text.size() * 2);
    out.spans.reserve(text->text.size() * 2);
    std::vector<Piece>& split = scratch->pieces;
    split.clear();
    for (const Piece& piece : *pieces) {
      const std::size_t begin = out.text.size();
      if (piece.token >= 0) {
        out.Append(*text, piece.begin, piece.end);
        split.push_back({begin, out.text.size(), piece.token});
        continue;
      }
      if (add_prefix_space_ && text->text[piece.begin] != ' ') {
        piece_text.Clear();
        piece_text.text.push_back(' ');
        piece_text.spans.push_back(text->spans[piece.begin]);
        piece_text.Append(*text, piece.begin, piece.end);
        Write(piece_text, 0, piece_text.text.size(), scratch, &out, &split);
      } else {
        Write(*text, piece.begin, piece.end, scratch, &out, &split);
      }
    }
    std::swap(*text, out);
    pieces->swap(split);
  }
  // Without splitting, blanks are no longer there for later stages.
  AtCut at_cut() const override { return use_regex_ ? AtCut::kSplits : AtCut::kDepends; }

 private:
  void Write(const Normalized& text, std::size_t begin, std::size_t end, TokenizerScratch* scratch,
             Normalized* out, std::vector<Piece>* split) const {
    if (use_regex_) {
      pattern_.FindAll(std::string_view(text.text).substr(begin, end - begin), &scratch->regex,
                       &scratch->matches);
    } else {
      scratch->matches.assign(1, {0, end - begin});
    }
    for (const Regex::Match& match : scratch->matches) {
      const std::size_t from = out->text.size();
      AppendByteLevel(text, begin + match.begin, begin + match.end, out);
      split->push_back({from, out->text.size(), -1});
    }
  }

  const bool add_prefix_space_;
  const bool use_regex_;
  const TextPattern pattern_;
};

}  // namespace

Result<Keep> ReadKeep(const json::Value& value) {
  const std::string_view name = value.GetString("behavior", "Isolated");
  if (name == "Removed") return Keep::kRemoved;
  if (name == "Isolated") return Keep::kIsolated;
  if (name == "Contiguous") return Keep::kContiguous;
  if (name == "MergedWithPrevious") return Keep::kWithPrevious;
  if (name == "MergedWithNext") return Keep::kWithNext;
  return Error(Code::kInvalidArgument, "pre-tokenizer '" + std::string(value.GetString("type")) +
                                           "': unknown behavior '" + std::string(name) + "'");
}

Result<TextPattern> TextPattern::Read(const json::Value& value) {
  const std::string who(value.GetString("type"));
  const json::Value* pattern = value.Find("pattern");
  const json::Value* literal = pattern != nullptr ? pattern->Find("String") : nullptr;
  const json::Value* expression = pattern != nullptr ? pattern->Find("Regex") : nullptr;
  TextPattern out;
  if (literal != nullptr && literal->is_string()) {
    out.literal_ = *literal->AsString();
    out.avoids_blanks_ = out.literal_.find_first_of(" \n") == std::string::npos;
    return out;
  }
  if (expression == nullptr || !expression->is_string()) {
    return Error(Code::kInvalidArgument,
                 "'" + who + "': 'pattern' is neither {\"String\": ...} nor {\"Regex\": ...}");
  }
  const std::string_view source = *expression->AsString();
  out.known_ = FindKnownPattern(source);
  out.spaces_ = source == " {2,}";
  out.avoids_blanks_ = out.spaces_;
  if (out.known_ != nullptr || out.spaces_) return out;
  MALMOI_TRY(auto regex, Regex::Compile(source).With("'" + who + "'"));
  out.regex_.push_back(std::move(regex));
  return out;
}

void TextPattern::FindAll(std::string_view text, Regex::Scratch* scratch,
                          std::vector<Regex::Match>* out) const {
  out->clear();
  if (known_ != nullptr) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = known_->scan(text, at);
      out->push_back({at, end});
      at = end;
    }
  } else if (!regex_.empty()) {
    regex_[0].FindAll(text, scratch, out);
  } else if (spaces_) {
    for (std::size_t at = text.find("  "); at != text.npos;) {
      const std::size_t end = std::min(text.find_first_not_of(' ', at), text.size());
      out->push_back({at, end});
      at = text.find("  ", end);
    }
  } else if (literal_.empty()) {
    // The empty string is everywhere: before each character and at the end.
    for (std::size_t at = 0; at <= text.size();) {
      out->push_back({at, at});
      at += at < text.size() ? RuneSize(text[at]) : 1;
    }
  } else {
    for (std::size_t at = text.find(literal_); at != text.npos;
         at = text.find(literal_, at + literal_.size())) {
      out->push_back({at, at + literal_.size()});
    }
  }
}

Result<std::unique_ptr<const PreTokenizer>> ReadSplit(const json::Value& value) {
  MALMOI_TRY(auto pattern, TextPattern::Read(value));
  MALMOI_TRY(const Keep keep, ReadKeep(value));
  return std::unique_ptr<const PreTokenizer>(
      new SplitPreTokenizer(std::move(pattern), keep, value.GetBool("invert")));
}

Result<std::unique_ptr<const PreTokenizer>> ReadByteLevel(const json::Value& value) {
  return std::unique_ptr<const PreTokenizer>(new ByteLevelPreTokenizer(
      value.GetBool("add_prefix_space", true), value.GetBool("use_regex", true)));
}

}  // namespace malmoi::text
