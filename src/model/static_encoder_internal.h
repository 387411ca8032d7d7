#pragma once

#include <memory>
#include <string>

#include "json/value.h"
#include "model/encoder.h"
#include "model/modules_internal.h"

namespace malmoi::model {

// model2vec or StaticEmbedding. Errors: see Encoder::Open.
Result<std::shared_ptr<const Encoder>> OpenStatic(const std::string& directory,
                                                  const json::Value& config, ModuleFiles modules);

}  // namespace malmoi::model
