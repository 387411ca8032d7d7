#include <charconv>
#include <cmath>
#include <utility>

#include "json/writer.h"
#include "serve/tei/fields_internal.h"

namespace malmoi::serve::tei {
namespace {

std::string RealText(double value) {
  char text[40];
  std::string out(text, std::to_chars(text, text + sizeof(text), value).ptr);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  if (const std::size_t plus = out.find("e+"); plus != std::string::npos) out.erase(plus + 1, 1);
  return out;
}

std::string Describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kBool:
      return node.boolean ? "boolean `true`" : "boolean `false`";
    case Node::Kind::kUint:
      return "integer `" + std::to_string(node.number) + "`";
    case Node::Kind::kInt:
      return "integer `-" + std::to_string(node.number) + "`";
    case Node::Kind::kFloat:
      return "floating point `" + RealText(node.real) + "`";
    case Node::Kind::kString:
      return "string " + json::Quote(node.text);
    case Node::Kind::kArray:
      return "sequence";
    case Node::Kind::kObject:
      return "map";
  }
  return "value";
}

// Scalars were read when they did not fit; lists and objects had only been looked at.
std::size_t ReadUpTo(const Node& node) {
  const bool open = node.kind == Node::Kind::kArray || node.kind == Node::Kind::kObject;
  return open ? node.begin : node.end;
}

Field* FindField(std::span<Field> fields, std::string_view name) {
  for (Field& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

}  // namespace

Error WrongType(const Node& node, const Place& place, const char* expected) {
  return place.body.Mismatch(
      place.path, "invalid type: " + Describe(node) + ", expected " + expected, ReadUpTo(node));
}

Error NoVariant(const Node& node, const Place& place, const char* type) {
  return place.body.Mismatch(place.path,
                             std::string("data did not match any variant of untagged enum ") + type,
                             place.body.AfterEnd(node.end, '}'));
}

Status ReadObject(const Node& node, const Place& place, const char* type, std::span<Field> fields) {
  if (node.kind != Node::Kind::kObject) return WrongType(node, place, type);
  for (const Node::Member& member : node.members) {
    Field* field = FindField(fields, member.key);
    if (field == nullptr) continue;
    if (std::exchange(field->seen, true)) {
      return place.body.Mismatch(place.path, "duplicate field `" + std::string(field->name) + "`",
                                 place.body.AfterEnd(member.key_end, '}'));
    }
    std::string path = place.path.empty() ? std::string() : place.path + ".";
    MALMOI_TRY(field->read(member.value, {place.body, path + std::string(member.key)}));
  }
  for (const Field& field : fields) {
    if (field.required && !field.seen) {
      return place.body.Mismatch(place.path, "missing field `" + std::string(field.name) + "`",
                                 node.end);
    }
  }
  return Ok();
}

Field BoolField(std::string_view name, bool* to) {
  return {name, false, [to](const Node& node, const Place& place) -> Status {
            if (node.kind != Node::Kind::kBool) return WrongType(node, place, "a boolean");
            *to = node.boolean;
            return Ok();
          }};
}

Field OptionalBoolField(std::string_view name, std::optional<bool>* to) {
  return {name, false, [to](const Node& node, const Place& place) -> Status {
            if (node.kind == Node::Kind::kNull) return Ok();
            if (node.kind != Node::Kind::kBool) return WrongType(node, place, "a boolean");
            *to = node.boolean;
            return Ok();
          }};
}

Field OptionalSizeField(std::string_view name, std::optional<std::uint64_t>* to) {
  return {name, false, [to](const Node& node, const Place& place) -> Status {
            if (node.kind == Node::Kind::kNull) return Ok();
            if (node.kind == Node::Kind::kInt) {
              return place.body.Mismatch(
                  place.path, "invalid value: " + Describe(node) + ", expected usize", node.end);
            }
            if (node.kind != Node::Kind::kUint) return WrongType(node, place, "usize");
            *to = node.number;
            return Ok();
          }};
}

Field OptionalTextField(std::string_view name, std::optional<std::string>* to) {
  return {name, false, [to](const Node& node, const Place& place) -> Status {
            if (node.kind == Node::Kind::kNull) return Ok();
            if (node.kind != Node::Kind::kString) return WrongType(node, place, "a string");
            *to = node.text;
            return Ok();
          }};
}

Field TextField(std::string_view name, std::string_view* to) {
  return {name, true, [to](const Node& node, const Place& place) -> Status {
            if (node.kind != Node::Kind::kString) return WrongType(node, place, "a string");
            *to = node.text;
            return Ok();
          }};
}

Field TextsField(std::string_view name, std::vector<std::string_view>* to) {
  return {name, true, [to](const Node& node, const Place& place) -> Status {
            if (node.kind != Node::Kind::kArray) return WrongType(node, place, "a sequence");
            to->clear();
            for (const Node& item : node.items) {
              if (item.kind != Node::Kind::kString) {
                const std::string path = place.path + "[" + std::to_string(to->size()) + "]";
                return WrongType(item, {place.body, path}, "a string");
              }
              to->push_back(item.text);
            }
            return Ok();
          }};
}

Result<std::size_t> ReadChoice(const Node& node, const Place& place,
                               std::span<const std::string_view> choices) {
  if (node.kind != Node::Kind::kString) {
    return place.body.NotJson(place.path, "expected value", node.begin + 1);
  }
  std::string known;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == node.text) return i;
    known += (i == 0 ? "`" : choices.size() == 2 ? " or `" : ", `") + std::string(choices[i]) + "`";
  }
  return place.body.Mismatch(place.path,
                             "unknown variant `" + std::string(node.text) + "`, expected " +
                                 (choices.size() > 2 ? "one of " : "") + known,
                             node.end);
}

Field DirectionField(bool* cut_left) {
  return {"truncation_direction", false,
          [cut_left](const Node& node, const Place& place) -> Status {
            static constexpr std::string_view kChoices[] = {"Left", "left", "Right", "right"};
            MALMOI_TRY(const std::size_t choice, ReadChoice(node, place, kChoices));
            *cut_left = choice < 2;
            return Ok();
          }};
}

Field ModelField(std::string_view* to) {
  return {"model", false, [to](const Node& node, const Place&) -> Status {
            if (node.kind == Node::Kind::kString) *to = node.text;
            return Ok();
          }};
}

}  // namespace malmoi::serve::tei
