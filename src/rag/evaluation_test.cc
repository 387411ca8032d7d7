// Goal: the figures are trec_eval's; fusion and lexical weights follow their formulas.
// Method: stored trec_eval results (tools/make_golden/trec_eval.py); small cases by hand.
#include "rag/evaluation.h"

#include <doctest/doctest.h>

#include <cmath>

#include "json/value.h"
#include "os/vfs.h"
#include "rag/fusion.h"
#include "rag/lexical.h"

using namespace malmoi;

namespace {

rag::Candidate MakeCandidate(std::uint64_t id, float dense, float lexical) {
  rag::Candidate c;
  c.id = id;
  c.dense = dense;
  c.has_dense = dense >= 0;
  c.lexical = lexical;
  c.has_lexical = lexical >= 0;
  return c;
}

}  // namespace

TEST_CASE("every figure equals trec_eval's on stored runs") {
  const auto text =
      os::ReadFile(os::PosixVfs(), std::string(MALMOI_SOURCE_DIR) + "/tests/golden/trec_eval.json");
  REQUIRE(text.ok());
  const json::Value sets = json::Parse(text.value()).value();
  REQUIRE(sets.items().size() == 6);
  for (const json::Value& set : sets.items()) {
    rag::Qrels qrels;
    rag::Run run;
    for (const auto& [query, judged] : set.Find("qrels")->members()) {
      for (const auto& [id, r] : judged.members()) qrels[query][id] = static_cast<int>(*r.AsInt());
    }
    for (const auto& [query, ranked] : set.Find("run")->members()) {
      for (const auto& [id, s] : ranked.members()) run[query].emplace_back(id, *s.AsDouble());
    }
    const auto got = rag::Evaluate(qrels, run);
    CHECK(got.size() == qrels.size());
    for (const auto& [query, expected] : set.Find("expected")->members()) {
      CAPTURE(query);
      const rag::QueryMetrics& m = got.at(query);
      CHECK(m.ndcg_10 == doctest::Approx(expected.GetDouble("ndcg_cut_10")).epsilon(1e-9));
      CHECK(m.map == doctest::Approx(expected.GetDouble("map")).epsilon(1e-9));
      CHECK(m.recall_10 == doctest::Approx(expected.GetDouble("recall_10")).epsilon(1e-9));
      CHECK(m.recall_100 == doctest::Approx(expected.GetDouble("recall_100")).epsilon(1e-9));
      CHECK(m.mrr_10 == doctest::Approx(expected.GetDouble("recip_rank_10")).epsilon(1e-9));
    }
    CHECK(got.at("q11").ndcg_10 == 0);
  }
}

TEST_CASE("the bootstrap interval holds the mean, repeats, and narrows with more queries") {
  std::vector<double> few;
  std::vector<double> many;
  for (int i = 0; i < 1000; ++i) {
    const double v = (i * 7919 % 1000) / 1000.0;
    if (i < 30) few.push_back(v);
    many.push_back(v);
  }
  const rag::Interval a = rag::Bootstrap(few);
  const rag::Interval b = rag::Bootstrap(many);
  CHECK(a.low < a.mean);
  CHECK(a.mean < a.high);
  CHECK(b.high - b.low < a.high - a.low);
  CHECK(rag::Bootstrap(few).low == a.low);
  // Standard error of the mean of a uniform sample of 1,000: 0.0091; 1.96 of it each way.
  CHECK(b.high - b.low == doctest::Approx(4 * 0.0091 * 0.98).epsilon(0.15));
}

TEST_CASE("completed min-max scores missing lexical as 0 and missing dense as the lowest") {
  std::vector<rag::Candidate> c = {MakeCandidate(1, 0.9f, -1), MakeCandidate(2, 0.7f, 8),
                                   MakeCandidate(3, -1, 4)};
  rag::Fuse(rag::FusionMethod::kMinMax, 0.6f, &c);
  // Dense: 1, 0, 0 (filled with 0.7); lexical: 0, 1, 0.5.
  CHECK(c[0].id == vec::PointId(1ul));
  CHECK(c[0].fused == doctest::Approx(0.6));
  CHECK(c[1].fused == doctest::Approx(0.4));
  CHECK(c[2].fused == doctest::Approx(0.2));
}

TEST_CASE("a lexical leg without a hit, or a dense leg without vectors, leaves the other one") {
  std::vector<rag::Candidate> dense_only = {MakeCandidate(1, 0.5f, -1), MakeCandidate(2, 0.9f, -1)};
  rag::Fuse(rag::FusionMethod::kMinMax, 0.6f, &dense_only);
  CHECK(dense_only[0].id == vec::PointId(2ul));
  CHECK(dense_only[0].fused == doctest::Approx(1));
  std::vector<rag::Candidate> lexical_only = {MakeCandidate(1, -1, 5), MakeCandidate(2, -1, 9)};
  rag::Fuse(rag::FusionMethod::kMinMax, 0.6f, &lexical_only);
  CHECK(lexical_only[0].id == vec::PointId(2ul));
  CHECK(lexical_only[0].fused == doctest::Approx(1));
}

TEST_CASE("reciprocal rank fusion is 1 / (60 + rank), halved by the two legs") {
  std::vector<rag::Candidate> c = {MakeCandidate(1, 0.9f, 1), MakeCandidate(2, 0.8f, 2),
                                   MakeCandidate(3, -1, 3)};
  rag::Fuse(rag::FusionMethod::kRrf, 0.6f, &c);
  // First and third beat second and second by a hair.
  CHECK(c[0].id == vec::PointId(1ul));
  CHECK(c[0].fused == doctest::Approx(0.5 * (1.0 / 61 + 1.0 / 63)));
  CHECK(c[1].fused == doctest::Approx(0.5 * (1.0 / 62 + 1.0 / 62)));
}

TEST_CASE("BM25 values follow the formula and the average is a power of 1.1") {
  rag::LexicalTerms terms;
  terms.terms = {{7, 2.0f}, {9, 1.0f}};
  terms.length = 3;
  const auto v = rag::PassageVector(terms, 6, {});
  CHECK(v.values[0] == doctest::Approx(2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 0.5))));
  CHECK(v.indices[1] == 9);
  for (const double mean : {0.2, 1.0, 5.0, 87.3, 300.0}) {
    const double bucket = rag::AverageLengthBucket(mean);
    const double power = std::log(bucket) / std::log(1.1);
    CHECK(power == doctest::Approx(std::round(power)));
    if (mean > 1) CHECK(std::abs(std::log(bucket / mean)) <= std::log(1.1) / 2 + 1e-9);
  }
}
