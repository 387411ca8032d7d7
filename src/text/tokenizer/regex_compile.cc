#include <unicode/uniset.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/regex_sets_internal.h"

namespace malmoi::text {
namespace {

constexpr std::uint32_t kNoLimit = 0xFFFFFFFF;
constexpr std::uint32_t kMaxRepeat = 1000;

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
  enum Kind { kEmpty, kSet, kSequence, kChoice, kRepeat, kLook, kAssert };
  Kind kind = kEmpty;
  icu::UnicodeSet set;            // kSet.
  std::vector<NodePtr> children;  // kRepeat and kLook: one.
  std::uint32_t least = 0;        // kRepeat.
  std::uint32_t most = 0;
  bool lazy = false;
  bool possessive = false;
  bool negative = false;  // kLook.
  bool behind = false;
  char assertion = 0;  // kAssert: the character after the backslash, ^ or $.
};

NodePtr Make(Node::Kind kind) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  return node;
}

}  // namespace

// Pattern -> tree -> program.
class RegexCompiler {
 public:
  explicit RegexCompiler(std::string_view pattern) : pattern_(pattern) {}

  Result<Regex> Compile() {
    NodePtr root = ParseChoice();
    if (error_.empty() && at_ < pattern_.size()) Fail("unmatched ')'");
    if (error_.empty()) {
      icu::UnicodeSet word;
      AddEscapeClass('w', &word);
      out_.word_set_ = AddSet(word);
      Emit(*root, false);
      Put({.op = Op::kAccept});
    }
    if (error_.empty()) return std::move(out_);
    return Error(unsupported_ ? Code::kUnsupported : Code::kInvalidArgument,
                 "regular expression '" + std::string(pattern_) + "': " + error_ + " at byte " +
                     std::to_string(error_at_));
  }

 private:
  using Op = Regex::Op;

  void Fail(std::string what, bool unsupported = false) {
    if (!error_.empty()) return;
    error_ = std::move(what);
    error_at_ = at_;
    unsupported_ = unsupported;
    at_ = pattern_.size();  // Ends all loops.
  }
  bool More() const { return at_ < pattern_.size(); }
  bool Take(std::string_view what) {
    if (!More() || pattern_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }
  char32_t Next() {
    const Rune rune = DecodeRune(pattern_, at_);
    at_ += rune.size;
    return rune.value;
  }

  NodePtr ParseChoice() {
    if (++depth_ > Regex::kMaxDepth) Fail("groups are nested too deep");
    const bool fold = fold_, dot_all = dot_all_;
    NodePtr choice = Make(Node::kChoice);
    do {
      choice->children.push_back(ParseSequence());
    } while (Take("|"));
    fold_ = fold;
    dot_all_ = dot_all;
    --depth_;
    if (choice->children.size() == 1) return std::move(choice->children[0]);
    return choice;
  }

  NodePtr ParseSequence() {
    NodePtr sequence = Make(Node::kSequence);
    while (More() && pattern_[at_] != '|' && pattern_[at_] != ')') {
      NodePtr atom = ParseAtom();
      if (atom == nullptr) continue;
      while (More() && ParseRepeat(&atom)) {
      }
      sequence->children.push_back(std::move(atom));
    }
    return sequence;
  }

  // Wraps *atom if a repetition follows.
  bool ParseRepeat(NodePtr* atom) {
    std::uint32_t least = 0, most = kNoLimit;
    bool interval = false;
    if (Take("?")) {
      most = 1;
    } else if (Take("+")) {
      least = 1;
    } else if (!Take("*")) {
      if (!ParseInterval(&least, &most)) return false;
      interval = true;
    }
    NodePtr node = Make(Node::kRepeat);
    node->least = least;
    node->most = most;
    if (Take("?")) {
      node->lazy = true;
    } else if (!interval && Take("+")) {
      node->possessive = true;
      if ((*atom)->kind != Node::kSet) Fail("possessive repetition of more than a set", true);
    }
    node->children.push_back(std::move(*atom));
    *atom = std::move(node);
    return true;
  }

  // {n}, {n,}, {,m}, {n,m}; anything else is a literal brace.
  bool ParseInterval(std::uint32_t* least, std::uint32_t* most) {
    const std::size_t start = at_;
    if (!Take("{")) return false;
    const std::optional<std::uint32_t> first = ParseNumber();
    const bool comma = Take(",");
    const std::optional<std::uint32_t> second = comma ? ParseNumber() : std::nullopt;
    if (!Take("}") || (!first && !second)) {
      at_ = start;
      return false;
    }
    *least = first.value_or(0);
    *most = comma ? second.value_or(kNoLimit) : *least;
    if (*most < *least) std::swap(*least, *most);
    if (*least > kMaxRepeat || (*most != kNoLimit && *most > kMaxRepeat)) {
      Fail("a repetition of more than 1000");
    }
    return true;
  }
  std::optional<std::uint32_t> ParseNumber() {
    std::optional<std::uint32_t> n;
    while (More() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      n = std::min(n.value_or(0) * 10 + static_cast<std::uint32_t>(pattern_[at_++] - '0'), 100000u);
    }
    return n;
  }

  NodePtr ParseAtom() {
    if (Take("(")) return ParseGroup();
    if (Take("[")) {
      NodePtr node = Make(Node::kSet);
      ParseSet(&node->set);
      return node;
    }
    if (Take(".")) {
      NodePtr node = Make(Node::kSet);
      node->set.complement();
      if (!dot_all_) node->set.remove('\n');
      return node;
    }
    if (pattern_[at_] == '^' || pattern_[at_] == '$') return Assertion(pattern_[at_++]);
    if (Take("\\")) return ParseEscape();
    // A brace that is no interval is itself; other repetitions need something to repeat.
    std::uint32_t least, most;
    const bool repeats = pattern_[at_] == '*' || pattern_[at_] == '+' || pattern_[at_] == '?' ||
                         ParseInterval(&least, &most);
    if (repeats) {
      Fail("nothing to repeat");
      return nullptr;
    }
    return Literal(Next());
  }

  NodePtr Literal(char32_t c) {
    NodePtr node = Make(Node::kSet);
    node->set.add(static_cast<UChar32>(c));
    Fold(&node->set);
    return node;
  }
  NodePtr Assertion(char which) {
    NodePtr node = Make(Node::kAssert);
    node->assertion = which;
    return node;
  }
  void Fold(icu::UnicodeSet* set) const {
    if (fold_) set->closeOver(USET_CASE_INSENSITIVE).removeAllStrings();
  }

  NodePtr ParseGroup() {
    NodePtr look;
    if (Take("?")) {
      if (Take("#")) {
        const std::size_t end = pattern_.find(')', at_);
        if (end == std::string_view::npos)
          Fail("unterminated comment");
        else
          at_ = end + 1;
        return nullptr;
      }
      if (Take("=") || Take("!")) {
        look = Make(Node::kLook);
        look->negative = pattern_[at_ - 1] == '!';
      } else if (Take("<=") || Take("<!")) {
        look = Make(Node::kLook);
        look->behind = true;
        look->negative = pattern_[at_ - 1] == '!';
      } else if (Take("<")) {
        const std::size_t end = pattern_.find('>', at_);
        if (end == std::string_view::npos)
          Fail("unterminated group name");
        else
          at_ = end + 1;
      } else if (!Take(":")) {
        return ParseOptions();
      }
    }
    NodePtr inner = ParseChoice();
    if (!Take(")")) Fail("missing ')'");
    if (look == nullptr) return inner;
    look->children.push_back(std::move(inner));
    return look;
  }

  // (?im-x) for what follows in the group, (?im-x:...) for a group.
  NodePtr ParseOptions() {
    const bool fold = fold_, dot_all = dot_all_;
    bool on = true;
    for (; More() && pattern_[at_] != ':' && pattern_[at_] != ')'; ++at_) {
      if (pattern_[at_] == '-')
        on = false;
      else if (pattern_[at_] == 'i')
        fold_ = on;
      else if (pattern_[at_] == 'm')
        dot_all_ = on;
      else
        Fail("unknown kind of group", true);
      if (!More()) break;
    }
    if (Take(")")) {
      // To the end of the enclosing group, over alternatives.
      NodePtr rest = ParseChoice();
      return rest;
    }
    if (!Take(":")) Fail("missing ')'");
    NodePtr inner = ParseChoice();
    if (!Take(")")) Fail("missing ')'");
    fold_ = fold;
    dot_all_ = dot_all;
    return inner;
  }

  NodePtr ParseEscape() {
    if (!More()) {
      Fail("nothing after the last backslash");
      return nullptr;
    }
    const char c = pattern_[at_];
    if (std::string_view("AzZbB").find(c) != std::string_view::npos) {
      ++at_;
      return Assertion(c);
    }
    if (c == 'R') {
      ++at_;
      NodePtr choice = Make(Node::kChoice);
      NodePtr pair = Make(Node::kSequence);
      pair->children.push_back(Literal('\r'));
      pair->children.push_back(Literal('\n'));
      NodePtr one = Make(Node::kSet);
      one->set.add(0xA, 0xD).add(0x85).add(0x2028, 0x2029);
      choice->children.push_back(std::move(pair));
      choice->children.push_back(std::move(one));
      return choice;
    }
    NodePtr node = Make(Node::kSet);
    char32_t literal = 0;
    if (ParseEscaped(&node->set, &literal)) node->set.add(static_cast<UChar32>(literal));
    Fold(&node->set);
    return node;
  }

  // After a backslash, inside a set or out: adds a class to *set, or gives a literal (true).
  bool ParseEscaped(icu::UnicodeSet* set, char32_t* literal) {
    if (!More()) {
      Fail("nothing after the last backslash");
      return false;
    }
    const char32_t c = Next();
    switch (c) {
      case 'd':
      case 'D':
      case 'w':
      case 'W':
      case 's':
      case 'S':
      case 'h':
      case 'H':
        AddEscapeClass(static_cast<char>(c), set);
        return false;
      case 'p':
      case 'P':
        ParseProperty(c == 'P', set);
        return false;
      case 't':
        *literal = '\t';
        return true;
      case 'n':
        *literal = '\n';
        return true;
      case 'r':
        *literal = '\r';
        return true;
      case 'f':
        *literal = '\f';
        return true;
      case 'v':
        *literal = '\v';
        return true;
      case 'a':
        *literal = 7;
        return true;
      case 'e':
        *literal = 0x1B;
        return true;
      case 'x': {
        const bool braces = Take("{");
        *literal = ParseHex(braces ? 8 : 2);
        if (braces && !Take("}")) Fail("missing '}'");
        return true;
      }
      case 'u':
        *literal = ParseHex(4);
        return true;
      case '0':
        *literal = 0;
        return true;
      default:
        break;
    }
    const bool letter = (c >= '1' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (letter) Fail(std::string("escape \\") + static_cast<char>(c), true);
    *literal = c;
    return true;
  }
  char32_t ParseHex(int most) {
    char32_t value = 0;
    int digits = 0;
    for (; digits < most && More(); ++digits, ++at_) {
      const char c = pattern_[at_];
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<char32_t>(c - '0');
      else if (lower >= 'a' && lower <= 'f')
        value = value * 16 + static_cast<char32_t>(lower - 'a' + 10);
      else
        break;
    }
    if (digits == 0 || value > 0x10FFFF) Fail("no code point in hexadecimal digits");
    return value;
  }

  // After \p: {Name} or {^Name}.
  void ParseProperty(bool negated, icu::UnicodeSet* set) {
    const std::size_t end = pattern_.find('}', at_);
    if (!Take("{") || end == std::string_view::npos) return Fail("\\p without {name}");
    if (Take("^")) negated = !negated;
    const std::string_view name = pattern_.substr(at_, end - at_);
    icu::UnicodeSet chars;
    if (!FindRegexProperty(name, sets_open_ > 0, &chars)) return Fail("unknown property");
    if (negated) chars.complement();
    set->addAll(chars);
    at_ = end + 1;
  }

  void AddEscapeClass(char which, icu::UnicodeSet* set) const {
    icu::UnicodeSet chars;
    const char lower = static_cast<char>(which | 0x20);
    FindRegexProperty(lower == 'd'   ? "digit"
                      : lower == 'w' ? "word"
                      : lower == 's' ? "space"
                                     : "xdigit",
                      sets_open_ > 0, &chars);
    if (which != lower) chars.complement();
    set->addAll(chars);
  }

  // After '[': to the matching ']'.
  void ParseSet(icu::UnicodeSet* out) {
    if (++depth_ > Regex::kMaxDepth) Fail("sets are nested too deep");
    ++sets_open_;
    const bool negated = Take("^");
    icu::UnicodeSet all(0, 0x10FFFF);  // Of the operands of && so far.
    icu::UnicodeSet part;
    bool first = true;
    while (More()) {
      if (pattern_[at_] == ']' && !first) break;
      first = false;
      if (Take("&&")) {
        Fold(&part);
        all.retainAll(part);
        part.clear();
      } else if (Take("[")) {
        if (!ParsePosix(&part)) {
          icu::UnicodeSet inner;
          ParseSet(&inner);
          part.addAll(inner);
        }
      } else {
        ParseSetItem(&part);
      }
    }
    if (!Take("]")) Fail("missing ']'");
    Fold(&part);
    all.retainAll(part);
    if (negated) all.complement();
    *out = all;
    --sets_open_;
    --depth_;
  }
  bool ParsePosix(icu::UnicodeSet* set) {
    const std::size_t end = pattern_.find(":]", at_);
    if (pattern_.substr(at_, 1) != ":" || end == std::string_view::npos) return false;
    std::string_view name = pattern_.substr(at_ + 1, end - at_ - 1);
    const bool negated = name.substr(0, 1) == "^";
    if (negated) name.remove_prefix(1);
    icu::UnicodeSet chars;
    if (!FindRegexProperty(name, true, &chars)) return false;
    if (negated) chars.complement();
    set->addAll(chars);
    at_ = end + 2;
    return true;
  }
  // A character, a class, or a range of characters.
  void ParseSetItem(icu::UnicodeSet* set) {
    char32_t low = 0, high = 0;
    if (Take("\\")) {
      if (!ParseEscaped(set, &low)) return;
    } else {
      low = Next();
    }
    high = low;
    const bool range = pattern_.substr(at_, 1) == "-" && at_ + 1 < pattern_.size() &&
                       pattern_[at_ + 1] != ']' && pattern_[at_ + 1] != '[';
    if (range) {
      ++at_;
      if (Take("\\")) {
        if (!ParseEscaped(set, &high)) {  // "a-\d": the hyphen is itself.
          set->add(static_cast<UChar32>(low)).add('-');
          return;
        }
      } else {
        high = Next();
      }
      if (high < low) return Fail("empty range in a set");
    }
    set->add(static_cast<UChar32>(low), static_cast<UChar32>(high));
  }

  std::uint32_t AddSet(const icu::UnicodeSet& chars) {
    Regex::Set set;
    for (std::int32_t i = 0; i < chars.getRangeCount(); ++i) {
      auto low = static_cast<char32_t>(chars.getRangeStart(i));
      const auto high = static_cast<char32_t>(chars.getRangeEnd(i)) + 1;
      for (; low < high && low < 128; ++low) set.ascii[low >> 6] |= std::uint64_t{1} << (low & 63);
      if (low < high) set.bounds.insert(set.bounds.end(), {low, high});
    }
    out_.sets_.push_back(std::move(set));
    return static_cast<std::uint32_t>(out_.sets_.size() - 1);
  }

  std::uint32_t Here() const { return static_cast<std::uint32_t>(out_.program_.size()); }
  std::uint32_t Put(Regex::Instruction i) {
    if (out_.program_.size() >= Regex::kMaxProgram) {
      Fail("too long once repetitions are written out");
      return 0;
    }
    out_.program_.push_back(i);
    return Here() - 1;
  }
  std::uint32_t PutSplit(bool inside_look) {
    return Put({.op = Op::kSplit, .inside_look = inside_look, .branch = out_.branches_++});
  }
  // The branch at `split` goes to `inner` first, or last if it is lazy, and else to `outer`.
  void Aim(std::uint32_t split, bool lazy, std::uint32_t inner, std::uint32_t outer) {
    out_.program_[split].x = lazy ? outer : inner;
    out_.program_[split].y = lazy ? inner : outer;
  }

  void Emit(const Node& node, bool look) {
    if (!error_.empty()) return;
    switch (node.kind) {
      case Node::kEmpty:
        return;
      case Node::kSet:
        Put({.op = Op::kSet, .x = AddSet(node.set)});
        return;
      case Node::kSequence:
        for (const NodePtr& child : node.children) Emit(*child, look);
        return;
      case Node::kChoice:
        return EmitChoice(node, look);
      case Node::kRepeat:
        return EmitRepeat(node, look);
      case Node::kLook:
        return node.behind ? EmitBehind(node)
                           : EmitLook(*node.children[0], node.negative, Op::kLook, 0);
      case Node::kAssert:
        return EmitAssert(node.assertion);
    }
  }

  void EmitChoice(const Node& node, bool look) {
    std::vector<std::uint32_t> ends;
    for (std::size_t i = 0; i < node.children.size() && error_.empty(); ++i) {
      const bool last = i + 1 == node.children.size();
      const std::uint32_t split = last ? 0 : PutSplit(look);
      const std::uint32_t begin = Here();
      Emit(*node.children[i], look);
      if (last) break;
      ends.push_back(Put({.op = Op::kJump}));
      if (error_.empty()) Aim(split, false, begin, Here());
    }
    if (!error_.empty()) return;
    for (const std::uint32_t end : ends) out_.program_[end].x = Here();
  }

  void EmitRepeat(const Node& node, bool look) {
    const Node& body = *node.children[0];
    for (std::uint32_t i = 0; i < node.least && error_.empty(); ++i) Emit(body, look);
    if (node.possessive) {
      const std::uint32_t most = node.most == kNoLimit ? 0 : node.most;
      Put({.op = Op::kRun, .x = AddSet(body.set), .y = most, .branch = out_.runs_++});
      return;
    }
    if (node.most == kNoLimit) {
      const std::uint32_t split = PutSplit(look);
      Emit(body, look);
      Put({.op = Op::kJump, .x = split});
      if (error_.empty()) Aim(split, node.lazy, split + 1, Here());
      return;
    }
    std::vector<std::uint32_t> splits;
    for (std::uint32_t i = node.least; i < node.most && error_.empty(); ++i) {
      splits.push_back(PutSplit(look));
      Emit(body, look);
    }
    if (!error_.empty()) return;
    for (const std::uint32_t split : splits) Aim(split, node.lazy, split + 1, Here());
  }

  void EmitLook(const Node& body, bool negative, Op op, std::uint32_t count) {
    out_.has_looks_ = true;
    const std::uint32_t at = Put({.op = op, .negative = negative, .x = Here() + 1, .count = count});
    Emit(body, true);
    Put({.op = Op::kAccept});
    if (error_.empty()) out_.program_[at].y = Here();
  }

  // Alternatives may differ in length: looked for one by one, any of them (or none, if negative).
  void EmitBehind(const Node& node) {
    const Node& body = *node.children[0];
    std::vector<const Node*> options;
    if (body.kind == Node::kChoice) {
      for (const NodePtr& child : body.children) options.push_back(child.get());
    } else {
      options.push_back(&body);
    }
    std::vector<std::uint32_t> ends;
    for (std::size_t i = 0; i < options.size() && error_.empty(); ++i) {
      const std::optional<std::uint32_t> length = LengthOf(*options[i]);
      if (!length) return Fail("look-behind of no fixed length", true);
      const bool more = i + 1 < options.size() && !node.negative;
      const std::uint32_t split = more ? PutSplit(false) : 0;
      EmitLook(*options[i], node.negative, Op::kBehind, *length);
      if (!more || !error_.empty()) continue;
      ends.push_back(Put({.op = Op::kJump}));
      Aim(split, false, split + 1, Here());
    }
    if (!error_.empty()) return;
    for (const std::uint32_t end : ends) out_.program_[end].x = Here();
  }

  // In characters, where it is always the same.
  static std::optional<std::uint32_t> LengthOf(const Node& node) {
    std::uint32_t sum = 0;
    switch (node.kind) {
      case Node::kSet:
        return 1;
      case Node::kSequence:
        for (const NodePtr& child : node.children) {
          const auto one = LengthOf(*child);
          if (!one) return one;
          sum += *one;
        }
        return sum;
      case Node::kChoice:
        for (const NodePtr& child : node.children) {
          const auto one = LengthOf(*child);
          if (!one || *one != LengthOf(*node.children[0])) return std::nullopt;
          sum = *one;
        }
        return sum;
      case Node::kRepeat: {
        const auto one = LengthOf(*node.children[0]);
        if (!one || node.least != node.most) return std::nullopt;
        return *one * node.least;
      }
      default:
        return 0;
    }
  }

  void EmitAssert(char which) {
    switch (which) {
      case '^':
        Put({.op = Op::kLineStart});
        return;
      case '$':
        Put({.op = Op::kLineEnd});
        return;
      case 'A':
        Put({.op = Op::kTextStart});
        return;
      case 'z':
        Put({.op = Op::kTextEnd});
        return;
      case 'Z':
        Put({.op = Op::kTextEndOrLine});
        return;
      case 'b':
        Put({.op = Op::kWordEdge});
        return;
      default:
        Put({.op = Op::kNoWordEdge});
        return;
    }
  }

  const std::string_view pattern_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int sets_open_ = 0;
  bool fold_ = false;
  bool dot_all_ = false;
  std::string error_;
  std::size_t error_at_ = 0;
  bool unsupported_ = false;
  Regex out_;
};

Result<Regex> Regex::Compile(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) {
    return Error(Code::kInvalidArgument, "regular expression of " + std::to_string(pattern.size()) +
                                             " bytes is longer than " +
                                             std::to_string(kMaxPattern));
  }
  if (!IsValidUtf8(pattern))
    return Error(Code::kInvalidArgument, "regular expression is not UTF-8");
  return RegexCompiler(pattern).Compile();
}

}  // namespace malmoi::text
