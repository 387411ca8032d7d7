#include <algorithm>

#include "json/value.h"
#include "vec/nested_index_internal.h"

namespace malmoi::vec {
namespace {

// Where the first "[]." outside of quotes is; npos: nowhere.
std::size_t FirstEach(std::string_view key) {
  bool quoted = false;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key[i] == '"') quoted = !quoted;
    if (!quoted && key.substr(i).starts_with("[].")) return i;
  }
  return key.npos;
}

Error Invalid(const std::string& what) {
  return Error(Code::kInvalidArgument, "Validation failed: " + what);
}

}  // namespace

Result<std::optional<NestedIndex>> NestedOf(const std::string& key,
                                            const PayloadIndexParams& params) {
  if (params.settings.find("\"nested\"") == std::string::npos) return std::optional<NestedIndex>();
  MALMOI_TRY(const auto settings, json::Parse(params.settings));
  const json::Value* given = settings.Find("nested");
  const auto text = given == nullptr ? std::nullopt : given->AsString();
  if (!text) return std::optional<NestedIndex>();
  std::string array(*text);
  if (array.ends_with("[]")) array.resize(array.size() - 2);
  MALMOI_TRY(auto path, ParsePath(array));
  if (std::any_of(path.begin(), path.end(),
                  [](const PathStep& s) { return s.kind != PathStep::Kind::kKey; })) {
    return Invalid("nested `" + array +
                   "[]` must point to a single array level, like `offers` or " + "`offers[]`");
  }
  path.push_back({.kind = PathStep::Kind::kEach});
  MALMOI_TRY(const auto field, ParsePath(key));
  const std::size_t each = FirstEach(key);
  if (each == key.npos || field.size() <= path.size() ||
      !std::equal(path.begin(), path.end(), field.begin())) {
    return Invalid("field `" + key + "` must be inside the elements of nested `" + array +
                   "[]`, like `" + array + "[].price`");
  }
  return std::optional<NestedIndex>({.array = array, .rest = key.substr(each + 3)});
}

}  // namespace malmoi::vec
