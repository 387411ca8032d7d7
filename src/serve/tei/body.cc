#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "serve/tei/body_internal.h"

namespace malmoi::serve::tei {
namespace {

constexpr int kDepthMax = 127;

bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

// Recursive descent over the bytes. What fails is kept in error_ with the place that serde_json
// would name: either the bytes read so far (At) or one more, that it had looked at (Peeked).
class BodyParser {
 public:
  explicit BodyParser(Body* body) : body_(*body), bytes_(body->bytes_) {}

  Status Run() {
    if (!Value(&body_.root_, 0)) return std::move(*error_);
    Space();
    if (at_ < bytes_.size() && !Peeked("trailing characters")) return std::move(*error_);
    return Ok();
  }

 private:
  void Space() {
    while (at_ < bytes_.size() && IsSpace(bytes_[at_])) ++at_;
  }
  bool AtEnd() const { return at_ >= bytes_.size(); }
  char Next() const { return bytes_[at_]; }

  bool Fail(const char* what, std::size_t at) {
    if (!error_) error_ = body_.NotJson(path_, what, at);
    return false;
  }
  bool At(const char* what) { return Fail(what, at_); }
  bool Peeked(const char* what) { return Fail(what, std::min(at_ + 1, bytes_.size())); }

  bool Value(Node* node, int depth) {
    Space();
    if (AtEnd()) return Peeked("EOF while parsing a value");
    node->begin = at_;
    const bool ok = ValueHere(node, depth);
    node->end = at_;
    return ok;
  }

  bool ValueHere(Node* node, int depth) {
    switch (Next()) {
      case 'n':
        return Ident("null");
      case 't':
        node->kind = Node::Kind::kBool;
        node->boolean = true;
        return Ident("true");
      case 'f':
        node->kind = Node::Kind::kBool;
        return Ident("false");
      case '"':
        node->kind = Node::Kind::kString;
        return String(&node->text);
      case '[':
        node->kind = Node::Kind::kArray;
        return depth >= kDepthMax ? Peeked("recursion limit exceeded") : Array(node, depth + 1);
      case '{':
        node->kind = Node::Kind::kObject;
        return depth >= kDepthMax ? Peeked("recursion limit exceeded") : Object(node, depth + 1);
      default:
        if (Next() == '-' || IsDigit(Next())) return Number(node);
        return Peeked("expected value");
    }
  }

  bool Ident(std::string_view word) {
    for (const char c : word) {
      if (AtEnd()) return At("EOF while parsing a value");
      if (bytes_[at_++] != c) return At("expected ident");
    }
    return true;
  }

  bool Number(Node* node) {
    const std::size_t begin = at_;
    const bool negative = Next() == '-';
    if (negative) ++at_;
    if (AtEnd()) return At("EOF while parsing a value");
    const char first = bytes_[at_++];
    if (!IsDigit(first)) return At("invalid number");
    if (first == '0' && !AtEnd() && IsDigit(Next())) return Peeked("invalid number");
    while (!AtEnd() && IsDigit(Next())) ++at_;
    bool whole = true;
    if (!AtEnd() && Next() == '.') {
      whole = false;
      ++at_;
      if (AtEnd()) return Peeked("EOF while parsing a value");
      if (!IsDigit(Next())) return Peeked("invalid number");
      while (!AtEnd() && IsDigit(Next())) ++at_;
    }
    if (!AtEnd() && (Next() == 'e' || Next() == 'E')) {
      whole = false;
      ++at_;
      if (!AtEnd() && (Next() == '+' || Next() == '-')) ++at_;
      if (AtEnd()) return At("EOF while parsing a value");
      if (!IsDigit(bytes_[at_++])) return At("invalid number");
      while (!AtEnd() && IsDigit(Next())) ++at_;
    }
    return Store(bytes_.substr(begin, at_ - begin), negative, whole, node);
  }

  bool Store(std::string_view text, bool negative, bool whole, Node* node) {
    const char* end = text.data() + text.size();
    if (whole) {
      const auto read = std::from_chars(text.data() + (negative ? 1 : 0), end, node->number);
      const bool fits = read.ec == std::errc() && (!negative || node->number <= (1ull << 63));
      if (fits && !(negative && node->number == 0)) {
        node->kind = negative ? Node::Kind::kInt : Node::Kind::kUint;
        return true;
      }
    }
    node->kind = Node::Kind::kFloat;
    const auto read = std::from_chars(text.data(), end, node->real);
    // Of a value too large for a double; one too small is 0.
    if (read.ec == std::errc::result_out_of_range && node->real != 0) node->real = INFINITY;
    if (!std::isfinite(node->real)) return At("number out of range");
    return true;
  }

  bool String(std::string_view* text) {
    const std::size_t begin = ++at_;
    std::string* own = nullptr;
    std::size_t copied = begin;
    while (true) {
      while (!AtEnd() && Next() != '"' && Next() != '\\' &&
             static_cast<unsigned char>(Next()) >= 0x20) {
        ++at_;
      }
      if (AtEnd()) return At("EOF while parsing a string");
      if (Next() == '"') break;
      if (Next() != '\\') {
        ++at_;
        return At("control character (\\u0000-\\u001F) found while parsing a string");
      }
      if (own == nullptr) own = &body_.unescaped_.emplace_back();
      own->append(bytes_.substr(copied, at_ - copied));
      ++at_;
      if (!Escape(own)) return false;
      copied = at_;
    }
    if (own == nullptr) {
      *text = bytes_.substr(begin, at_ - begin);
    } else {
      own->append(bytes_.substr(copied, at_ - copied));
      *text = *own;
    }
    ++at_;
    return IsValidUtf8(*text) || At("invalid unicode code point");
  }

  bool Escape(std::string* out) {
    if (AtEnd()) return At("EOF while parsing a string");
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const char c = bytes_[at_++];
    if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
      out->push_back(kValues[i]);
      return true;
    }
    if (c != 'u') return At("invalid escape");
    unsigned first = 0, second = 0;
    if (!Hex(&first)) return false;
    if (first >= 0xDC00 && first <= 0xDFFF) return At("lone leading surrogate in hex escape");
    if (first < 0xD800 || first > 0xDBFF) {
      AppendRune(out, static_cast<char32_t>(first));
      return true;
    }
    for (const char wanted : {'\\', 'u'}) {
      if (AtEnd()) return At("EOF while parsing a string");
      if (bytes_[at_++] != wanted) return At("unexpected end of hex escape");
    }
    if (!Hex(&second)) return false;
    if (second < 0xDC00 || second > 0xDFFF) return At("lone leading surrogate in hex escape");
    AppendRune(out, static_cast<char32_t>(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)));
    return true;
  }

  bool Hex(unsigned* value) {
    if (bytes_.size() - at_ < 4) {
      at_ = bytes_.size();
      return At("EOF while parsing a string");
    }
    const char* begin = bytes_.data() + at_;
    at_ += 4;
    const auto read = std::from_chars(begin, begin + 4, *value, 16);
    return (read.ec == std::errc() && read.ptr == begin + 4) || At("invalid escape");
  }

  bool Array(Node* node, int depth) {
    ++at_;
    const std::size_t path = path_.size();
    while (true) {
      Space();
      if (AtEnd()) return Peeked("EOF while parsing a list");
      if (Next() == ']') break;
      if (!node->items.empty()) {
        if (Next() != ',') return Peeked("expected `,` or `]`");
        ++at_;
        Space();
        if (!AtEnd() && Next() == ']') return Peeked("trailing comma");
      }
      path_ += "[" + std::to_string(node->items.size()) + "]";
      if (!Value(&node->items.emplace_back(), depth)) return false;
      path_.resize(path);
    }
    ++at_;
    return true;
  }

  bool Object(Node* node, int depth) {
    ++at_;
    const std::size_t path = path_.size();
    while (true) {
      Space();
      if (AtEnd()) return Peeked("EOF while parsing an object");
      if (Next() == '}') break;
      if (!node->members.empty()) {
        if (Next() != ',') return Peeked("expected `,` or `}`");
        ++at_;
        Space();
        if (AtEnd()) return Peeked("EOF while parsing a value");
        if (Next() == '}') return Peeked("trailing comma");
      }
      if (Next() != '"') return Peeked("key must be a string");
      Node::Member& member = node->members.emplace_back();
      if (!String(&member.key)) return false;
      member.key_end = at_;
      if (path > 0) path_ += '.';
      path_ += member.key;
      Space();
      if (AtEnd()) return Peeked("EOF while parsing an object");
      if (Next() != ':') return Peeked("expected `:`");
      ++at_;
      if (!Value(&member.value, depth)) return false;
      path_.resize(path);
    }
    ++at_;
    return true;
  }

  Body& body_;
  const std::string_view bytes_;
  std::size_t at_ = 0;
  std::string path_;
  std::optional<Error> error_;
};

const Node* Node::Find(std::string_view key) const {
  for (auto it = members.rbegin(); it != members.rend(); ++it) {
    if (it->key == key) return &it->value;
  }
  return nullptr;
}

Result<Body> Body::Parse(std::string_view bytes) {
  Body body(bytes);
  MALMOI_TRY(BodyParser(&body).Run());
  return body;
}

std::string Body::Where(const std::string& path, const std::string& what, std::size_t at) const {
  if (!places_) return what;
  const std::string_view read = bytes_.substr(0, at);
  const std::size_t newline = read.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  const auto line =
      1 + std::count(read.begin(), read.begin() + static_cast<std::ptrdiff_t>(start), '\n');
  return (path.empty() ? "" : path + ": ") + what + " at line " + std::to_string(line) +
         " column " + std::to_string(at - start);
}

Error Body::Mismatch(const std::string& path, const std::string& what, std::size_t at) const {
  const char* prefix = places_ ? "Failed to deserialize the JSON body into the target type: " : "";
  return Error(Code::kInvalidArgument, prefix + Where(path, what, at));
}

Error Body::NotJson(const std::string& path, const std::string& what, std::size_t at) const {
  const char* prefix = places_ ? "Failed to parse the request body as JSON: " : "";
  return Error(Code::kCorruption, prefix + Where(path, what, at));
}

std::size_t Body::AfterEnd(std::size_t at, char close) const {
  while (at < bytes_.size() && IsSpace(bytes_[at])) ++at;
  return at < bytes_.size() && bytes_[at] == close ? at + 1 : at;
}

}  // namespace malmoi::serve::tei
