#pragma once

#include <string>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::embed {

// A JSON file of a model directory; null where there is no such file. Errors: kCorruption, kIo.
Result<json::Value> ReadModelJson(const std::string& directory, const char* name);

// malmoi.json's id, else ORG/NAME of a hub cache, else the folder's name. `about`: malmoi.json.
std::string ModelIdOf(const std::string& directory, const json::Value& about);

}  // namespace malmoi::embed
