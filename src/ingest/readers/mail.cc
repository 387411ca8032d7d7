#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/charset_internal.h"
#include "ingest/readers/readers_internal.h"

// Internet messages (RFC 5322) with MIME parts (RFC 2045-2047): the plain text of a message, or
// its HTML where there is no other. Attachments are named, not read.
namespace malmoi::ingest {
namespace {

constexpr int kDepthMax = 8;
constexpr std::size_t kPartsMax = 500;

using Headers = std::vector<std::pair<std::string, std::string>>;  // Lower-case name, value.

std::string DecodeBase64(std::string_view s) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : s) {
    int value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = c - 'A';
    } else if (c >= 'a' && c <= 'z') {
      value = c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
      value = c - '0' + 52;
    } else if (c == '+' || c == '-') {
      value = 62;
    } else if (c == '/' || c == '_') {
      value = 63;
    } else {
      continue;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++count % 4 != 1)
      out.push_back(static_cast<char>(bits >> (6 - 2 * ((count - 1) % 4)) & 0xFF));
  }
  return out;
}

std::string DecodeQuoted(std::string_view s, bool in_header) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '_' && in_header) {
      out.push_back(' ');
    } else if (s[i] != '=') {
      out.push_back(s[i]);
    } else if (const auto byte = ParseHex(s.substr(i + 1, 2)); byte && byte->size() == 1) {
      out += *byte;
      i += 2;
    } else if (s.substr(i + 1).starts_with("\r\n")) {
      i += 2;
    } else if (s.substr(i + 1).starts_with("\n")) {
      i += 1;
    } else {
      out.push_back('=');
    }
  }
  return out;
}

std::string ToUtf8(const std::string& bytes, const std::string& charset, std::uint64_t limit) {
  if (!charset.empty() && !EqualsIgnoreCase(charset, "us-ascii")) {
    auto text = ConvertText(bytes, charset, limit);
    if (text.ok()) return std::move(text).value();
  }
  auto text = DecodeText(bytes, limit);
  return text.ok() ? std::move(text.value().text) : ToValidUtf8(bytes);
}

// "=?utf-8?B?...?=" words; white space between two of them is none.
std::string DecodeHeader(std::string_view s) {
  std::string out;
  while (!s.empty()) {
    const std::size_t open = s.find("=?");
    const std::size_t q1 = open == s.npos ? s.npos : s.find('?', open + 2);
    const std::size_t q2 = q1 == s.npos ? s.npos : s.find('?', q1 + 1);
    const std::size_t close = q2 == s.npos ? s.npos : s.find("?=", q2 + 1);
    if (close == s.npos || q2 != q1 + 2) {
      out += s;
      break;
    }
    if (!Trim(s.substr(0, open)).empty() || out.empty()) out += s.substr(0, open);
    const std::string_view data = s.substr(q2 + 1, close - q2 - 1);
    const bool base64 = s[q1 + 1] == 'B' || s[q1 + 1] == 'b';
    out += ToUtf8(base64 ? DecodeBase64(data) : DecodeQuoted(data, true),
                  std::string(s.substr(open + 2, q1 - open - 2)), 1 << 20);
    s.remove_prefix(close + 2);
  }
  return ToValidUtf8(out);
}

// Takes the header lines, folded ones joined, and the blank line off the front.
Headers TakeHeaders(std::string_view* s) {
  Headers headers;
  while (!s->empty()) {
    const std::size_t newline = std::min(s->find('\n'), s->size());
    std::string_view line = s->substr(0, newline);
    s->remove_prefix(std::min(newline + 1, s->size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    if ((line[0] == ' ' || line[0] == '\t') && !headers.empty()) {
      headers.back().second += ' ';
      headers.back().second += Trim(line);
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    headers.emplace_back(AsciiLower(Trim(line.substr(0, colon))), Trim(line.substr(colon + 1)));
  }
  return headers;
}

std::string Header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

// "text/plain; charset="utf-8"": the parameter `name`.
std::string Parameter(const std::string& value, std::string_view name) {
  const std::string lower = AsciiLower(value);
  for (std::size_t at = lower.find(';'); at != lower.npos; at = lower.find(';', at + 1)) {
    std::string_view rest = Trim(std::string_view(value).substr(at + 1));
    if (!EqualsIgnoreCase(rest.substr(0, name.size()), name)) continue;
    rest = Trim(rest.substr(name.size()));
    if (!rest.starts_with('=')) continue;
    rest = Trim(rest.substr(1));
    if (rest.starts_with('"')) return std::string(rest.substr(1, rest.find('"', 1) - 1));
    return std::string(Trim(rest.substr(0, rest.find(';'))));
  }
  return {};
}

class MailReader {
 public:
  explicit MailReader(const ReaderLimits& limits) : limits_(limits) {}

  Result<Document> Read(std::string_view bytes) {
    const Headers headers = TakeHeaders(&bytes);
    document_.title = DecodeHeader(Header(headers, "subject"));
    for (const char* name : {"Subject", "From", "To", "Date"}) {
      const std::string value = DecodeHeader(Header(headers, AsciiLower(name)));
      if (!value.empty()) document_.text += std::string(name) + ": " + value + "\n";
    }
    document_.text += "\n";
    MALMOI_TRY(Part(headers, bytes, 0));
    if (document_.text.size() > limits_.text_bytes) {
      return Error(Code::kOutOfRange, "more than " + FormatBytes(limits_.text_bytes) + " of text");
    }
    document_.text = ToValidUtf8(document_.text);
    document_.format = "eml";
    return std::move(document_);
  }

 private:
  Status Part(const Headers& headers, std::string_view body, int depth) {
    const std::string type = Header(headers, "content-type");
    const std::string kind = AsciiLower(Trim(std::string_view(type).substr(0, type.find(';'))));
    if (kind.starts_with("multipart/encrypted") || kind.find("pkcs7-mime") != kind.npos) {
      return Error(Code::kUnsupported, "encrypted message: needs its receiver's key");
    }
    if (kind.starts_with("multipart/"))
      return Parts(kind, Parameter(type, "boundary"), body, depth);
    const std::string disposition = AsciiLower(Header(headers, "content-disposition"));
    std::string name = Parameter(Header(headers, "content-disposition"), "filename");
    if (name.empty()) name = Parameter(type, "name");
    const bool text = kind.empty() || kind == "text/plain" || kind == "text/html";
    if (!text || disposition.starts_with("attachment")) {
      if (document_.warnings.size() < 100) {
        document_.warnings.push_back("attachment not read: " +
                                     (name.empty() ? kind : DecodeHeader(name)));
      }
      return Ok();
    }
    const std::string coding = AsciiLower(Header(headers, "content-transfer-encoding"));
    const std::string bytes = coding == "base64"             ? DecodeBase64(body)
                              : coding == "quoted-printable" ? DecodeQuoted(body, false)
                                                             : std::string(body);
    std::string content = ToUtf8(bytes, Parameter(type, "charset"), limits_.text_bytes);
    if (kind == "text/html") {
      Document page;
      page.text = ToValidUtf8(content);
      MALMOI_TRY(page, ReadHtml(std::move(page), limits_));
      content = std::move(page.text);
    }
    document_.text += content;
    if (!content.ends_with('\n')) document_.text += "\n";
    return Ok();
  }

  Status Parts(const std::string& kind, const std::string& boundary, std::string_view body,
               int depth) {
    if (boundary.empty() || depth >= kDepthMax) {
      document_.warnings.push_back("parts of the message cannot be told apart");
      return Ok();
    }
    std::vector<std::pair<Headers, std::string_view>> parts;
    const std::string mark = "--" + boundary;
    std::size_t at = body.find(mark);
    while (at != body.npos && ++parts_ <= kPartsMax) {
      std::string_view part = body.substr(at + mark.size());
      if (part.starts_with("--")) break;
      const std::size_t next = body.find("\n" + mark, at + mark.size());
      part = part.substr(0, next == body.npos ? part.size() : next - at - mark.size());
      part.remove_prefix(std::min(part.find('\n') + 1, part.size()));
      Headers headers = TakeHeaders(&part);
      if (kind == "multipart/digest" && Header(headers, "content-type").empty()) {
        headers.emplace_back("content-type", "message/rfc822");
      }
      parts.emplace_back(std::move(headers), part);
      at = next == body.npos ? next : next + 1;
    }
    if (kind == "multipart/alternative") {
      // The same in several forms: plain text where it has any.
      for (const auto& [headers, content] : parts) {
        const std::string type = AsciiLower(Header(headers, "content-type"));
        if (type.starts_with("text/plain") && !Trim(content).empty()) {
          return Part(headers, content, depth + 1);
        }
      }
      if (!parts.empty()) return Part(parts.back().first, parts.back().second, depth + 1);
      return Ok();
    }
    for (const auto& [headers, content] : parts) MALMOI_TRY(Enclosed(headers, content, depth + 1));
    return Ok();
  }

  // A part, or a message within the message.
  Status Enclosed(const Headers& headers, std::string_view content, int depth) {
    if (!AsciiLower(Header(headers, "content-type")).starts_with("message/rfc822") ||
        depth >= kDepthMax) {
      return Part(headers, content, depth);
    }
    const Headers inner = TakeHeaders(&content);
    const std::string subject = DecodeHeader(Header(inner, "subject"));
    if (!subject.empty()) document_.text += "\nSubject: " + subject + "\n\n";
    return Part(inner, content, depth);
  }

  const ReaderLimits& limits_;
  Document document_;
  std::size_t parts_ = 0;
};

}  // namespace

Result<Document> ReadMail(const ReadInput& input) {
  return MailReader(input.limits).Read(input.bytes);
}

}  // namespace malmoi::ingest
