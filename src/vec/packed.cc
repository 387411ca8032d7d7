#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"
#include "json/writer.h"
#include "vec/packed_internal.h"

namespace malmoi::vec {
namespace {

constexpr int kDepthMax = 1024;

void PutVarint(std::string* out, std::uint64_t n) {
  while (n >= 128) {
    *out += static_cast<char>(n | 128);
    n >>= 7;
  }
  *out += static_cast<char>(n);
}

std::uint64_t TakeVarint(std::string_view* rest) {
  std::uint64_t n = 0;
  for (int shift = 0; !rest->empty() && shift < 35; shift += 7) {
    const auto byte = static_cast<unsigned char>(rest->front());
    rest->remove_prefix(1);
    n |= static_cast<std::uint64_t>(byte & 127) << shift;
    if (byte < 128) return n;
  }
  *rest = {};
  return 0;
}

void PutTag(std::string* out, Packed::Tag tag) {
  *out += static_cast<char>(tag);
}

// Calls fill, then writes the length of what it appended before it.
template <class Fill>
void PutContainer(std::string* out, Packed::Tag tag, const Fill& fill) {
  PutTag(out, tag);
  const std::size_t at = out->size();
  Put<std::uint32_t>(out, 0);
  fill();
  const auto size = static_cast<std::uint32_t>(out->size() - at - 4);
  std::memcpy(out->data() + at, &size, 4);
}

// The members of an object without those that a later one of the same name replaces.
class LastMembers {
 public:
  explicit LastMembers(const json::Value& object) : object_(object) {
    if (object.members().size() <= kFew) return;
    for (const auto& member : object.members()) by_name_[member.first] = &member;
  }
  bool Has(const json::Value::Member* member) const {
    if (by_name_.empty()) return object_.Find(member->first) == &member->second;
    return by_name_.at(member->first) == member;
  }

 private:
  static constexpr std::size_t kFew = 32;
  const json::Value& object_;
  std::unordered_map<std::string_view, const json::Value::Member*> by_name_;
};

void Write(const Packed& value, json::Writer* out) {
  switch (value.tag()) {
    case Packed::Tag::kNull:
      out->PutNull();
      return;
    case Packed::Tag::kFalse:
    case Packed::Tag::kTrue:
      out->Put(value.tag() == Packed::Tag::kTrue);
      return;
    case Packed::Tag::kString:
      out->Put(*value.AsString());
      return;
    case Packed::Tag::kDouble:
      out->Put(json::Value::Double(*value.AsDouble()));
      return;
    case Packed::Tag::kArray:
      out->BeginArray();
      value.AnyItem([&](const Packed& item) {
        Write(item, out);
        return false;
      });
      out->EndArray();
      return;
    case Packed::Tag::kObject:
      out->BeginObject();
      value.AnyMember([&](std::string_view name, const Packed& member) {
        out->Key(name);
        Write(member, out);
        return false;
      });
      out->EndObject();
      return;
    default:
      out->Put(Unpack(value));
  }
}

bool Check(std::string_view* rest, int depth);

bool CheckText(std::string_view* rest) {
  const std::uint64_t n = TakeVarint(rest);
  if (n > rest->size()) return false;
  rest->remove_prefix(n);
  return true;
}

bool CheckContainer(std::string_view* rest, bool object, int depth) {
  if (rest->size() < 4) return false;
  const auto size = Load<std::uint32_t>(rest->data());
  if (size > rest->size() - 4) return false;
  std::string_view body = rest->substr(4, size);
  rest->remove_prefix(4 + static_cast<std::size_t>(size));
  while (!body.empty()) {
    if (object && !CheckText(&body)) return false;
    if (!Check(&body, depth + 1)) return false;
  }
  return true;
}

bool Check(std::string_view* rest, int depth) {
  if (rest->empty() || depth > kDepthMax) return false;
  const auto tag = static_cast<Packed::Tag>(rest->front());
  rest->remove_prefix(1);
  switch (tag) {
    case Packed::Tag::kNull:
    case Packed::Tag::kFalse:
    case Packed::Tag::kTrue:
      return true;
    case Packed::Tag::kInt:
    case Packed::Tag::kUint:
    case Packed::Tag::kDouble:
      if (rest->size() < 8) return false;
      rest->remove_prefix(8);
      return true;
    case Packed::Tag::kString:
      // An empty varint reads as 0 with nothing left, which only the end of the bytes gives.
      return !rest->empty() && CheckText(rest);
    case Packed::Tag::kArray:
    case Packed::Tag::kObject:
      return CheckContainer(rest, tag == Packed::Tag::kObject, depth);
  }
  return false;
}

}  // namespace

std::string_view Packed::TakeText(std::string_view* rest) {
  const std::uint64_t n = std::min<std::uint64_t>(TakeVarint(rest), rest->size());
  const std::string_view out = rest->substr(0, n);
  rest->remove_prefix(n);
  return out;
}

Packed Packed::Take(std::string_view* rest) {
  Packed out;
  if (rest->empty()) return out;
  const auto tag = static_cast<Tag>(rest->front());
  rest->remove_prefix(1);
  std::size_t size = 0;
  if (tag == Tag::kInt || tag == Tag::kUint || tag == Tag::kDouble) {
    size = 8;
  } else if (tag == Tag::kString) {
    size = TakeVarint(rest);
  } else if (tag == Tag::kArray || tag == Tag::kObject) {
    if (rest->size() < 4) {
      *rest = {};
      return out;
    }
    size = malmoi::Load<std::uint32_t>(rest->data());
    rest->remove_prefix(4);
  } else if (tag > Tag::kObject) {
    *rest = {};
    return out;
  }
  if (size > rest->size()) {
    *rest = {};
    return out;
  }
  out.tag_ = tag;
  out.body_ = rest->substr(0, size);
  rest->remove_prefix(size);
  return out;
}

std::optional<bool> Packed::AsBool() const {
  if (tag_ != Tag::kTrue && tag_ != Tag::kFalse) return std::nullopt;
  return tag_ == Tag::kTrue;
}

std::optional<std::int64_t> Packed::AsInt() const {
  if (tag_ != Tag::kInt) return std::nullopt;
  return malmoi::Load<std::int64_t>(body_.data());
}

std::uint64_t Packed::AsUint() const {
  return tag_ == Tag::kUint ? malmoi::Load<std::uint64_t>(body_.data()) : 0;
}

std::optional<double> Packed::AsDouble() const {
  if (tag_ == Tag::kInt) return static_cast<double>(malmoi::Load<std::int64_t>(body_.data()));
  if (tag_ == Tag::kUint) return static_cast<double>(malmoi::Load<std::uint64_t>(body_.data()));
  if (tag_ == Tag::kDouble) return malmoi::Load<double>(body_.data());
  return std::nullopt;
}

std::optional<std::string_view> Packed::AsString() const {
  if (tag_ != Tag::kString) return std::nullopt;
  return body_;
}

std::optional<Packed> Packed::Find(std::string_view key) const {
  std::optional<Packed> out;
  AnyMember([&](std::string_view name, const Packed& member) {
    if (name != key) return false;
    out = member;
    return true;
  });
  return out;
}

void Pack(const json::Value& value, std::string* out) {
  using Kind = json::Value::Kind;
  switch (value.kind()) {
    case Kind::kNull:
      return PutTag(out, Packed::Tag::kNull);
    case Kind::kBool:
      return PutTag(out, *value.AsBool() ? Packed::Tag::kTrue : Packed::Tag::kFalse);
    case Kind::kInt:
      PutTag(out, Packed::Tag::kInt);
      return Put(out, *value.AsInt());
    case Kind::kUint:
      PutTag(out, Packed::Tag::kUint);
      return Put(out, *value.AsUint());
    case Kind::kDouble:
      PutTag(out, Packed::Tag::kDouble);
      return Put(out, *value.AsDouble());
    case Kind::kString:
      PutTag(out, Packed::Tag::kString);
      PutVarint(out, value.AsString()->size());
      out->append(*value.AsString());
      return;
    case Kind::kArray:
      return PutContainer(out, Packed::Tag::kArray, [&] {
        for (const auto& item : value.items()) Pack(item, out);
      });
    case Kind::kObject:
      return PutContainer(out, Packed::Tag::kObject, [&] {
        const LastMembers last(value);
        for (const auto& member : value.members()) {
          if (!last.Has(&member)) continue;
          PutVarint(out, member.first.size());
          out->append(member.first);
          Pack(member.second, out);
        }
      });
  }
}

json::Value Unpack(const Packed& value) {
  using json::Value;
  switch (value.tag()) {
    case Packed::Tag::kNull:
      return Value();
    case Packed::Tag::kFalse:
    case Packed::Tag::kTrue:
      return Value::Bool(value.tag() == Packed::Tag::kTrue);
    case Packed::Tag::kInt:
      return Value::Int(*value.AsInt());
    case Packed::Tag::kUint:
      return Value::Uint(value.AsUint());
    case Packed::Tag::kDouble:
      return Value::Double(*value.AsDouble());
    case Packed::Tag::kString:
      return Value::String(std::string(*value.AsString()));
    case Packed::Tag::kArray: {
      std::vector<Value> items;
      value.AnyItem([&](const Packed& item) {
        items.push_back(Unpack(item));
        return false;
      });
      return Value::Array(std::move(items));
    }
    case Packed::Tag::kObject: {
      std::vector<Value::Member> members;
      value.AnyMember([&](std::string_view name, const Packed& member) {
        members.emplace_back(name, Unpack(member));
        return false;
      });
      return Value::Object(std::move(members));
    }
  }
  return Value();
}

std::string DumpPacked(const Packed& value) {
  json::Writer out;
  Write(value, &out);
  return std::move(out).Take();
}

bool IsPacked(std::string_view bytes) {
  return Check(&bytes, 0) && bytes.empty();
}

}  // namespace malmoi::vec
