#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::cli {

// One configuration value and where it came from: "default", "file PATH:LINE", "environment
// MALMOI_X" or "flag --x", each beating the one before.
struct Setting {
  std::string name;
  std::string value;
  std::string origin;
  std::string help;
};

// All settings by name. Files are `name = value` lines with # comments:
// $XDG_CONFIG_HOME/malmoi/config, or the file that MALMOI_CONFIG names.
class Settings {
 public:
  // `flags` are those given on the command line. Errors: kInvalidArgument naming the unknown name
  // with its file and line, or the value that does not fit.
  static Result<Settings> Load(const std::map<std::string, std::string>& flags);

  const std::string& Get(std::string_view name) const;
  // The value as a number; 0 means "choose" where the help says so.
  std::int64_t GetInt(std::string_view name) const;
  const std::vector<Setting>& all() const { return settings_; }

 private:
  Status Set(const std::string& name, const std::string& value, const std::string& origin);
  Status LoadFile(const std::string& path, bool must_exist);
  std::vector<Setting> settings_;
};

}  // namespace malmoi::cli
