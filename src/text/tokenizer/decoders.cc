#include <array>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/metaspace.h"
#include "text/tokenizer/normalized.h"
#include "text/tokenizer/replace.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

std::string ReplaceAll(const std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t done = 0, length = 0;
  for (std::size_t at = FindReplaced(text, from, 0, &length); at != std::string::npos;
       at = FindReplaced(text, from, done, &length)) {
    out.append(text, done, at - done);
    out += to;
    done = at + length;
  }
  return out.append(text, done);
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
      if (!cleanup_) continue;
      for (const auto& [from, to] : kCleanup) token = ReplaceAll(token, from, to);
    }
  }

 private:
  // The spaces that BERT's splitting put before punctuation and English contractions, in the
  // package's order; it looks at one token at a time.
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kCleanup{{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
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
  ReplaceDecoder(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void Decode(std::vector<std::string>* tokens) const override {
    for (std::string& token : *tokens) token = ReplaceAll(token, pattern_, content_);
  }

 private:
  std::string pattern_, content_;
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
    const int high = HexDigit(token[3]), low = HexDigit(token[4]);
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
  if (type == "WordPiece") {
    return Pointer(new WordPieceDecoder(std::string(value.GetString("prefix", "##")),
                                        value.GetBool("cleanup", true)));
  }
  if (type == "Metaspace") {
    MALMOI_TRY(auto options, ReadMetaspaceOptions(value));
    return Pointer(new MetaspaceDecoder(std::move(options)));
  }
  if (type == "Replace") {
    MALMOI_TRY(auto pattern, ReadReplacePattern(value, "decoder"));
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
                          "WordPiece, Metaspace, Sequence, Fuse, Replace, Strip, ByteFallback");
}

}  // namespace malmoi::text
