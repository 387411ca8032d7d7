#include "text/tokenizer/regex.h"

#include <algorithm>

#include "text/tokenizer/normalized.h"

namespace malmoi::text {

bool Regex::Set::Has(char32_t c) const {
  if (c < 128) return (ascii[c >> 6] >> (c & 63) & 1) != 0;
  const auto it = std::upper_bound(bounds.begin(), bounds.end(), c);
  return (it - bounds.begin()) % 2 == 1;
}

// One FindAll().
class RegexMatcher {
 public:
  using Op = Regex::Op;
  RegexMatcher(const Regex& regex, std::string_view text, Regex::Scratch* scratch)
      : regex_(regex), text_(text), s_(*scratch) {
    const std::size_t bits = (text.size() + 1) * regex.branches_;
    s_.failed.assign((bits + 63) / 64, 0);
    s_.succeeded.assign(regex.has_looks_ ? s_.failed.size() : 0, 0);
    s_.runs.assign(regex.runs_, {});
    s_.stack.clear();
  }

  // The match that begins at `at`.
  bool MatchAt(std::size_t at, std::size_t* end) {
    if (!Run(0, at, end)) return false;
    // What is left of the path that led here did not fail.
    for (const auto& frame : s_.stack) {
      if (frame.mark) Clear(Bit(frame));
    }
    s_.stack.clear();
    return true;
  }

 private:
  std::size_t Bit(const Regex::Scratch::Frame& frame) const {
    return frame.at * regex_.branches_ + regex_.program_[frame.pc].branch;
  }
  void Clear(std::size_t bit) { s_.failed[bit / 64] &= ~(std::uint64_t{1} << (bit % 64)); }
  static bool Test(const std::vector<std::uint64_t>& bits, std::size_t bit) {
    return (bits[bit / 64] >> (bit % 64) & 1) != 0;
  }

  // Runs from `pc` to kAccept. Frames above what was there when it began are left on success, gone
  // on failure.
  bool Run(std::uint32_t pc, std::size_t at, std::size_t* end) {
    const std::size_t base = s_.stack.size();
    for (;;) {
      ++s_.steps;
      const Regex::Instruction& i = regex_.program_[pc];
      bool ok = true;
      switch (i.op) {
        case Op::kAccept:
          *end = at;
          return true;
        case Op::kJump:
          pc = i.x;
          continue;
        case Op::kSplit: {
          const std::size_t bit = at * regex_.branches_ + i.branch;
          if (i.inside_look && Test(s_.succeeded, bit)) {
            *end = at;  // Look-arounds do not ask where.
            return true;
          }
          ok = !Test(s_.failed, bit);
          if (!ok) break;
          s_.failed[bit / 64] |= std::uint64_t{1} << (bit % 64);
          s_.stack.push_back({pc, true, at});
          s_.stack.push_back({i.y, false, at});
          pc = i.x;
          continue;
        }
        case Op::kSet: {
          std::size_t size = 0;
          ok = at < text_.size() && regex_.sets_[i.x].Has(ReadRune(text_, at, &size));
          at += size;
          break;
        }
        case Op::kRun:
          at = RunEnd(i, at);
          break;
        case Op::kLook:
        case Op::kBehind:
          ok = Look(i, at);
          if (ok) {
            pc = i.y;
            continue;
          }
          break;
        default:
          ok = Holds(i.op, at);
      }
      if (ok) {
        ++pc;
        continue;
      }
      if (!Backtrack(base, &pc, &at)) return false;
    }
  }

  bool Backtrack(std::size_t base, std::uint32_t* pc, std::size_t* at) {
    while (s_.stack.size() > base) {
      const auto frame = s_.stack.back();
      s_.stack.pop_back();
      if (frame.mark) continue;  // Its bit stays.
      *pc = frame.pc;
      *at = frame.at;
      return true;
    }
    return false;
  }

  bool Look(const Regex::Instruction& i, std::size_t at) {
    for (std::uint32_t k = 0; i.op == Op::kBehind && k < i.count; ++k) {
      if (at == 0) return i.negative;
      at = PreviousRune(text_, at);
    }
    const std::size_t base = s_.stack.size();
    std::size_t end = 0;
    const bool found = Run(i.x, at, &end);
    while (s_.stack.size() > base) {
      const auto frame = s_.stack.back();
      s_.stack.pop_back();
      if (!frame.mark) continue;
      const std::size_t bit = Bit(frame);
      Clear(bit);
      s_.succeeded[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
    return found != i.negative;
  }

  std::size_t RunEnd(const Regex::Instruction& i, std::size_t at) {
    auto& last = s_.runs[i.branch];
    if (i.y == 0 && at >= last.begin && at < last.end) return last.end;
    const Regex::Set& set = regex_.sets_[i.x];
    std::size_t end = at, size = 0;
    for (std::uint32_t k = 0; end < text_.size() && (i.y == 0 || k < i.y); ++k, end += size) {
      if (!set.Has(ReadRune(text_, end, &size))) break;
      ++s_.steps;
    }
    last = {at, end};
    return end;
  }

  bool Holds(Op op, std::size_t at) const {
    switch (op) {
      case Op::kLineStart:
        // Not behind a line end that ends the text.
        return at == 0 || (text_[at - 1] == '\n' && at < text_.size());
      case Op::kLineEnd:
        return at == text_.size() || text_[at] == '\n';
      case Op::kTextStart:
        return at == 0;
      case Op::kTextEnd:
        return at == text_.size();
      case Op::kTextEndOrLine:
        return at == text_.size() || (at + 1 == text_.size() && text_[at] == '\n');
      default:
        return IsWordEdge(at) == (op == Op::kWordEdge);
    }
  }
  bool IsWordEdge(std::size_t at) const {
    const Regex::Set& word = regex_.sets_[regex_.word_set_];
    std::size_t size = 0;
    const bool before = at > 0 && word.Has(ReadRune(text_, PreviousRune(text_, at), &size));
    const bool after = at < text_.size() && word.Has(ReadRune(text_, at, &size));
    return before != after;
  }

  const Regex& regex_;
  const std::string_view text_;
  Regex::Scratch& s_;
};

void Regex::FindAll(std::string_view text, Scratch* scratch, std::vector<Match>* out) const {
  out->clear();
  RegexMatcher matcher(*this, text, scratch);
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t end = 0;
    const std::size_t step = at < text.size() ? RuneSize(text[at]) : 1;
    if (!matcher.MatchAt(at, &end)) {
      at += step;
      continue;
    }
    if (end == at && !out->empty() && out->back().end == at) {
      at += step;
      continue;
    }
    out->push_back({at, end});
    at = end;
    // Of an empty match the next is looked for here again and then refused.
    if (end == out->back().begin) at += at < text.size() ? RuneSize(text[at]) : 1;
  }
}

}  // namespace malmoi::text
