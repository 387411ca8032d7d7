#pragma once

#include <span>
#include <string_view>

namespace malmoi::serve {

// A file of the page. The table is generated from web/ by cmake/embed.py.
struct PageFile {
  const char* path;          // "/app.js"
  const char* content_type;  // With charset.
  std::string_view bytes;
};
std::span<const PageFile> PageFiles();

}  // namespace malmoi::serve
