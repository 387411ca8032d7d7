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
#include "text/tokenizer/regex.h"

namespace malmoi::text {

// The stages of a tokenizer.json, in the order in which a text meets them. All are immutable after
// reading: const methods may run concurrently. stage_contract_test.cc holds every stage to the
// laws below.

// Bytes [begin, end) of a Normalized text; token >= 0 where an added token was recognised, which
// later stages leave alone.
struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::int32_t token = -1;
};

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
  struct Symbol {  // One token of a word that BPE joins.
    std::int32_t id;
    std::uint32_t length;    // In bytes; 0: was joined to the one before.
    std::uint32_t previous;  // Indices.
    std::uint32_t next;
  };
  std::vector<Symbol> symbols;
  struct Candidate {  // A pair that may be joined: rank, left symbol, joined token.
    std::uint32_t rank;
    std::uint32_t at;
    std::int32_t id;
  };
  std::vector<Candidate> candidates;
  std::vector<Piece> pieces;
  Regex::Scratch regex;
  std::vector<Regex::Match> matches;
  // Where the piece that a normalizer gets begins in the caller's text, whatever an earlier one
  // took from its beginning.
  std::uint32_t piece_begin = 0;
  // Stages that make a text longer stop at this size in bytes: files can be made whose stages
  // multiply it without end. No model in use comes near.
  std::size_t max_text = SIZE_MAX;
  // Set by a normalizer that consumed fewer or more characters than there are (see Rewriter): the
  // spans of what follows depend on what came before.
  bool drifted = false;
};

// What a stage does at a cut: a place in the text before a blank (a space; a line end too where it
// becomes a space) that stands alone between characters that are not blank.
enum class AtCut : std::uint8_t {
  kDepends,  // The two sides may depend on each other.
  kKeeps,    // Each side gives what it gives alone.
  kSplits,   // As kKeeps, and a piece ends there.
  kDrops,    // As kSplits, and blanks are dropped however many there are.
};

// Rewrites a text. Laws: the result is valid UTF-8 with one span a byte; equal input, equal output.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void Normalize(Normalized* text, TokenizerScratch* scratch) const = 0;
  // kKeeps, kDrops (no rule of it looks at neighbouring blanks) or kDepends.
  virtual AtCut at_cut() const { return AtCut::kDepends; }
};

// Cuts pieces into smaller ones across which a Model may not merge. Laws: pieces stay in order, do
// not overlap and are not empty; pieces that hold a token stay as they are.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces *pieces; may rewrite *text too, as Metaspace does.
  virtual void Split(Normalized* text, std::vector<Piece>* pieces,
                     TokenizerScratch* scratch) const = 0;
  virtual AtCut at_cut() const { return AtCut::kDepends; }
  // Whether the first piece of a text is treated by where in the caller's text it begins.
  virtual bool looks_at_start() const { return false; }
};

// One piece of a word with its id; offsets count bytes of the word.
struct ModelToken {
  std::int32_t id = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Turns a word into ids. Laws: tokens are in order; together they span the word. Bytes that BPE
// spells for its prefix or suffix count too, so that the last tokens may lie past the word.
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
  // The unknown token, where the package names such tokens by what they stand for; else -1.
  virtual std::int32_t named_by_text() const { return -1; }
};

// How many spaces begin and end the text that the package names a token by (IsTrimmed in
// post_processors.cc), where that is not the name of its id.
struct TokenEdges {
  std::size_t index = 0;  // Of the token in its part.
  std::size_t leading = 0;
  std::size_t trailing = 0;
};
// Of `name`, which is valid UTF-8.
TokenEdges EdgesOf(std::string_view name);

// A part of what Encode() gives: tokens of one text, or added ones.
struct EncodedPart {
  Encoding encoding;
  std::string_view text;          // What its offsets count in.
  std::vector<TokenEdges> edges;  // In order of index; kept only where offsets are trimmed.
};

// Puts special tokens around encoded texts.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // How many tokens Process() adds to one text, or to two.
  virtual std::size_t added(bool pair) const = 0;
  // Leaves spaces out of offsets: wants EncodedPart::edges.
  virtual bool trims() const { return false; }
  // *parts are one text or two, of type ids 0 and 1, or what an earlier processor made of them. The
  // result is their concatenation. `tokenizer` names an id's token: for trimming spaces.
  virtual void Process(const Tokenizer& tokenizer, bool add_special_tokens,
                       std::vector<EncodedPart>* parts) const = 0;
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
Result<std::unique_ptr<const PreTokenizer>> ReadSplit(const json::Value& value);
Result<std::unique_ptr<const PreTokenizer>> ReadByteLevel(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadWordPiece(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadWordLevel(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadUnigram(const json::Value& value);
Result<std::unique_ptr<const Model>> ReadBpe(const json::Value& value);

// "unknown <slot> 'x'; supported: ..." as one kInvalidArgument.
Error UnknownComponent(std::string_view slot, const json::Value& value, std::string_view supported);

}  // namespace malmoi::text
