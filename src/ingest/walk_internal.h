#pragma once

#include <string_view>

namespace malmoi::ingest {

// Names that neither walk nor watch look at: hidden and temporary files; folders of tools.
bool SkipName(std::string_view name);
bool SkipFolder(std::string_view name);

}  // namespace malmoi::ingest
