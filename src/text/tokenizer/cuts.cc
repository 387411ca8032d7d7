#include "text/tokenizer/cuts.h"

#include "text/tokenizer/chars.h"

namespace malmoi::text {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// Neither a blank nor another control character.
bool IsInk(char c) {
  return static_cast<unsigned char>(c) > 0x20 && c != 0x7F;
}

}  // namespace

Cuts::Cuts(const Normalizer* normalizer, const PreTokenizer* pre_tokenizer,
           const AddedTokens& added) {
  const AtCut before = normalizer != nullptr ? normalizer->at_cut() : AtCut::kDrops;
  const AtCut at = pre_tokenizer != nullptr ? pre_tokenizer->at_cut() : AtCut::kDepends;
  enabled_ = before != AtCut::kDepends && (at == AtCut::kSplits || at == AtCut::kDrops) &&
             added.keeps_to_words();
  if (!enabled_) return;
  first_is_special_ = pre_tokenizer->looks_at_start();
  any_blanks_ = before == AtCut::kDrops && at == AtCut::kDrops;
  if (normalizer == nullptr) return;
  Normalized end;
  TokenizerScratch scratch;
  end.Assign("\n", 0);
  normalizer->Normalize(&end, &scratch);
  line_ends_ = end.text == " " && !scratch.drifted;
}

bool Cuts::MayFollow(std::string_view s, std::size_t at) const {
  if (static_cast<signed char>(s[at - 1]) >= 0) return IsInk(s[at - 1]);
  std::size_t size = 0;
  const std::uint32_t flags = FlagsOf(ReadRune(s, PreviousRune(s, at), &size));
  const Cluster cluster = ClusterOf(flags);
  return (flags & kSpace) == 0 && cluster != Cluster::kPrepend && cluster != Cluster::kControl;
}

std::size_t Cuts::Next(std::string_view s, std::size_t at) const {
  while (at < s.size() && IsBlank(s[at])) ++at;
  for (++at; at < s.size(); ++at) {
    const char c = s[at];
    if (static_cast<unsigned char>(c) > 0x20) continue;
    const bool here = any_blanks_ ? IsBlank(c)
                                  : (c == ' ' || (c == '\n' && line_ends_)) && at + 1 < s.size() &&
                                        IsInk(s[at + 1]);
    if (here && MayFollow(s, at)) return at;
  }
  return s.size();
}

std::size_t Cuts::Skippable(std::string_view part) const {
  std::size_t count = 0;
  while (any_blanks_ && count < part.size() && IsBlank(part[count])) ++count;
  return count;
}

bool Cuts::IsSound(const Normalized& part, bool drifted, bool first, bool last) const {
  if (drifted) return false;
  if (any_blanks_) return true;
  const std::string_view s = part.text;
  if (s.empty()) return first && last;
  if (!first && s[0] != ' ') return false;
  std::size_t size = 0;
  return last || !Has(ReadRune(s, PreviousRune(s, s.size()), &size), kSpace);
}

}  // namespace malmoi::text
