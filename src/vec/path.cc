#include <charconv>

#include "vec/filter.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kPathBytesMax = 4096;

Error Wrong(std::string_view path, const std::string& why) {
  return Error(Code::kInvalidArgument, "payload path '" + std::string(path) + "': " + why);
}

// A name: quoted, or up to one of . [ ] and ".
Result<std::string> TakeName(std::string_view path, std::string_view* rest) {
  if (rest->starts_with('"')) {
    const std::size_t end = rest->find('"', 1);
    if (end == std::string_view::npos) return Wrong(path, "a quotation mark is not closed");
    std::string name(rest->substr(1, end - 1));
    rest->remove_prefix(end + 1);
    return name;
  }
  const std::size_t end = std::min(rest->find_first_of(".[]\""), rest->size());
  if (end == 0) return Wrong(path, "a name is missing");
  std::string name(rest->substr(0, end));
  rest->remove_prefix(end);
  return name;
}

// "[]" or "[7]"
Result<PathStep> TakeIndex(std::string_view path, std::string_view* rest) {
  const std::size_t end = rest->find(']');
  if (end == std::string_view::npos) return Wrong(path, "a bracket is not closed");
  const std::string_view digits = rest->substr(1, end - 1);
  rest->remove_prefix(end + 1);
  PathStep step{.kind = PathStep::Kind::kEach};
  if (digits.empty()) return step;
  step.kind = PathStep::Kind::kIndex;
  const auto [last, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), step.index);
  if (code != std::errc() || last != digits.data() + digits.size()) {
    return Wrong(path, "'" + std::string(digits) + "' in brackets is no index");
  }
  return step;
}

}  // namespace

Result<std::vector<PathStep>> ParsePath(std::string_view path) {
  if (path.empty()) return Wrong(path, "it is empty");
  if (path.size() > kPathBytesMax) {
    return Error(Code::kOutOfRange, "a payload path of " + std::to_string(path.size()) +
                                        " bytes, at most " + std::to_string(kPathBytesMax));
  }
  std::vector<PathStep> steps;
  std::string_view rest = path;
  for (;;) {
    MALMOI_TRY(auto name, TakeName(path, &rest));
    steps.push_back({.key = std::move(name)});
    while (rest.starts_with('[')) {
      MALMOI_TRY(auto step, TakeIndex(path, &rest));
      steps.push_back(std::move(step));
    }
    if (rest.empty()) return steps;
    if (!rest.starts_with('.'))
      return Wrong(path, "a dot is missing before '" + std::string(rest) + "'");
    rest.remove_prefix(1);
  }
}

}  // namespace malmoi::vec
