#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::text {

// One text as a model sees it. All vectors have the same length.
struct Encoding {
  struct Span {
    std::uint32_t begin = 0;  // Byte offsets into the caller's text, end exclusive;
    std::uint32_t end = 0;    // 0, 0 for tokens that the template added.
  };
  std::vector<std::int32_t> ids;
  std::vector<Span> offsets;
  std::vector<std::int32_t> type_ids;
  std::vector<std::uint8_t> special;  // 1 for tokens that the template added.

  std::size_t size() const { return ids.size(); }
};

// What is cut of a pair that is too long. kLongestFirst: the longer text first, then both to half.
// Where the one text that may be cut is too short, both are cut at the end of the whole (the
// package fails).
enum class CutWhat : std::uint8_t { kLongestFirst, kOnlyFirst, kOnlySecond };

struct EncodeOptions {
  bool add_special_tokens = true;
  std::size_t max_tokens = 0;  // Tokens kept, template tokens included; 0 keeps all.
  bool cut_left = false;       // Drop the first tokens of a text that is too long, not the last.
  CutWhat cut = CutWhat::kLongestFirst;
};

// A Hugging Face `tokenizer.json`, equal in ids, offsets (as bytes), type ids and decoded text to
// the `tokenizers` package 0.23.3. Its "truncation" and "padding" members are ignored: the caller
// decides the length and nothing here pads. Special-token strings inside the text are parsed as
// special tokens, as the package does by default.
//
// Components read: see tokenizer/README.md. Vocabularies whose unknown token is missing are refused
// at once, where the package fails at the first unknown word.
//
// Thread safety: const methods may run concurrently. Cost: linear in the text, also for a single
// word of a megabyte.
class Tokenizer {
 public:
  // Errors: kInvalidArgument naming the component that is unknown or malformed.
  static Result<std::shared_ptr<const Tokenizer>> FromJson(std::string_view tokenizer_json);
  static Result<std::shared_ptr<const Tokenizer>> FromFile(const std::string& path);
  virtual ~Tokenizer() = default;

  // `text` is any bytes; ill-formed UTF-8 is read as U+FFFD a byte. What lies past 4 GiB is not
  // read, since spans are 32 bits wide.
  virtual Encoding Encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  // Two texts through the post-processor's pair template: type ids tell them apart where the
  // template says so; without a template the second text has type id 1. Offsets count in the text
  // that the token is of.
  virtual Encoding EncodePair(std::string_view first, std::string_view second,
                              const EncodeOptions& options = {}) const = 0;
  virtual std::string Decode(const std::vector<std::int32_t>& ids, bool skip_special) const = 0;
  virtual std::size_t vocabulary_size() const = 0;
  // -1 where there is no such token.
  virtual std::int32_t IdOf(std::string_view token) const = 0;
  // Empty for an unknown id.
  virtual std::string_view TokenOf(std::int32_t id) const = 0;
};

}  // namespace malmoi::text
