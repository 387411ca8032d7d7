#include "text/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "text/tokenizer/chars.h"

namespace malmoi::text {
namespace {

constexpr std::size_t kMaxBytes = 1024;  // Of a token: at each place of a text so much is compared.
// A text of blanks and a token that takes them would make pieces of quadratic length in all.
constexpr std::size_t kMaxOverlap = 64;

}  // namespace

Result<AddedTokens> AddedTokens::Read(const json::Value* list, const Model& model,
                                      const Normalizer* normalizer) {
  AddedTokens out;
  if (list == nullptr) return out;
  auto next_id = static_cast<std::int32_t>(model.size());
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  std::unordered_map<std::string, std::size_t> indices;  // Of tokens_, by content.
  for (const json::Value& item : list->items()) {
    AddedToken token;
    token.content = item.GetString("content");
    if (token.content.empty()) continue;
    token.single_word = item.GetBool("single_word");
    token.lstrip = item.GetBool("lstrip");
    token.rstrip = item.GetBool("rstrip");
    token.special = item.GetBool("special");
    token.normalized = item.GetBool("normalized", !token.special);
    if (token.content.size() > kMaxBytes) {
      return Error(Code::kInvalidArgument,
                   "added token of " + std::to_string(token.content.size()) +
                       " bytes is longer than " + std::to_string(kMaxBytes));
    }
    const auto [place, fresh] = indices.emplace(token.content, out.tokens_.size());
    const bool repeated = !fresh;
    token.id = repeated ? out.tokens_[place->second].id : model.IdOf(token.content);
    if (token.id < 0) {
      token.id = next_id++;
      ++out.beyond_model_;
    }
    token.shown = token.content;
    if (token.normalized && normalizer != nullptr) {
      Normalized text;
      TokenizerScratch scratch;
      text.Assign(token.content, 0);
      normalizer->Normalize(&text, &scratch);
      token.shown = std::move(text.text);
    }
    out.end_id_ = std::max(out.end_id_, token.id + 1);
    if (repeated) {
      out.tokens_[place->second] = std::move(token);
    } else {
      out.tokens_.push_back(std::move(token));
    }
  }
  for (std::size_t i = 0; i < out.tokens_.size(); ++i) {
    out.by_id_[out.tokens_[i].id] = i;
    keys.emplace_back(out.tokens_[i].content, static_cast<std::int32_t>(i));
  }
  out.by_content_ = ByteTrie::Build(std::move(keys));
  out.raw_ = out.MakeMatcher(false);
  out.normalized_ = out.MakeMatcher(true);
  return out;
}

AddedTokens::Matcher AddedTokens::MakeMatcher(bool normalized) const {
  Matcher matcher;
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  // Of tokens that normalizing made equal the first special one counts, else the first: the last
  // key of these lists. (The package takes any of them, another at each start.)
  for (const bool special : {false, true}) {
    for (std::size_t i = tokens_.size(); i-- > 0;) {
      const AddedToken& token = tokens_[i];
      if (token.normalized != normalized || token.special != special) continue;
      const std::string& pattern = normalized ? token.shown : token.content;
      matcher.empty = false;
      if (pattern.empty()) {
        matcher.nothing = static_cast<std::int32_t>(i);
        matcher.starts.fill(true);
        continue;
      }
      keys.emplace_back(pattern, static_cast<std::int32_t>(i));
      matcher.starts[static_cast<unsigned char>(pattern[0])] = true;
    }
  }
  matcher.trie = ByteTrie::Build(std::move(keys));
  return matcher;
}

const AddedToken* AddedTokens::ById(std::int32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &tokens_[it->second];
}

const AddedToken* AddedTokens::ByContent(std::string_view content) const {
  const std::int32_t index = by_content_.Find(content);
  return index < 0 ? nullptr : &tokens_[static_cast<std::size_t>(index)];
}

bool AddedTokens::keeps_to_words() const {
  return std::none_of(tokens_.begin(), tokens_.end(), [](const AddedToken& token) {
    return token.normalized && (token.rstrip || token.lstrip ||
                                token.shown.find_first_of(" \t\r\n") != std::string::npos);
  });
}

bool AddedTokens::IsWholeWord(std::string_view text, std::size_t begin, std::size_t end) const {
  std::size_t size = 0;
  if (begin > 0 && Has(ReadRune(text, PreviousRune(text, begin), &size), kWord)) return false;
  return end == text.size() || !Has(ReadRune(text, end, &size), kWord);
}

AddedTokens::Match AddedTokens::MatchAt(const Matcher& matcher, std::string_view text,
                                        std::size_t at) const {
  Match match{matcher.nothing, at};
  ByteTrie::Node node = ByteTrie::kRoot;
  for (std::size_t i = at; i < text.size(); ++i) {
    node = matcher.trie.Child(node, text[i]);
    if (node == ByteTrie::kNone) break;
    if (matcher.trie.IdAt(node) < 0) continue;
    match = {matcher.trie.IdAt(node), i + 1};
  }
  return match;
}

void AddedTokens::Find(std::string_view text, bool normalized, std::vector<Piece>* pieces) const {
  const Matcher& matcher = normalized ? normalized_ : raw_;
  std::size_t done = 0;                // End of the last piece.
  std::size_t taken = 0;               // Up to here rstrip has looked for spaces.
  std::size_t last = text.size() + 1;  // End of the last match: the empty one is not there.
  std::size_t at = 0, size = 0;
  const std::size_t end = matcher.empty || text.empty() ? 0 : text.size() + (matcher.nothing >= 0);
  while (at < end) {
    const bool skipped = at < text.size() && !matcher.starts[static_cast<unsigned char>(text[at])];
    const Match match = skipped ? Match() : MatchAt(matcher, text, at);
    if (match.index < 0 || (match.end == at && last == at)) {
      ++at;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.index)];
    std::size_t start = at, stop = match.end;
    last = at = match.end;
    if (token.single_word && !IsWholeWord(text, start, stop)) continue;
    // Not past `done`: the token before may have taken those spaces.
    while (token.lstrip && start > done) {
      const std::size_t before = PreviousRune(text, start);
      if (!Has(ReadRune(text, before, &size), kSpace)) break;
      start = before;
    }
    if (token.lstrip) start = std::max(start, done);
    if (token.rstrip && start + kMaxOverlap >= taken) {
      stop = std::max(stop, taken);
      while (stop < text.size() && Has(ReadRune(text, stop, &size), kSpace)) stop += size;
      taken = stop;
    }
    if (start > done) pieces->push_back({done, start, -1});
    if (start < stop) pieces->push_back({start, stop, token.id});
    done = stop;
  }
  if (done < text.size()) pieces->push_back({done, text.size(), -1});
}

}  // namespace malmoi::text
