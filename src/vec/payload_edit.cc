#include <algorithm>
#include <optional>

#include "vec/payload_edit_internal.h"

namespace malmoi::vec {
namespace {

using json::Value;
using Members = std::vector<Value::Member>;
using Path = std::span<const PathStep>;

Value WithMember(const Value& object, const std::string& key, std::optional<Value> value) {
  Members members = object.members();
  const auto it =
      std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == key; });
  if (!value) {
    if (it != members.end()) members.erase(it);
  } else if (it != members.end()) {
    it->second = std::move(*value);
  } else {
    members.emplace_back(key, std::move(*value));
  }
  return Value::Object(std::move(members));
}

bool Wanted(const PathStep& step, std::size_t i) {
  return step.kind == PathStep::Kind::kEach || step.index == i;
}

Value Drop(const Value& value, Path path) {
  const PathStep& step = path.front();
  const Path rest = path.subspan(1);
  if (step.kind == PathStep::Kind::kKey) {
    const Value* next = value.Find(step.key);
    if (next == nullptr) return value;
    if (rest.empty()) return WithMember(value, step.key, std::nullopt);
    return WithMember(value, step.key, Drop(*next, rest));
  }
  if (!value.is_array()) return value;
  if (rest.empty()) return step.kind == PathStep::Kind::kEach ? Value::Array({}) : value;
  std::vector<Value> items = value.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (Wanted(step, i)) items[i] = Drop(items[i], rest);
  }
  return Value::Array(std::move(items));
}

std::optional<Value> Keep(const Value& value, const std::vector<Path>& paths);

std::optional<Value> KeepObject(const Value& value, const std::vector<Path>& paths) {
  Members out;
  for (const auto& [name, member] : value.members()) {
    std::vector<Path> below;
    for (const Path path : paths) {
      if (path.front().kind == PathStep::Kind::kKey && path.front().key == name) {
        below.push_back(path.subspan(1));
      }
    }
    if (below.empty()) continue;
    if (auto kept = Keep(member, below)) out.emplace_back(name, std::move(*kept));
  }
  if (out.empty()) return std::nullopt;
  return Value::Object(std::move(out));
}

std::optional<Value> KeepArray(const Value& value, const std::vector<Path>& paths) {
  std::vector<Value> out;
  for (std::size_t i = 0; i < value.items().size(); ++i) {
    std::vector<Path> below;
    for (const Path path : paths) {
      if (path.front().kind != PathStep::Kind::kKey && Wanted(path.front(), i)) {
        below.push_back(path.subspan(1));
      }
    }
    if (below.empty()) continue;
    if (auto kept = Keep(value.items()[i], below)) out.push_back(std::move(*kept));
  }
  if (out.empty()) return std::nullopt;
  return Value::Array(std::move(out));
}

std::optional<Value> Keep(const Value& value, const std::vector<Path>& paths) {
  if (std::any_of(paths.begin(), paths.end(), [](const Path p) { return p.empty(); })) return value;
  if (value.is_object()) return KeepObject(value, paths);
  if (value.is_array()) return KeepArray(value, paths);
  return std::nullopt;
}

}  // namespace

Value Merge(const Value& object, const Value& patch) {
  Members members = object.members();
  for (const auto& change : patch.members()) {
    const std::string& name = change.first;
    const Value& value = change.second;
    const auto it = std::find_if(members.begin(), members.end(),
                                 [&](const auto& m) { return m.first == name; });
    if (value.is_null()) {
      if (it != members.end()) members.erase(it);
    } else if (it != members.end()) {
      it->second = value;
    } else {
      members.emplace_back(name, value);
    }
  }
  return Value::Object(std::move(members));
}

Value MergeAt(const Value& value, Path path, const Value& patch) {
  if (path.empty()) return Merge(value, patch);  // What is no object has no members: replaced.
  const PathStep& step = path.front();
  const Path rest = path.subspan(1);
  if (step.kind == PathStep::Kind::kKey) {
    const Value* next = value.Find(step.key);
    return WithMember(value, step.key, MergeAt(next == nullptr ? Value() : *next, rest, patch));
  }
  std::vector<Value> items = value.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (Wanted(step, i)) items[i] = MergeAt(items[i], rest, patch);
  }
  return Value::Array(std::move(items));
}

Value DropPaths(const Value& object, std::span<const std::vector<PathStep>> paths) {
  Value out = object;
  for (const auto& path : paths) out = Drop(out, path);
  return out;
}

Value KeepPaths(const Value& object, std::span<const std::vector<PathStep>> paths) {
  std::vector<Path> views(paths.begin(), paths.end());
  auto kept = Keep(object, views);
  return kept ? std::move(*kept) : Value::Object({});
}

}  // namespace malmoi::vec
