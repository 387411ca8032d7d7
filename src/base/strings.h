#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi {

// ASCII white space removed from both ends.
std::string_view Trim(std::string_view s);
// Pieces between separators; empty pieces are kept. Split("", ',') is one empty piece.
std::vector<std::string_view> Split(std::string_view s, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
// A to Z become a to z; other bytes stay.
std::string AsciiLower(std::string_view s);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);  // ASCII only.
std::string ReplaceAll(std::string_view s, std::string_view from, std::string_view to);

// The whole of `s` as a number; nothing if any byte is left over or the value does not fit.
std::optional<std::int64_t> ParseInt(std::string_view s);
std::optional<double> ParseDouble(std::string_view s);

// "1.5 MiB", "812 B".
std::string FormatBytes(std::uint64_t bytes);
// Fixed decimals, independent of locale: FormatFixed(0.68349, 3) is "0.683".
std::string FormatFixed(double value, int decimals);
// "1:02:03", "2:03", "0:07".
std::string FormatDuration(double seconds);

// Lower-case hexadecimal; ParseHex accepts both cases and nothing else.
std::string ToHex(std::string_view bytes);
std::optional<std::string> ParseHex(std::string_view hex);

}  // namespace malmoi
