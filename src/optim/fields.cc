#include "optim/fields.h"

#include <cmath>
#include <limits>

#include "base/strings.h"

namespace malmoi::optim {
namespace {

json::Value NumberOrNull(double v) {
  if (std::isnan(v)) return {};
  // JSON has no infinity; AsNumber reads this text.
  if (std::isinf(v)) return json::Value::String(v > 0 ? "inf" : "-inf");
  return json::Value::Double(v);
}

// Python writes infinities as text in JSON-like dumps.
std::optional<double> AsNumber(const json::Value& value) {
  if (const auto b = value.AsBool()) return *b ? 1.0 : 0.0;
  if (const auto s = value.AsString()) {
    if (*s == "inf") return std::numeric_limits<double>::infinity();
    if (*s == "-inf") return -std::numeric_limits<double>::infinity();
    return std::nullopt;
  }
  return value.AsDouble();
}

Error Wrong(std::string_view name, const json::Value& value, std::string_view wanted) {
  return Error(Code::kInvalidArgument, "option '" + std::string(name) + "' = " + value.Dump() +
                                           ": expected " + std::string(wanted));
}

bool IsChoice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    choices = bar == std::string_view::npos ? std::string_view() : choices.substr(bar + 1);
  }
  return false;
}

// Null is the empty text where that is a choice.
std::optional<std::string_view> TextOf(const json::Value& value, std::string_view choices) {
  if (value.is_null() && choices.starts_with('|')) return "";
  return value.AsString();
}

}  // namespace

bool Fields::Has(std::string_view name) const {
  for (const Field& f : fields_) {
    if (f.name == name) return true;
  }
  return false;
}

std::vector<std::string> Fields::Names() const {
  std::vector<std::string> out;
  for (const Field& f : fields_) out.emplace_back(f.name);
  return out;
}

Status Fields::Set(std::string_view name, const json::Value& value) {
  const Field* field = nullptr;
  for (const Field& f : fields_) {
    if (f.name == name) field = &f;
  }
  if (field == nullptr) {
    std::string known;
    for (const Field& f : fields_) known += (known.empty() ? "" : ", ") + std::string(f.name);
    return Error(Code::kInvalidArgument,
                 "no option '" + std::string(name) + "'; there are: " + known);
  }
  switch (field->kind) {
    case Kind::kNumber: {
      const auto v = AsNumber(value);
      if (!v) return Wrong(name, value, "a number");
      *static_cast<double*>(field->target) = *v;
      return Ok();
    }
    case Kind::kFlag: {
      const auto v = AsNumber(value);
      if (!v && !value.is_null()) return Wrong(name, value, "true or false");
      *static_cast<bool*>(field->target) = v.value_or(0) != 0;
      return Ok();
    }
    case Kind::kInteger: {
      const auto v = AsNumber(value);
      if (!v || *v != std::floor(*v) || std::fabs(*v) > 9e15)
        return Wrong(name, value, "an integer");
      *static_cast<std::int64_t*>(field->target) = static_cast<std::int64_t>(*v);
      return Ok();
    }
    case Kind::kOptional: {
      const auto v = AsNumber(value);
      if (!v && !value.is_null()) return Wrong(name, value, "a number or null");
      *static_cast<std::optional<double>*>(field->target) = v;
      return Ok();
    }
    case Kind::kFree:
    case Kind::kList: {
      auto& list = *static_cast<std::vector<double>*>(field->target);
      if (!value.is_array() || value.items().empty() || value.items().size() > 64) {
        return Wrong(name, value, "a list of numbers");
      }
      if (field->kind == Kind::kList && value.items().size() != list.size()) {
        return Wrong(name, value, std::to_string(list.size()) + " numbers");
      }
      std::vector<double> out;
      for (const json::Value& item : value.items()) {
        const auto v = AsNumber(item);
        if (!v && !item.is_null()) return Wrong(name, value, "a list of numbers");
        out.push_back(v.value_or(std::numeric_limits<double>::quiet_NaN()));
      }
      list = std::move(out);
      return Ok();
    }
    case Kind::kText: {
      const auto v = TextOf(value, field->choices);
      if (!v) return Wrong(name, value, "text");
      if (*field->choices != 0 && !IsChoice(field->choices, *v)) {
        return Wrong(name, value, std::string("one of ") + field->choices);
      }
      *static_cast<std::string*>(field->target) = std::string(*v);
      return Ok();
    }
    case Kind::kAny:
      *static_cast<json::Value*>(field->target) = value;
      return Ok();
  }
  return Ok();
}

json::Value Fields::Read(const Field& field) {
  switch (field.kind) {
    case Kind::kNumber:
      return NumberOrNull(*static_cast<double*>(field.target));
    case Kind::kFlag:
      return json::Value::Bool(*static_cast<bool*>(field.target));
    case Kind::kInteger:
      return json::Value::Int(*static_cast<std::int64_t*>(field.target));
    case Kind::kOptional: {
      const auto& v = *static_cast<std::optional<double>*>(field.target);
      return v ? json::Value::Double(*v) : json::Value();
    }
    case Kind::kFree:
    case Kind::kList: {
      std::vector<json::Value> items;
      for (const double v : *static_cast<std::vector<double>*>(field.target)) {
        items.push_back(NumberOrNull(v));
      }
      return json::Value::Array(std::move(items));
    }
    case Kind::kText:
      return json::Value::String(*static_cast<std::string*>(field.target));
    case Kind::kAny:
      return *static_cast<json::Value*>(field.target);
  }
  return {};
}

json::Value Fields::Get(std::string_view name) const {
  for (const Field& f : fields_) {
    if (f.name == name) return Read(f);
  }
  return {};
}

json::Value Fields::All() const {
  std::vector<json::Value::Member> members;
  for (const Field& f : fields_) members.emplace_back(f.name, Read(f));
  return json::Value::Object(std::move(members));
}

}  // namespace malmoi::optim
