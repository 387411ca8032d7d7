#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace malmoi::ingest {

struct DecodedText {
  std::string text;      // UTF-8.
  std::string encoding;  // "utf-8", "cp949", "utf-16le", "shift_jis", "windows-1252"...
};

// Bytes of unknown encoding as UTF-8. Order of belief: byte order mark; well-formed UTF-8;
// zeros at even or odd places (UTF-16); ISO 2022 escapes; statistics of double-byte codes, Korean
// first; ICU's detector. Bytes that are valid UTF-8 are returned unchanged, mark included.
// Errors: kUnsupported for binary data, kOutOfRange past `text_bytes`.
Result<DecodedText> DecodeText(std::string_view bytes, std::uint64_t text_bytes);

// Converts from a named encoding (MIME or ICU name). Errors: kUnsupported for an unknown name.
Result<std::string> ConvertText(std::string_view bytes, const std::string& name,
                                std::uint64_t text_bytes);

// Makes ICU load its tables, which may look for files. Before a sandbox closes the door.
void WarmCharsets();

}  // namespace malmoi::ingest
