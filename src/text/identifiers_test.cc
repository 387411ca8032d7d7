// Goal: the tokenizer `code` cuts as the real engine does. Method: the words and compounds of texts
// whose tokens were found by asking qdrant-edge-py 0.9.0 for every piece of them.
#include "text/identifiers.h"

#include <doctest/doctest.h>

#include "base/strings.h"
#include "text/search_tokens.h"

namespace malmoi::text {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("identifiers are cut at underscores and capitals") {
  CHECK(SplitCode("getUserName").words == Words{"get", "User", "Name"});
  CHECK(SplitCode("getUserName").compounds == Words{"getUserName"});
  CHECK(SplitCode("get_user_name").words == Words{"get", "user", "name"});
  CHECK(SplitCode("get_user_name").compounds == Words{"getusername"});
  CHECK(SplitCode("snake_CASE_MixedCase").words == Words{"snake", "CASE", "Mixed", "Case"});
  CHECK(SplitCode("snake_CASE_MixedCase").compounds == Words{"MixedCase", "snakeCASEMixedCase"});
  CHECK(SplitCode("HTTP_Server2Go").words == Words{"HTTP", "Server2", "Go"});
  CHECK(SplitCode("abcDEFghi").words == Words{"abc", "DE", "Fghi"});
  CHECK(SplitCode("A1B2 aB").words == Words{"A1", "B2", "a", "B"});
  CHECK(SplitCode("__x__y").words == Words{"x", "y"});
  CHECK(SplitCode("___").words.empty());
  CHECK(SplitCode("std::vector<int>").compounds.empty());
}

TEST_CASE("numbers stay whole") {
  CHECK(SplitCode("100_000 0xFF 1Ab x86_64").words == Words{"100000", "0xFF", "1Ab", "x86", "64"});
  CHECK(SplitCode("1_000_Ab").compounds.empty());
  CHECK(SplitCode("1.5e-3").words == Words{"1", "5e", "3"});
}

TEST_CASE("other scripts and broken bytes") {
  CHECK(SplitCode("NAME日本 ²NAME").words == Words{"NAM", "E日本", "²", "NAME"});
  CHECK(SplitCode("한국어getName").words == Words{"한국어get", "Name"});
  CHECK(SplitCode("größeÜber café_Über").words == Words{"größe", "Über", "café", "Über"});
  CHECK(SplitCode("a\xff_b\xf0").words == Words{"a", "b"});
  CHECK(SplitCode("").words.empty());
}

TEST_CASE("documents have compounds, queries do not") {
  const auto tokens = SearchTokens::Create({.tokenizer = SearchTokenOptions::Tokenizer::kCode});
  REQUIRE(tokens.ok());
  CHECK(tokens.value()->Document("fooBar x") == Words{"foo", "bar", "x", "foobar"});
  CHECK(tokens.value()->Query("fooBar x") == Words{"foo", "bar", "x"});
}

}  // namespace
}  // namespace malmoi::text
