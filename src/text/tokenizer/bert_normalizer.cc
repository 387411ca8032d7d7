#include <array>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/chars.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/unicode_forms.h"

namespace malmoi::text {
namespace {

// BERT's BasicTokenizer as the imitated package has it: drop controls and turn blanks into spaces,
// put spaces around ideographs, decompose and drop non-spacing marks, lower-case.
//
// ASCII runs take one pass, since no step looks across an ASCII character (all are starters and
// nothing composes); other runs take the steps one after the other.
class BertNormalizer : public Normalizer {
 public:
  struct Options {
    bool clean_text = true;
    bool handle_chinese_chars = true;
    bool strip_accents = true;
    bool lowercase = true;
  };

  explicit BertNormalizer(const Options& options) : options_(options) {
    for (unsigned c = 0; c < 128; ++c) {
      char mapped = static_cast<char>(c);
      if (options.clean_text && Has(c, kBertDropped)) {
        ascii_[c] = kDropped;
        continue;
      }
      if (options.clean_text && Has(c, kSpace)) mapped = ' ';
      if (options.lowercase && mapped >= 'A' && mapped <= 'Z') {
        mapped = static_cast<char>(mapped | 0x20);
      }
      ascii_[c] = mapped;
    }
  }

  void Normalize(Normalized* text, TokenizerScratch* scratch) const override {
    Normalized& out = scratch->swap;
    out.Clear();
    out.text.reserve(text->text.size());
    out.spans.reserve(text->text.size());
    const std::string_view s = text->text;
    for (std::size_t at = 0; at < s.size();) {
      std::size_t end = at;
      while (end < s.size() && static_cast<signed char>(s[end]) >= 0) ++end;
      CopyAscii(*text, at, end, &out);
      at = end;
      while (end < s.size() && !Separates(s[end])) ++end;
      if (end > at) NormalizeRun(*text, at, end, scratch, &out);
      at = end;
    }
    std::swap(*text, out);
  }
  // Runs end at an ASCII character that stays, and no rule looks at blanks.
  AtCut at_cut() const override { return AtCut::kDrops; }

 private:
  static constexpr char kDropped = '\x7F';  // Itself dropped or, without cleaning, kept as it is.

  // An ASCII character that stays. One that is dropped lets the marks around it meet.
  bool Separates(char c) const {
    return static_cast<signed char>(c) >= 0 &&
           !(options_.clean_text && ascii_[static_cast<unsigned char>(c)] == kDropped);
  }

  void CopyAscii(const Normalized& text, std::size_t begin, std::size_t end,
                 Normalized* out) const {
    for (std::size_t i = begin; i < end; ++i) {
      const char mapped = ascii_[static_cast<unsigned char>(text.text[i])];
      if (mapped == kDropped && options_.clean_text) continue;
      out->text.push_back(mapped);
      out->spans.push_back(text.spans[i]);
    }
  }

  void NormalizeRun(const Normalized& text, std::size_t begin, std::size_t end,
                    TokenizerScratch* scratch, Normalized* out) const {
    Normalized& run = scratch->part;
    Normalized& next = scratch->part_swap;
    run.Clear();
    Separate(text, begin, end, &run);
    if (options_.strip_accents && !run.text.empty()) {
      next.Clear();
      ApplyForm(UnicodeForm::kNfd, run, 0, run.text.size(), &next);
      std::swap(run, next);
    }
    Finish(run, out);
  }

  // Cleaning and the spaces around ideographs: each result keeps its character's span.
  void Separate(const Normalized& text, std::size_t begin, std::size_t end, Normalized* out) const {
    const auto put = [&](char32_t c, const Encoding::Span& span) {
      AppendRune(&out->text, c);
      out->spans.resize(out->text.size(), span);
    };
    for (std::size_t at = begin, size = 0; at < end; at += size) {
      const char32_t c = ReadRune(text.text, at, &size);
      const std::uint32_t flags = FlagsOf(c);
      const Encoding::Span span = text.spans[at];
      if (options_.clean_text && (flags & kBertDropped) != 0) continue;
      if (options_.clean_text && (flags & kSpace) != 0) {
        put(' ', span);
      } else if (options_.handle_chinese_chars && (flags & kIdeograph) != 0) {
        put(' ', span);
        put(c, span);
        put(' ', span);
      } else {
        put(c, span);
      }
    }
  }

  // Drops marks and lower-cases, character by character.
  void Finish(const Normalized& run, Normalized* out) const {
    for (std::size_t at = 0, size = 0; at < run.text.size(); at += size) {
      const char32_t c = ReadRune(run.text, at, &size);
      const std::uint32_t flags = FlagsOf(c);
      if (options_.strip_accents && (flags & kNonspacing) != 0) continue;
      char32_t lower[2] = {c, 0};
      const int count = options_.lowercase && (flags & kHasLower) != 0 ? LowerCase(c, lower) : 1;
      for (int i = 0; i < count; ++i) AppendRune(&out->text, lower[i]);
      out->spans.resize(out->text.size(), run.spans[at]);
    }
  }

  const Options options_;
  std::array<char, 128> ascii_{};
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> ReadBertNormalizer(const json::Value& value) {
  BertNormalizer::Options options;
  options.clean_text = value.GetBool("clean_text", true);
  options.handle_chinese_chars = value.GetBool("handle_chinese_chars", true);
  options.lowercase = value.GetBool("lowercase", true);
  // Null, the usual value, follows `lowercase`.
  options.strip_accents = value.GetBool("strip_accents", options.lowercase);
  return std::unique_ptr<const Normalizer>(new BertNormalizer(options));
}

}  // namespace malmoi::text
