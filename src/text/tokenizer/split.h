#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "text/tokenizer/patterns.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {

// What happens to a delimiter: dropped; a piece of its own; runs of delimiters as one piece; or
// part of the piece before or after it.
enum class Keep { kRemoved, kIsolated, kContiguous, kWithPrevious, kWithNext };
// The member "behavior" of a pre-tokenizer. Errors: kInvalidArgument.
Result<Keep> ReadKeep(const json::Value& value);

// What 'Split' and 'Replace' look for: a string, a known expression, or any other.
class TextPattern {
 public:
  // The member "pattern": {"String": ...} or {"Regex": ...}. Errors: those of Regex, and
  // kInvalidArgument for what is neither.
  static Result<TextPattern> Read(const json::Value& value);
  explicit TextPattern(const KnownPattern& known) : known_(&known) {}

  // Replaces *out with the matches, in order.
  void FindAll(std::string_view text, Regex::Scratch* scratch,
               std::vector<Regex::Match>* out) const;
  bool is_known() const { return known_ != nullptr; }
  // No match holds or touches a blank, or only runs of two blanks and more.
  bool avoids_blanks() const { return avoids_blanks_; }

 private:
  TextPattern() = default;
  std::string literal_;  // Where there is neither of these two.
  const KnownPattern* known_ = nullptr;
  bool spaces_ = false;       // ' {2,}'.
  std::vector<Regex> regex_;  // None or one.
  bool avoids_blanks_ = false;
};

}  // namespace malmoi::text
