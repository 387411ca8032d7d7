#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

// What a fuzz target is given, as the parsers take it.
inline std::string_view FuzzInput(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// An invariant of the parser's result: its breach is a finding, as a crash is.
inline void Expect(bool holds) {
  if (!holds) std::abort();
}
