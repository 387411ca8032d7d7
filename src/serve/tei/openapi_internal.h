#pragma once

#include <string>
#include <string_view>

namespace malmoi::serve::tei {

// openapi.json beside this file, built into the program.
std::string_view OpenApiDocument();
// A page that shows it, without scripts from elsewhere.
std::string DocsPage();

}  // namespace malmoi::serve::tei
