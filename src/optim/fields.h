#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::optim {

// A rule's hyper-parameters (or its group-level state), bound to members by name, so that one list
// serves for setting, reading, validating and documenting them:
//
//   void Bind(Fields& f) override { f("lr", lr)("betas", betas)("amsgrad", amsgrad); }
//
// Names and defaults are pytorch-optimizer's. A std::optional<double> or an element of a list that
// is NaN stands for Python's None.
class Fields {
 public:
  Fields& operator()(const char* name, double& v) { return Add(name, Kind::kNumber, &v); }
  Fields& operator()(const char* name, bool& v) { return Add(name, Kind::kFlag, &v); }
  Fields& operator()(const char* name, std::int64_t& v) { return Add(name, Kind::kInteger, &v); }
  Fields& operator()(const char* name, std::optional<double>& v) {
    return Add(name, Kind::kOptional, &v);
  }
  Fields& operator()(const char* name, std::vector<double>& v) {
    return Add(name, Kind::kList, &v);
  }
  // A list of any length; the lists above keep the length that they have.
  Fields& Free(const char* name, std::vector<double>& v) { return Add(name, Kind::kFree, &v); }
  // `choices`: "a|b|c"; empty for free text.
  Fields& operator()(const char* name, std::string& v, const char* choices = "") {
    return Add(name, Kind::kText, &v, choices);
  }
  Fields& operator()(const char* name, json::Value& v) { return Add(name, Kind::kAny, &v); }

  bool Has(std::string_view name) const;
  std::vector<std::string> Names() const;
  // Errors: kInvalidArgument naming the option, the value and what is accepted.
  Status Set(std::string_view name, const json::Value& value);
  json::Value Get(std::string_view name) const;
  json::Value All() const;  // An object.

 private:
  enum class Kind : std::uint8_t { kNumber, kFlag, kInteger, kOptional, kList, kFree, kText, kAny };
  struct Field {
    const char* name;
    Kind kind;
    void* target;
    const char* choices;
  };
  Fields& Add(const char* name, Kind kind, void* target, const char* choices = "") {
    if (!Has(name)) fields_.push_back({name, kind, target, choices});
    return *this;
  }
  static json::Value Read(const Field& field);
  std::vector<Field> fields_;
};

}  // namespace malmoi::optim
