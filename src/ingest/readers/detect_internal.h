#pragma once

#include <string_view>

namespace malmoi::ingest {

// What a file's first bytes say it is. kText: nothing binary was recognised.
enum class Container { kText, kPdf, kZip, kCompound, kRtf, kRefused };

struct Detected {
  Container container = Container::kText;
  std::string_view name;  // For kRefused: "PNG image".
};

Detected DetectContainer(std::string_view bytes);

enum class TextKind {
  kPlain,
  kMarkdown,
  kRestructured,
  kCode,
  kCsv,
  kJson,
  kJsonLines,
  kHtml,
  kXml,
  kMail
};

// By content where it tells (HTML, XML, mail), else by the extension.
TextKind DetectText(std::string_view text, std::string_view extension);

}  // namespace malmoi::ingest
