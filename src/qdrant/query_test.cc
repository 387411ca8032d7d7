// Goal: fusion, example queries, MMR and BM25 give the values of their formulas.
// Method: small inputs worked out by hand; published hash values.
#include <doctest/doctest.h>

#include <cmath>

#include "qdrant/bm25.h"
#include "qdrant/query_run_internal.h"

namespace malmoi::qdrant {
namespace {

Ranked List(std::initializer_list<std::pair<std::uint64_t, float>> hits) {
  Ranked list;
  for (const auto& [id, score] : hits) list.push_back({.id = id, .score = score});
  return list;
}
std::uint64_t IdAt(const Ranked& list, std::size_t i) {
  return std::get<std::uint64_t>(list[i].id);
}

TEST_CASE("reciprocal ranks are added, weights stretch them") {
  const std::vector<Ranked> lists = {List({{1, 9}, {2, 8}}), List({{2, 1}, {3, 0.5f}})};
  const auto plain = FuseRrf(lists, {});
  REQUIRE(plain.ok());
  CHECK(IdAt(plain.value(), 0) == 2);
  CHECK(plain.value()[0].score == doctest::Approx(1.0 / 3 + 1.0 / 2));
  CHECK(plain.value()[1].score == doctest::Approx(0.5));
  const auto weighted = FuseRrf(lists, {.k = 60, .weights = std::vector<float>{1, 3}});
  REQUIRE(weighted.ok());
  CHECK(weighted.value()[0].score == doctest::Approx(1.0 / 61 + 1.0 / (1.0 / 3 + 59)));
  const auto wrong = FuseRrf(lists, {.k = 2, .weights = std::vector<float>{1}});
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().message().find("RRF weights length (1)") != std::string::npos);
}

TEST_CASE("distribution-based fusion normalises by three deviations") {
  const Ranked fused = FuseDbsf({List({{1, 3}, {2, 2}, {3, 1}}), List({{2, 7}})});
  CHECK(IdAt(fused, 0) == 2);
  CHECK(fused[0].score == doctest::Approx(1.0));  // The mean, 0.5, and a list of one, 0.5.
  CHECK(fused[1].score == doctest::Approx(0.5 + 1.0 / 6));
}

TEST_CASE("similarities combine as the strategies say") {
  const std::vector<float> s = {0.5f, 0.8f, 0.2f};
  const auto sigmoid = [](float x) { return 0.5f * (x / (1 + std::fabs(x)) + 1); };
  CHECK(CombineBestScore(2)(s) == doctest::Approx(sigmoid(0.8f)));
  CHECK(CombineBestScore(0)(s) == doctest::Approx(-sigmoid(0.8f)));
  CHECK(CombineSumScores(2)(s) == doctest::Approx(1.1));
  CHECK(CombineDiscover()(s) == doctest::Approx(1 + sigmoid(0.5f)));
  CHECK(CombineContext()(std::vector<float>{0.8f, 0.2f}) == doctest::Approx(0));
  CHECK(CombineContext()(std::vector<float>{0.2f, 0.8f}) == doctest::Approx(-0.6 / 1.6));
  FeedbackQuery feedback;
  feedback.feedback = {{.example = {}, .score = 1}, {.example = {}, .score = 0.5f}};
  feedback.a = 2, feedback.b = 1, feedback.c = 4;
  CHECK(CombineFeedback(feedback)(s) == doctest::Approx(2 * 0.5 + 0.5 * 4 * (0.8 - 0.2)));
}

TEST_CASE("MMR takes the most relevant, then what differs from it") {
  const auto similarity = [](std::size_t a, std::size_t b) { return a + b == 1 ? 1.0f : 0.0f; };
  CHECK(SelectMmr({0.9f, 0.8f, 0.5f}, similarity, 0.5f, 2) == std::vector<std::size_t>{0, 2});
  CHECK(SelectMmr({0.9f, 0.8f, 0.5f}, similarity, 1.0f, 2) == std::vector<std::size_t>{0, 1});
  CHECK(SelectMmr({}, similarity, 0.5f, 2).empty());
}

TEST_CASE("averages of examples pull twice towards the positive") {
  const auto merged =
      AverageForRecommend({DenseVector{1, 2}, DenseVector{3, 4}}, {DenseVector{1, 1}});
  REQUIRE(merged.ok());
  CHECK(std::get<DenseVector>(merged.value()) == DenseVector{3, 5});
  CHECK(!AverageForRecommend({}, {}).ok());
  CHECK(!AverageForRecommend({DenseVector{1}, vec::SparseVector{{1}, {1}}}, {}).ok());
}

TEST_CASE("BM25 terms have the value of the formula and Murmur's indices") {
  CHECK(Murmur3("") == 0);
  CHECK(Murmur3("hello") == 0x248bfa47u);
  CHECK(Murmur3("hello, world") == 0x149bbb7fu);
  CHECK(Murmur3("The quick brown fox jumps over the lazy dog") == 0x2e4ff723u);
  std::uint64_t tokens = 0;
  const auto document = Bm25Embed("cat cat dog", json::Value(), false, &tokens);
  REQUIRE(document.ok());
  CHECK(tokens == 3);
  REQUIRE(document.value().values.size() == 2);
  const double norm = 1.2 * (1 - 0.75 + 0.75 * 3 / 256);
  const float two = static_cast<float>(2 * 2.2 / (norm + 2));
  CHECK((document.value().values[0] == two || document.value().values[1] == two));
  const auto query = Bm25Embed("cats and dogs", json::Value(), true, &tokens);
  REQUIRE(query.ok());
  CHECK(query.value().indices == document.value().indices);  // Stemmed; "and" is a stop word.
  const auto bad = json::Parse(R"({"b":2})");
  CHECK(!Bm25Embed("x", bad.value(), true, nullptr).ok());
}

}  // namespace
}  // namespace malmoi::qdrant
