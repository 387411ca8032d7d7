#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::serve::tei {

// A JSON value of a request, with its place in the body. Strings are views into the body, or into
// the document where they had escapes.
struct Node {
  enum class Kind : std::uint8_t { kNull, kBool, kUint, kInt, kFloat, kString, kArray, kObject };
  struct Member;

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::uint64_t number = 0;  // kUint; of kInt the magnitude.
  double real = 0;           // kFloat.
  std::string_view text = {};
  std::vector<Node> items = {};
  std::vector<Member> members;     // In the order of the text, repeated keys too.
  std::size_t begin = 0, end = 0;  // Bytes of the body.

  const Node* Find(std::string_view key) const;  // The last of that name.
};
struct Node::Member {
  std::string_view key;
  std::size_t key_end = 0;
  Node value;
};

// What is wrong with a request's JSON, in the words that clients of text-embeddings-inference see
// (those of its JSON library, serde_json 1.0, behind the web framework axum 0.7): the message's
// place is a line, and the bytes of it that had been read.
//   kCorruption       not JSON: 400
//   kInvalidArgument  JSON of another shape: 422
class Body {
 public:
  // `bytes` outlives the Body and its nodes.
  static Result<Body> Parse(std::string_view bytes);

  const Node& root() const { return root_; }

  // "PATH: WHAT at line L column C", with the prefix of its kind. `at`: bytes read.
  Error Mismatch(const std::string& path, const std::string& what, std::size_t at) const;
  Error NotJson(const std::string& path, const std::string& what, std::size_t at) const;
  // Bytes read once a reader that stopped after `at` has looked for the end of the surrounding
  // array or object.
  std::size_t AfterEnd(std::size_t at, char close) const;

  // Drops places and paths: what a value that was parsed before says (Vertex instances).
  void HidePlaces() { places_ = false; }

 private:
  friend class BodyParser;
  explicit Body(std::string_view bytes) : bytes_(bytes) {}
  std::string Where(const std::string& path, const std::string& what, std::size_t at) const;

  std::string_view bytes_;
  std::deque<std::string> unescaped_;  // A deque: its strings stay where they are.
  Node root_;
  bool places_ = true;
};

}  // namespace malmoi::serve::tei
