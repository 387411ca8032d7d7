#include "json/writer.h"

#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "json/value.h"

namespace malmoi::json {
namespace {

void AppendEscaped(std::string* out, std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c >= 0x80) {
      const Rune r = DecodeRune(s, i);
      r.valid ? void(out->append(s.substr(i, r.size))) : AppendRune(out, r.value);
      i += r.size;
      continue;
    }
    ++i;
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        if (c >= 0x20) {
          *out += static_cast<char>(c);
        } else {
          *out += "\\u00";
          *out += kHex[c >> 4];
          *out += kHex[c & 15];
        }
    }
  }
}

template <class T>
void AppendNumber(std::string* out, T value) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  char text[64];
  out->append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace

void Writer::Comma() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_item_.empty()) return;
  if (has_item_.back()) out_ += ',';
  has_item_.back() = true;
}

Writer& Writer::BeginObject() {
  Comma();
  out_ += '{';
  has_item_.push_back(false);
  return *this;
}
Writer& Writer::EndObject() {
  has_item_.pop_back();
  out_ += '}';
  return *this;
}
Writer& Writer::BeginArray() {
  Comma();
  out_ += '[';
  has_item_.push_back(false);
  return *this;
}
Writer& Writer::EndArray() {
  has_item_.pop_back();
  out_ += ']';
  return *this;
}
Writer& Writer::Key(std::string_view key) {
  Put(key);
  out_ += ':';
  after_key_ = true;
  return *this;
}
Writer& Writer::Put(std::string_view s) {
  Comma();
  out_ += '"';
  AppendEscaped(&out_, s);
  out_ += '"';
  return *this;
}
Writer& Writer::Put(bool b) {
  return PutRaw(b ? "true" : "false");
}
Writer& Writer::Put(float f) {
  Comma();
  AppendNumber(&out_, f);
  return *this;
}
Writer& Writer::Put(double d) {
  Comma();
  const std::size_t begin = out_.size();
  AppendNumber(&out_, d);
  // Without a fraction it would be an integer: past 64 bits Parse refuses it, and there is no -0.
  const bool not_integer = std::fabs(d) >= 0x1p63 || (d == 0 && std::signbit(d));
  if (not_integer && std::isfinite(d) && out_.find_first_of(".e", begin) == std::string::npos) {
    out_ += ".0";
  }
  return *this;
}
Writer& Writer::PutInteger(std::int64_t bits, bool is_unsigned) {
  return PutRaw(is_unsigned ? std::to_string(static_cast<std::uint64_t>(bits))
                            : std::to_string(bits));
}
Writer& Writer::PutNull() {
  return PutRaw("null");
}
Writer& Writer::PutRaw(std::string_view json) {
  Comma();
  out_ += json;
  return *this;
}

Writer& Writer::Put(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return PutNull();
    case Value::Kind::kBool:
      return Put(*value.AsBool());
    case Value::Kind::kInt:
      return Put(*value.AsInt());
    case Value::Kind::kUint:
      return Put(*value.AsUint());
    case Value::Kind::kDouble: {
      const std::size_t begin = out_.size();
      Put(*value.AsDouble());
      // Stays a double when it is read again: 4.0 is no integer.
      if (out_.find_first_not_of("-0123456789,", begin) == std::string::npos) out_ += ".0";
      return *this;
    }
    case Value::Kind::kString:
      return Put(*value.AsString());
    case Value::Kind::kArray:
      BeginArray();
      for (const Value& item : value.items()) Put(item);
      return EndArray();
    case Value::Kind::kObject:
      BeginObject();
      for (const auto& [key, item] : value.members()) Key(key).Put(item);
      return EndObject();
  }
  return *this;
}

std::string Quote(std::string_view s) {
  std::string out = "\"";
  AppendEscaped(&out, s);
  return out += '"';
}

}  // namespace malmoi::json
