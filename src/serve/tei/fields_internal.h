#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/tei/body_internal.h"

namespace malmoi::serve::tei {

// Where a value stands, for messages.
struct Place {
  const Body& body;
  std::string path;
};

// One member of an object and what reads it.
struct Field {
  std::string_view name;
  bool required;
  std::function<Status(const Node& value, const Place& place)> read;
  bool seen = false;
};

// Reads an object's members in their order. Errors as serde's derived readers give them: a repeated
// member, a missing one, and those of the fields. `type`: "struct EmbedRequest".
Status ReadObject(const Node& node, const Place& place, const char* type, std::span<Field> fields);

// "invalid type: integer `5`, expected a boolean".
Error WrongType(const Node& node, const Place& place, const char* expected);
// What is found only after the value was read whole, such as an untagged choice.
Error NoVariant(const Node& node, const Place& place, const char* type);

// Fields of the common types. The target outlives the field; "optional" ones take null.
Field BoolField(std::string_view name, bool* to);
Field OptionalBoolField(std::string_view name, std::optional<bool>* to);
Field OptionalSizeField(std::string_view name, std::optional<std::uint64_t>* to);
Field OptionalTextField(std::string_view name, std::optional<std::string>* to);
Field TextField(std::string_view name, std::string_view* to);                // Required.
Field TextsField(std::string_view name, std::vector<std::string_view>* to);  // Required.
Field DirectionField(bool* cut_left);  // "truncation_direction"
// Ours: a string, or anything else, which is ignored.
Field ModelField(std::string_view* to);

// The value of a string or one of the choices. Errors: "unknown variant".
Result<std::size_t> ReadChoice(const Node& node, const Place& place,
                               std::span<const std::string_view> choices);

}  // namespace malmoi::serve::tei
