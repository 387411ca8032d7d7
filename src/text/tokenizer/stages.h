#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "text/tokenizer.h"
#include "text/tokenizer/normalized.h"

namespace malmoi::text {

// The stages of a tokenizer.json, in the order in which a text meets them. All are immutable after
// reading: const methods may run concurrently. stage_contract_test.cc holds every stage to the
// laws below.

// Buffers that stages reuse within one Encode() call, so that none allocates per piece.
struct TokenizerScratch {
  Normalized swap;
  Normalized part;
  Normalized part_swap;
  struct Step {          // One position of the Unigram search.
    double score;        // Of the best path that ends here.
    std::uint32_t from;  // Where its last piece begins.
    std::int32_t id;     // Of that piece; kNoStep where no path ends here.
  };
  std::vector<Step> steps;
};

// Rewrites a text. Laws: the result is valid UTF-8 with one span a byte; equal input, equal output.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void Normalize(Normalized* text, TokenizerScratch* scratch) const = 0;
};

// Bytes [begin, end) of a Normalized text; token >= 0 where an added token was recognised, which
// later stages leave alone.
struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::int32_t token = -1;
};

// Cuts pieces into smaller ones across which a Model may not merge. Laws: pieces stay in order, do
// not overlap and are not empty; pieces that hold a token stay as they are.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces *pieces; may rewrite *text too, as Metaspace does.
  virtual void Split(Normalized* text, std::vector<Piece>* pieces,
                     TokenizerScratch* scratch) const = 0;
};

// One piece of a word with its id; offsets count bytes of the word.
struct ModelToken {
  std::int32_t id = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Turns a word into ids. Laws: tokens are in order; together they span the word.
class Model {
 public:
  virtual ~Model() = default;
  // Appends to *tokens. `word` is not empty. Cost: linear in the word.
  virtual void Tokenize(std::string_view word, std::vector<ModelToken>* tokens,
                        TokenizerScratch* scratch) const = 0;
  // As Tokenizer's methods of these names, without the added tokens.
  virtual std::size_t size() const = 0;
  virtual std::int32_t IdOf(std::string_view token) const = 0;
  virtual std::string_view TokenOf(std::int32_t id) const = 0;
};

// Puts special tokens around an encoded text.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // How many tokens Process() and ProcessPair() add.
  virtual std::size_t added() const = 0;
  virtual std::size_t added_to_pair() const = 0;
  // `text` is what Encode() was given, `model_token` names an id's token: for trimming spaces.
  virtual void Process(std::string_view text, const Tokenizer& tokenizer, bool add_special_tokens,
                       Encoding* encoding) const = 0;
  // Joins *second to *first, which becomes the pair. Their type ids are 0 and 1 when they come in.
  virtual void ProcessPair(std::string_view first_text, std::string_view second_text,
                           const Tokenizer& tokenizer, bool add_special_tokens, Encoding* first,
                           Encoding* second) const = 0;
};

// Turns tokens back into text: rewrites the list, whose concatenation is the result.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void Decode(std::vector<std::string>* tokens) const = 0;
};

// Readers of a member of tokenizer.json. Errors: kInvalidArgument or kUnsupported naming the
// component. A null member gives a null pointer.
Result<std::unique_ptr<const Normalizer>> ReadNormalizer(const json::Value& value);
Result<std::unique_ptr<const PreTokenizer>> ReadPreTokenizer(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadModel(const json::Value& value);
Result<std::unique_ptr<const PostProcessor>> ReadPostProcessor(const json::Value& value);
Result<std::unique_ptr<const Decoder>> ReadDecoder(const json::Value& value);

// Readers that live in files of their own.
Result<std::unique_ptr<const Normalizer>> ReadBertNormalizer(const json::Value& value);
Result<std::unique_ptr<const Normalizer>> ReadPrecompiled(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadWordPiece(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadUnigram(const json::Value& value);

// "unknown <slot> 'x'; supported: ..." as one kInvalidArgument.
Error UnknownComponent(std::string_view slot, const json::Value& value, std::string_view supported);

}  // namespace malmoi::text
