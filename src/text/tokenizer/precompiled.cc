#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/chars.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {
namespace {

// SentencePiece's compiled character map: u32 size of a darts-clone double array in bytes, the
// array (u32 units, little endian), then the replacements, each ended by NUL, to whose first byte
// a key's value points.
class CharsMap {
 public:
  // Errors: kInvalidArgument.
  static Result<CharsMap> Parse(std::string_view blob) {
    const Error malformed(Code::kInvalidArgument,
                          "normalizer 'Precompiled': malformed precompiled_charsmap");
    if (blob.size() < 4) return malformed.Clone();
    std::uint32_t bytes = 0;
    std::memcpy(&bytes, blob.data(), 4);
    if (bytes < 4 || bytes / 4 * 4 > blob.size() - 4) return malformed.Clone();
    CharsMap map;
    map.units_.resize(bytes / 4);
    std::memcpy(map.units_.data(), blob.data() + 4, map.units_.size() * 4);
    map.replacements_ = blob.substr(4 + map.units_.size() * 4);
    if (!IsValidUtf8(map.replacements_)) return malformed.Clone();
    return map;
  }

  // The replacement for the shortest key that begins `text`. The imitated package asks so and
  // replaces the whole of `text`, also where the key is only a part of it.
  bool Find(std::string_view text, std::string_view* replacement) const {
    std::uint32_t at = 0;
    std::uint32_t unit = units_[0];
    at ^= Offset(unit);
    for (const char c : text) {
      const auto label = static_cast<unsigned char>(c);
      if (label == 0) return false;
      at ^= label;
      if (at >= units_.size()) return false;
      unit = units_[at];
      if ((unit & (1u << 31 | 0xFF)) != label) return false;
      at ^= Offset(unit);
      if (at >= units_.size()) return false;
      if ((unit >> 8 & 1) == 0) continue;
      const std::uint32_t begin = units_[at] & ~(1u << 31);
      if (begin > replacements_.size()) return false;
      // Values point to character starts; those of a hostile file may not.
      if (FloorRune(replacements_, begin) != begin) return false;
      const std::size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
      *replacement = std::string_view(replacements_).substr(begin, end - begin);
      return true;
    }
    return false;
  }

 private:
  static std::uint32_t Offset(std::uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// Replaces each grapheme cluster shorter than kWholeCluster bytes that the map knows as a whole;
// else its characters one by one.
class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharsMap map) : map_(std::move(map)) {
    std::string_view replacement;
    for (unsigned c = 0; c < 128; ++c) {
      const char byte = static_cast<char>(c);
      plain_ascii_[c] = c >= 0x20 && c < 0x7F && !map_.Find({&byte, 1}, &replacement);
    }
  }

  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    Normalized& out = scratch->swap;
    out.Clear();
    out.text.reserve(text->text.size());
    out.spans.reserve(text->text.size());
    {
      Rewriter rewriter(*text, 0, text->text.size(), &out);
      Rewrite(text->text, &rewriter);
      if (!rewriter.Finish()) scratch->drifted = true;
    }
    std::swap(*text, out);
  }
  // Clusters end before a blank, but for what a Prepend character joins, where no cut is made.
  AtCut at_cut() const override { return AtCut::kKeeps; }

 private:
  static constexpr std::size_t kWholeCluster = 6;

  void Rewrite(std::string_view s, Rewriter* out) const {
    ClusterBreaker breaker;
    std::size_t begin = 0;  // Of the current cluster.
    std::size_t at = 0;
    std::size_t size = 0;
    while (at < s.size()) {
      const char32_t c = ReadRune(s, at, &size);
      if (breaker.BreaksBefore(FlagsOf(c))) {
        if (at > begin) ReplaceCluster(s.substr(begin, at - begin), out);
        begin = at;
        // Each character of a plain run but the last, which may have marks, is a cluster that
        // stays. Very short runs are not worth the look.
        const std::size_t plain = PlainRun(s, at);
        if (plain > 2 && out->InStep(at)) {
          out->Copy(at, at + plain - 1);
          begin = at += plain - 1;
          breaker = ClusterBreaker();
          continue;
        }
      }
      at += size;
    }
    ReplaceCluster(s.substr(begin), out);
  }

  std::size_t PlainRun(std::string_view s, std::size_t at) const {
    std::size_t end = at;
    while (end < s.size() && static_cast<signed char>(s[end]) >= 0 &&
           plain_ascii_[static_cast<unsigned char>(s[end])]) {
      ++end;
    }
    return end - at;
  }

  void ReplaceCluster(std::string_view cluster, Rewriter* out) const {
    std::string_view replacement;
    if (cluster.size() < kWholeCluster && map_.Find(cluster, &replacement)) {
      Replace(cluster, replacement, out);
      return;
    }
    for (std::size_t at = 0, size = 0; at < cluster.size(); at += size) {
      const char32_t c = ReadRune(cluster, at, &size);
      if (map_.Find(cluster.substr(at, size), &replacement)) {
        Replace(cluster.substr(at, size), replacement, out);
      } else {
        out->Put(c, 0);
      }
    }
  }

  // The first new characters replace old ones; of more, the rest is added; of fewer, the rest is
  // charged to the last character, or to none at the start of the text (see Rewriter).
  static void Replace(std::string_view from, std::string_view to, Rewriter* out) {
    int left = static_cast<int>(CountRunes(from));
    for (std::size_t at = 0, size = 0; at < to.size(); at += size, --left) {
      out->Put(ReadRune(to, at, &size), left > 0 ? 0 : 1);
    }
    if (left > 0) out->Charge(-left);
  }

  const CharsMap map_;
  std::array<bool, 128> plain_ascii_{};
};

// RFC 4648 base64 with padding; false on anything else.
bool DecodeBase64(std::string_view text, std::string* out) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    std::uint32_t digit = 0;
    if (c >= 'A' && c <= 'Z') {
      digit = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      digit = static_cast<std::uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '/') {
      digit = c == '+' ? 62 : 63;
    } else {
      return false;
    }
    bits = bits << 6 | digit;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out->push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<const Normalizer>> ReadPrecompiled(const json::Value& value) {
  std::string blob;
  const std::string_view encoded = value.GetString("precompiled_charsmap");
  if (!DecodeBase64(encoded, &blob)) {
    return Error(Code::kInvalidArgument,
                 "normalizer 'Precompiled': precompiled_charsmap is not base64");
  }
  MALMOI_TRY(auto map, CharsMap::Parse(blob));
  return std::unique_ptr<const Normalizer>(new PrecompiledNormalizer(std::move(map)));
}

}  // namespace malmoi::text
