// Goal: added tokens are found where the package finds them: next to spaces that they take, where
// normalizing makes them equal or leaves nothing of them; in linear space on hostile text.
// Method: answers of tokenizers 0.23.3 (ids and offsets), and a text of blanks alone.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace malmoi::text {
namespace {

std::shared_ptr<const Tokenizer> Make(const std::string& added, const std::string& normalizer) {
  const auto made =
      Tokenizer::FromJson(R"({"added_tokens":[)" + added + R"(],"normalizer":)" + normalizer +
                          R"(,"model":{"type":"WordLevel","unk_token":"?","vocab":{"?":0}}})");
  REQUIRE(made.ok());
  return made.value();
}

std::string Token(int id, const std::string& content, const std::string& flags) {
  return R"({"id":)" + std::to_string(id) + R"(,"content":")" + content + R"(",)" + flags + "}";
}

// id, begin, end, ...
std::vector<std::int64_t> Encode(const Tokenizer& tokenizer, const std::string& text) {
  const Encoding e = tokenizer.Encode(text);
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < e.size(); ++i) {
    out.insert(out.end(), {e.ids[i], e.offsets[i].begin, e.offsets[i].end});
  }
  return out;
}

using List = std::vector<std::int64_t>;

TEST_CASE("spaces that a token takes may begin the next one") {
  const auto of = Make(Token(1, " of", R"("rstrip":true,"normalized":true)"), "null");
  CHECK(Encode(*of, " of  of") == List{1, 0, 5, 1, 4, 7});
  CHECK(Encode(*of, " of of") == List{1, 0, 4, 1, 3, 6});
  CHECK(Encode(*of, "a of  of b") == List{0, 0, 1, 1, 1, 6, 1, 5, 9, 0, 9, 10});
  const auto two = Make(Token(1, "of ", R"("lstrip":true,"normalized":true)") + "," +
                            Token(2, " x", R"("rstrip":true,"normalized":true)"),
                        "null");
  CHECK(Encode(*two, " x of ") == List{2, 0, 3, 1, 3, 6});
  CHECK(Encode(*two, "  of  of ") == List{1, 0, 5, 1, 5, 9});
}

TEST_CASE("a token of which normalizing leaves nothing is everywhere") {
  const std::string gone = R"({"type":"Replace","pattern":{"String":"zz"},"content":""})";
  const std::string of = Token(2, "of", R"("normalized":true)");
  const auto plain = Make(Token(1, "zz", R"("normalized":true)") + "," + of, gone);
  CHECK(Encode(*plain, "abc") == List{0, 0, 1, 0, 1, 2, 0, 2, 3});
  CHECK(Encode(*plain, "ofof") == List{2, 0, 2, 2, 2, 4});
  CHECK(Encode(*plain, "zza") == List{0, 2, 3});
  CHECK(Encode(*plain, "zz").empty());
  const auto right = Make(Token(1, "zz", R"("rstrip":true,"normalized":true)") + "," + of, gone);
  CHECK(Encode(*right, "a  b") == List{0, 0, 1, 1, 1, 3, 1, 2, 3, 0, 3, 4});
  CHECK(Encode(*right, "a of b") == List{0, 0, 1, 1, 1, 2, 2, 2, 4, 0, 4, 5, 0, 5, 6});
  const auto left = Make(Token(1, "zz", R"("lstrip":true,"normalized":true)") + "," + of, gone);
  CHECK(Encode(*left, "   ") == List{1, 0, 1, 1, 1, 2, 1, 2, 3});
  // The package fails on more than one byte; here such a text is cut between characters.
  CHECK(Encode(*plain, "한글") == List{0, 0, 3, 0, 3, 6});
}

TEST_CASE("tokens that take each other's blanks stay short on a text of blanks") {
  const auto greedy = Make(Token(1, " ", R"("rstrip":true,"normalized":true)") + "," +
                               Token(2, "\u00a0", R"("normalized":true)"),
                           "null");
  std::string text;
  for (int i = 0; i < 5000; ++i) text += " \u00a0";
  const Encoding e = greedy->Encode(text);
  std::size_t bytes = 0;
  for (const auto& span : e.offsets) bytes += span.end - span.begin;
  CHECK(e.size() > 5000);
  CHECK(bytes < 50 * text.size());
}

}  // namespace
}  // namespace malmoi::text
