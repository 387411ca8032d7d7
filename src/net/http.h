#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace malmoi::net {

using Headers = std::vector<std::pair<std::string, std::string>>;
// The first header of that name (ASCII case ignored), or nothing.
std::string_view FindHeader(const Headers& headers, std::string_view name);

// "%EA%B0%80+a" as a query component; ill-formed escapes stay as they are.
std::string UrlDecode(std::string_view s);
// As a path: a '+' stays.
std::string PathDecode(std::string_view s);
// Escapes all but RFC 3986's unreserved characters: good for a query component or a path segment.
std::string UrlEncode(std::string_view s);

}  // namespace malmoi::net
