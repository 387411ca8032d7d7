// Goal: pairs, their type ids and their truncation are those of the tokenizers package.
// Method: tiny vocabularies; expected values worked out from the package's LongestFirst rule and
// checked once against the package 0.23.3 (tools/diff_tokenizer.py compares at length by hand).
#include <doctest/doctest.h>

#include "text/tokenizer.h"

namespace malmoi::text {
namespace {

constexpr const char* kWords =
    R"("model":{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##",)"
    R"("max_input_chars_per_word":100,"vocab":{"?":0,"<":1,">":2,"a":3,"b":4,"c":5,"d":6,"e":7}},)"
    R"("pre_tokenizer":{"type":"WhitespaceSplit"},)";

std::shared_ptr<const Tokenizer> Make(const std::string& processor) {
  const std::string json = std::string("{") + kWords + "\"post_processor\":" + processor + "}";
  auto tokenizer = Tokenizer::FromJson(json);
  REQUIRE_MESSAGE(tokenizer.ok(), (tokenizer.ok() ? "" : tokenizer.error().message()));
  return tokenizer.value();
}

using Ids = std::vector<std::int32_t>;

TEST_CASE("each processor's pair template") {
  const auto bert = Make(R"({"type":"BertProcessing","sep":[">",2],"cls":["<",1]})");
  const Encoding b = bert->EncodePair("a b", "c");
  CHECK(b.ids == Ids{1, 3, 4, 2, 5, 2});
  CHECK(b.type_ids == Ids{0, 0, 0, 0, 1, 1});
  CHECK(b.special == std::vector<std::uint8_t>{1, 0, 0, 1, 0, 1});
  CHECK(b.offsets[4].begin == 0);
  CHECK(b.offsets[4].end == 1);
  CHECK(bert->EncodePair("a", "c", {.add_special_tokens = false}).type_ids == Ids{0, 1});

  const auto roberta = Make(R"({"type":"RobertaProcessing","sep":[">",2],"cls":["<",1]})");
  const Encoding r = roberta->EncodePair("a", "c");
  CHECK(r.ids == Ids{1, 3, 2, 2, 5, 2});
  CHECK(r.type_ids == Ids{0, 0, 0, 0, 0, 0});

  const auto free =
      Make(R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],)"
           R"("pair":[{"Sequence":{"id":"B","type_id":2}},{"SpecialToken":{"id":">","type_id":5}},)"
           R"({"Sequence":{"id":"A","type_id":1}}],"special_tokens":{">":{"id":">","ids":[2]}}})");
  const Encoding t = free->EncodePair("a", "c");
  CHECK(t.ids == Ids{5, 2, 3});
  CHECK(t.type_ids == Ids{2, 5, 1});
  CHECK(Make("null")->EncodePair("a", "c").type_ids == Ids{0, 1});
}

TEST_CASE("a pair is cut longest first, then both to half, on the side that is asked for") {
  const auto bert = Make(R"({"type":"BertProcessing","sep":[">",2],"cls":["<",1]})");
  CHECK(bert->EncodePair("a", "b c d e", {.max_tokens = 6}).ids == Ids{1, 3, 2, 4, 5, 2});
  CHECK(bert->EncodePair("b c d e", "a", {.max_tokens = 6}).ids == Ids{1, 4, 5, 2, 3, 2});
  CHECK(bert->EncodePair("a b c", "c d e", {.max_tokens = 8}).ids == Ids{1, 3, 4, 2, 5, 6, 7, 2});
  CHECK(bert->EncodePair("a b c", "c d e a", {.max_tokens = 6, .cut_left = true}).ids ==
        Ids{1, 5, 2, 7, 3, 2});
  CHECK(bert->EncodePair("a b c", "c d e", {.max_tokens = 3}).ids == Ids{1, 2, 2});
}

TEST_CASE("a single text is cut on either side, inside its template") {
  const auto bert = Make(R"({"type":"BertProcessing","sep":[">",2],"cls":["<",1]})");
  CHECK(bert->Encode("a b c d", {.max_tokens = 4}).ids == Ids{1, 3, 4, 2});
  const Encoding left = bert->Encode("a b c d", {.max_tokens = 4, .cut_left = true});
  CHECK(left.ids == Ids{1, 5, 6, 2});
  CHECK(left.offsets[1].begin == 4);
}

}  // namespace
}  // namespace malmoi::text
