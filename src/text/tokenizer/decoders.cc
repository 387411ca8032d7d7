#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/metaspace.h"
#include "text/tokenizer/normalized.h"
#include "text/tokenizer/split.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

// A file can be made whose decoders multiply a token without end: they stop at this size.
constexpr std::size_t kMaxToken = 1 << 20;

// The empty string is before each character and at the end.
std::string ReplaceAll(const std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t done = 0;
  if (from.empty()) {
    if (text.size() > kMaxToken) return text;
    for (std::size_t at = 0; at < text.size(); at += RuneSize(text[at])) {
      out.append(to).append(text, at, RuneSize(text[at]));
    }
    return out.append(to);
  }
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, done)) {
    out.append(text, done, at - done);
    out += to;
    done = at + from.size();
  }
  return out.append(text, done);
}

// The spaces that BERT's splitting put before punctuation and English contractions, in the
// package's order; it looks at one token at a time.
std::string CleanUp(std::string token) {
  static constexpr std::pair<std::string_view, std::string_view> kSpaces[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  if (token.find(' ') == std::string::npos) return token;
  for (const auto& [from, to] : kSpaces) token = ReplaceAll(token, from, to);
  return token;
}

// Ill-formed UTF-8 becomes U+FFFD: one for each start of a character that breaks off (Unicode 15,
// "substitution of maximal subparts").
void AppendRepaired(std::string_view bytes, std::string* out) {
  for (std::size_t at = 0; at < bytes.size();) {
    const Rune rune = DecodeRune(bytes, at);
    AppendRune(out, rune.value);
    if (rune.valid) {
      at += rune.size;
      continue;
    }
    // The longest prefix that some continuation would complete.
    std::string probe(bytes.substr(at, 1));
    ++at;
    while (at < bytes.size() && probe.size() < 3) {
      probe.push_back(bytes[at]);
      bool completes = false;
      for (const char* rest : {"\x80", "\x80\x80"}) {
        completes = completes || DecodeRune(probe + rest, 0).valid;
      }
      if (!completes) break;
      ++at;
    }
  }
}

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void Decode(std::vector<std::string>* tokens) const override {
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      std::string& token = (*tokens)[i];
      if (i > 0) {
        if (token.compare(0, prefix_.size(), prefix_) == 0) {
          token.erase(0, prefix_.size());
        } else {
          token.insert(token.begin(), ' ');
        }
      }
      if (cleanup_) token = CleanUp(std::move(token));
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class MetaspaceDecoder : public Decoder {
 public:
  explicit MetaspaceDecoder(MetaspaceOptions options) : options_(std::move(options)) {}
  void Decode(std::vector<std::string>* tokens) const override {
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      const bool dropped = i == 0 && options_.scheme != PrependScheme::kNever;
      (*tokens)[i] = ReplaceAll((*tokens)[i], options_.replacement, dropped ? "" : " ");
    }
  }

 private:
  MetaspaceOptions options_;
};

class FuseDecoder : public Decoder {
 public:
  void Decode(std::vector<std::string>* tokens) const override {
    std::string all;
    for (const std::string& token : *tokens) all += token;
    tokens->assign(1, std::move(all));
  }
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void Decode(std::vector<std::string>* tokens) const override {
    Regex::Scratch scratch;
    std::vector<Regex::Match> matches;
    for (std::string& token : *tokens) {
      if (token.empty() || token.size() > kMaxToken) continue;
      pattern_.FindAll(token, &scratch, &matches);
      if (matches.empty()) continue;
      std::string out;
      std::size_t done = 0;
      for (const Regex::Match& match : matches) {
        if (out.size() > kMaxToken) break;
        out.append(token, done, match.begin - done).append(content_);
        done = match.end;
      }
      token = std::move(out.append(token, done));
    }
  }

 private:
  const TextPattern pattern_;
  const std::string content_;
};

// Visible characters back to bytes; a token that has other characters too is taken as it is.
class ByteLevelDecoder : public Decoder {
 public:
  void Decode(std::vector<std::string>* tokens) const override {
    std::string bytes;
    for (const std::string& token : *tokens) {
      const std::size_t before = bytes.size();
      std::size_t size = 0;
      for (std::size_t at = 0; at < token.size(); at += size) {
        const int byte = ByteOfChar(ReadRune(token, at, &size));
        if (byte < 0) {
          bytes.resize(before);
          bytes += token;
          break;
        }
        bytes.push_back(static_cast<char>(byte));
      }
    }
    std::string text;
    AppendRepaired(bytes, &text);
    tokens->assign(1, std::move(text));
  }
};

// A suffix that ends words becomes a space, but for the last word's.
class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void Decode(std::vector<std::string>* tokens) const override {
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      (*tokens)[i] = ReplaceAll((*tokens)[i], suffix_, i + 1 == tokens->size() ? "" : " ");
    }
  }

 private:
  const std::string suffix_;
};

// Connectionist temporal classification: tokens that repeat count once, padding separates them.
class CtcDecoder : public Decoder {
 public:
  CtcDecoder(std::string padding, std::string delimiter, bool cleanup)
      : padding_(std::move(padding)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void Decode(std::vector<std::string>* tokens) const override {
    tokens->erase(std::unique(tokens->begin(), tokens->end()), tokens->end());
    for (std::string& token : *tokens) {
      token = ReplaceAll(token, padding_, "");
      if (cleanup_) token = ReplaceAll(CleanUp(std::move(token)), delimiter_, " ");
    }
    std::erase(*tokens, "");
  }

 private:
  const std::string padding_, delimiter_;
  const bool cleanup_;
};

// Takes up to `start` characters `content` from the front of each token, `stop` from its end.
class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string content, std::int64_t start, std::int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void Decode(std::vector<std::string>* tokens) const override {
    for (std::string& token : *tokens) {
      for (std::int64_t i = 0; i < start_ && token.starts_with(content_); ++i) {
        token.erase(0, content_.size());
      }
      for (std::int64_t i = 0; i < stop_ && token.ends_with(content_); ++i) {
        token.resize(token.size() - content_.size());
      }
    }
  }

 private:
  std::string content_;
  std::int64_t start_, stop_;
};

// Joins runs of "<0x41>" tokens to the text of their bytes; U+FFFD a byte where that is not UTF-8.
class ByteFallbackDecoder : public Decoder {
 public:
  void Decode(std::vector<std::string>* tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (IsValidUtf8(bytes)) {
        out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : *tokens) {
      if (const int byte = ByteOf(token); byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens->swap(out);
  }

 private:
  static int HexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }
  static int ByteOf(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    const int low = HexDigit(token[4]);
    // The imitated package reads a sign too.
    const int high = token[3] == '+' ? 0 : HexDigit(token[3]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
  }
};

class SequenceDecoder : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<const Decoder>> parts)
      : parts_(std::move(parts)) {}
  void Decode(std::vector<std::string>* tokens) const override {
    for (const auto& part : parts_) part->Decode(tokens);
  }

 private:
  std::vector<std::unique_ptr<const Decoder>> parts_;
};

Result<std::unique_ptr<const Decoder>> ReadSequence(const json::Value& value) {
  std::vector<std::unique_ptr<const Decoder>> parts;
  const json::Value* list = value.Find("decoders");
  if (list == nullptr || !list->is_array()) {
    return Error(Code::kInvalidArgument, "decoder 'Sequence': 'decoders' is not an array");
  }
  for (const json::Value& item : list->items()) {
    MALMOI_TRY(auto part, ReadDecoder(item));
    if (part == nullptr) return Error(Code::kInvalidArgument, "decoder 'Sequence': a part is null");
    parts.push_back(std::move(part));
  }
  return std::unique_ptr<const Decoder>(new SequenceDecoder(std::move(parts)));
}

}  // namespace

Result<std::unique_ptr<const Decoder>> ReadDecoder(const json::Value& value) {
  using Pointer = std::unique_ptr<const Decoder>;
  if (value.is_null()) return Pointer();
  const std::string_view type = value.GetString("type");
  if (type == "Fuse") return Pointer(new FuseDecoder);
  if (type == "ByteFallback") return Pointer(new ByteFallbackDecoder);
  if (type == "Sequence") return ReadSequence(value);
  if (type == "ByteLevel") return Pointer(new ByteLevelDecoder);
  if (type == "BPEDecoder") {
    return Pointer(new BpeDecoder(std::string(value.GetString("suffix", "</w>"))));
  }
  if (type == "CTC") {
    return Pointer(new CtcDecoder(std::string(value.GetString("pad_token", "<pad>")),
                                  std::string(value.GetString("word_delimiter_token", "|")),
                                  value.GetBool("cleanup", true)));
  }
  if (type == "WordPiece") {
    return Pointer(new WordPieceDecoder(std::string(value.GetString("prefix", "##")),
                                        value.GetBool("cleanup", true)));
  }
  if (type == "Metaspace") {
    MALMOI_TRY(auto options, ReadMetaspaceOptions(value));
    return Pointer(new MetaspaceDecoder(std::move(options)));
  }
  if (type == "Replace") {
    MALMOI_TRY(auto pattern, TextPattern::Read(value));
    return Pointer(new ReplaceDecoder(std::move(pattern), std::string(value.GetString("content"))));
  }
  if (type == "Strip") {
    std::string content(value.GetString("content"));
    if (CountRunes(content) != 1) {
      return Error(Code::kInvalidArgument, "decoder 'Strip': 'content' must be one character");
    }
    return Pointer(
        new StripDecoder(std::move(content), value.GetInt("start"), value.GetInt("stop")));
  }
  return UnknownComponent("decoder", value,
                          "WordPiece, Metaspace, ByteLevel, BPEDecoder, CTC, Sequence, Fuse, "
                          "Replace, Strip, ByteFallback");
}

}  // namespace malmoi::text
