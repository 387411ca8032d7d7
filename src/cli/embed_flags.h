#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/tei/server.h"

namespace malmoi::cli {

// A flag of `malmoi serve embed`. Names and meanings are those of text-embeddings-inference, and so
// is the environment variable that gives it where the flag is absent: the name in capitals with
// underscores.
struct EmbedFlag {
  enum class Form : std::uint8_t { kOne, kMany, kSwitch };
  const char* name;
  Form form;
  const char* help;
};
std::span<const EmbedFlag> EmbedFlagTable();

// Flags and environment as options. `warnings` gets a line for each that has no effect here.
// Errors: kInvalidArgument naming the flag, its value and what it takes.
Result<serve::tei::ServerOptions> ReadEmbedFlags(
    const std::map<std::string, std::vector<std::string>>& flags,
    std::vector<std::string>* warnings);

}  // namespace malmoi::cli
