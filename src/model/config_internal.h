#pragma once

#include <string>

#include "model/encoder.h"

namespace malmoi::model {

// What the JSON files of a model directory say, checked. Errors: see Encoder::Open.
Result<EncoderConfig> ReadEncoderConfig(const std::string& directory);

}  // namespace malmoi::model
