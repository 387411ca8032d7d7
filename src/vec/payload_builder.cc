#include "vec/payload_builder.h"

#include <cstring>

#include "base/bytes.h"
#include "json/scanner.h"
#include "vec/packed_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kNamesMax = 32;  // Of one object: names are compared with one another.
constexpr int kDepthMax = 64;

void PutTag(std::string* out, Packed::Tag tag) {
  *out += static_cast<char>(tag);
}

void PutText(std::string* out, std::string_view text) {
  std::size_t n = text.size();
  for (; n >= 128; n >>= 7) *out += static_cast<char>(n | 128);
  *out += static_cast<char>(n);
  out->append(text);
}

using json::Scanner;

bool PackValue(Scanner& in, PayloadBuilder* out, int depth);

bool PackMembers(Scanner& in, PayloadBuilder* out, int depth) {
  std::string_view names[kNamesMax];
  std::size_t count = 0;
  out->BeginObject();
  if (!in.Take('{')) return false;
  if (!in.Peek('}')) {
    do {
      std::string_view name;
      if (count == kNamesMax || !in.PlainString(&name) || !in.Take(':')) return false;
      for (std::size_t i = 0; i < count; ++i) {
        if (names[i] == name) return false;
      }
      names[count++] = name;
      out->Key(name);
      if (!PackValue(in, out, depth + 1)) return false;
    } while (in.Take(','));
  }
  out->EndObject();
  return in.Take('}');
}

bool PackItems(Scanner& in, PayloadBuilder* out, int depth) {
  out->BeginArray();
  if (!in.Take('[')) return false;
  if (!in.Peek(']')) {
    do {
      if (!PackValue(in, out, depth + 1)) return false;
    } while (in.Take(','));
  }
  out->EndArray();
  return in.Take(']');
}

bool PackValue(Scanner& in, PayloadBuilder* out, int depth) {
  if (depth > kDepthMax) return false;
  if (in.Peek('{')) return PackMembers(in, out, depth);
  if (in.Peek('[')) return PackItems(in, out, depth);
  if (in.Peek('"')) {
    std::string_view text;
    if (!in.PlainString(&text)) return false;
    out->Put(text);
    return true;
  }
  Scanner::Scalar kind = Scanner::Scalar::kNull;
  std::int64_t integer = 0;
  double number = 0;
  if (!in.Plain(&kind, &integer, &number)) return false;
  if (kind == Scanner::Scalar::kNull) {
    out->PutNull();
  } else if (kind == Scanner::Scalar::kInt) {
    out->Put(integer);
  } else if (kind == Scanner::Scalar::kDouble) {
    out->Put(number);
  } else {
    out->Put(kind == Scanner::Scalar::kTrue);
  }
  return true;
}

}  // namespace

bool PackPlain(std::string_view json, std::string* out) {
  Scanner in(json);
  PayloadBuilder builder;
  if (!in.Peek('{') || !PackMembers(in, &builder, 0) || !in.AtEnd()) return false;
  *out = builder.Take();
  return true;
}

PayloadBuilder& PayloadBuilder::Begin(char tag) {
  if (out_.empty()) out_.reserve(128);
  out_ += tag;
  open_.push_back(out_.size());
  malmoi::Put<std::uint32_t>(&out_, 0);
  return *this;
}

PayloadBuilder& PayloadBuilder::End() {
  const std::size_t at = open_.back();
  open_.pop_back();
  const auto size = static_cast<std::uint32_t>(out_.size() - at - 4);
  std::memcpy(out_.data() + at, &size, 4);
  return *this;
}

PayloadBuilder& PayloadBuilder::Key(std::string_view name) {
  PutText(&out_, name);
  return *this;
}

PayloadBuilder& PayloadBuilder::PutNull() {
  PutTag(&out_, Packed::Tag::kNull);
  return *this;
}

PayloadBuilder& PayloadBuilder::Put(bool value) {
  PutTag(&out_, value ? Packed::Tag::kTrue : Packed::Tag::kFalse);
  return *this;
}

PayloadBuilder& PayloadBuilder::Put(std::int64_t value) {
  PutTag(&out_, Packed::Tag::kInt);
  malmoi::Put(&out_, value);
  return *this;
}

PayloadBuilder& PayloadBuilder::Put(double value) {
  PutTag(&out_, Packed::Tag::kDouble);
  malmoi::Put(&out_, value);
  return *this;
}

PayloadBuilder& PayloadBuilder::Put(std::string_view value) {
  PutTag(&out_, Packed::Tag::kString);
  PutText(&out_, value);
  return *this;
}

}  // namespace malmoi::vec
