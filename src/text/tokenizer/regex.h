#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::text {

// A regular expression in Oniguruma's Ruby syntax, as tokenizer.json files have it, over UTF-8.
//
// Matches are those of a backtracking engine (first alternative that leads to a match), but in
// linear time: a state (branch, position) that failed once is not tried again, during all of a
// FindAll(). Library engines were no choice: RE2 has no look-ahead, which the common patterns need,
// and ICU's and PCRE2's run time has no bound but a limit at which they give up.
//
// Understood: alternatives, groups, greedy, lazy and (of single characters) possessive repetition,
// sets with ranges, nesting, && and POSIX names, \p{...} with ICU's names, \d \w \s \h \R and their
// complements, ^ $ \A \z \Z \b \B, look-ahead, look-behind of fixed length, (?i) and (?m).
// Errors: kUnsupported for back-references, captures by \k, conditions, atomic groups, \G, \K, \X;
// kInvalidArgument for what is no expression. Both name the place.
// Deviation: (?i) folds characters one by one, where Oniguruma also takes "ss" for U+00DF.
//
// Thread safety: const methods may run concurrently, each with its own Scratch.
class Regex {
 public:
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  // Buffers that FindAll() reuses; `steps` counts what it did, for tests.
  struct Scratch {
    struct Frame {
      std::uint32_t pc = 0;
      bool mark = false;  // Both ways from the branch at `pc` failed once this is popped.
      std::size_t at = 0;
    };
    std::vector<Frame> stack;
    std::vector<std::uint64_t> failed;     // A bit a (branch, position): failed, or being tried.
    std::vector<std::uint64_t> succeeded;  // Of branches inside look-arounds.
    struct Run {
      std::size_t begin = 0;
      std::size_t end = 0;
    };
    std::vector<Run> runs;  // The last one of each possessive repetition.
    std::uint64_t steps = 0;
  };

  // Patterns are short: at most kMaxPattern bytes, kMaxProgram instructions, kMaxDepth groups deep.
  static constexpr std::size_t kMaxPattern = 1 << 14;
  static constexpr std::size_t kMaxProgram = 1 << 11;
  static constexpr int kMaxDepth = 64;

  static Result<Regex> Compile(std::string_view pattern);

  // Replaces *out with the matches of valid UTF-8, in order; an empty match right behind another
  // match is left out. Cost: linear in the text (times the program's branches), memory one bit a
  // branch and byte.
  void FindAll(std::string_view text, Scratch* scratch, std::vector<Match>* out) const;

 private:
  friend class RegexCompiler;
  friend class RegexMatcher;
  enum class Op : std::uint8_t {
    kSet,     // One character of sets_[x].
    kSplit,   // Go on at x; if that fails at y.
    kJump,    // Go on at x.
    kRun,     // Possessive: characters of sets_[x], at most y (0: any number).
    kLook,    // The program at x has to match here (negative: not to match); go on at y.
    kBehind,  // As kLook, `count` characters further back.
    kLineStart,
    kLineEnd,
    kTextStart,
    kTextEnd,
    kTextEndOrLine,
    kWordEdge,
    kNoWordEdge,
    kAccept,
  };
  struct Instruction {
    Op op = Op::kAccept;
    bool negative = false;
    bool inside_look = false;
    std::uint32_t x = 0;
    std::uint32_t y = 0;
    std::uint32_t count = 0;   // kBehind: characters.
    std::uint32_t branch = 0;  // kSplit: its number; kRun: index of its Scratch::Run.
  };
  struct Set {
    std::uint64_t ascii[2] = {0, 0};
    std::vector<char32_t> bounds;  // Past ASCII: [bounds[0], bounds[1]) belongs, and so on.
    bool Has(char32_t c) const;
  };

  std::vector<Instruction> program_;
  std::vector<Set> sets_;
  std::uint32_t branches_ = 0;
  std::uint32_t runs_ = 0;
  std::uint32_t word_set_ = 0;  // For kWordEdge.
  bool has_looks_ = false;
};

}  // namespace malmoi::text
