// Goal: requests parse with Qdrant's defaults, and mistakes give its texts.
// Method: tables of bodies and what must come of them.
#include "qdrant/parse.h"

#include <doctest/doctest.h>

namespace malmoi::qdrant {
namespace {

template <class T>
Result<T> Parsed(std::string_view text) {
  const auto value = json::Parse(text);
  REQUIRE(value.ok());
  return ReadAs<T>(value.value());
}

template <class T>
std::string ErrorOf(std::string_view text) {
  const auto parsed = Parsed<T>(text);
  return parsed.ok() ? "" : parsed.error().message();
}

template <class T>
std::string Refusal(std::string_view text) {
  const auto parsed = Parsed<T>(text);
  REQUIRE(parsed.ok());
  Checks checks;
  Validate(parsed.value(), "", &checks);
  const Status status = checks.Finish("JSON body");
  return status.ok() ? "" : status.error().message();
}

TEST_CASE("a member that stands twice is refused, in a payload the last one holds") {
  CHECK(ErrorOf<CountPoints>(R"({"exact":true,"exact":false})") ==
        "Format error in JSON body: duplicate field `exact`");
  CHECK(ErrorOf<UpsertPoints>(R"({"points":[{"id":1,"vector":[1],"id":2}]})")
            .find("duplicate field `id`") != std::string::npos);
  std::string many = R"({"exact":true)";
  for (int i = 0; i < 40; ++i) many += ",\"x" + std::to_string(i) + "\":1";
  CHECK(ErrorOf<CountPoints>(many + "}").empty());
  CHECK_FALSE(ErrorOf<CountPoints>(many + R"(,"exact":true})").empty());
  CHECK(ErrorOf<UpsertPoints>(R"({"points":[{"id":1,"vector":[1],"payload":{"a":1,"a":2}}]})") ==
        "");
}

TEST_CASE("points come in list and in columns") {
  const auto list = Parsed<UpsertPoints>(
      R"({"points":[{"id":1,"vector":[1,2.5]},{"id":"0b0e2f0e3c5a4b8f9a3e000000000004",)"
      R"("vector":{"a":{"indices":[3],"values":[1]},"m":[[1,2],[3,4]]},"payload":{"x":1}}],)"
      R"("update_mode":"insert_only"})");
  REQUIRE(list.ok());
  REQUIRE(list.value().points.size() == 2);
  CHECK(std::get<DenseVector>(list.value().points[0].vectors.at("")) == DenseVector{1, 2.5});
  CHECK(std::get<RawMultiVector>(list.value().points[1].vectors.at("m")).size() == 2);
  CHECK(list.value().points[1].payload == R"({"x":1})");
  CHECK(list.value().update_mode == vec::UpdateMode::kInsertOnly);
  const auto columns = Parsed<UpsertPoints>(
      R"({"batch":{"ids":[1,2],"vectors":{"a":[[1],[2]]},"payloads":[null,{"y":2}]}})");
  REQUIRE(columns.ok());
  CHECK(!columns.value().points[0].payload.has_value());
  CHECK(std::get<DenseVector>(columns.value().points[1].vectors.at("a"))[0] == 2);
}

TEST_CASE("wrong points are refused with the interface's texts") {
  CHECK(ErrorOf<UpsertPoints>(R"({"points":[{"id":"x","vector":[1]}]})") ==
        "Format error in JSON body: value x is not a valid point ID, valid values are either an "
        "unsigned integer or a UUID");
  CHECK(ErrorOf<UpsertPoints>(R"({"points":[{"id":1}]})") ==
        "Format error in JSON body: missing field `vector`");
  CHECK(ErrorOf<UpsertPoints>(R"({"batch":{"ids":[1],"vectors":[]}})") ==
        "Validation error in JSON body: [batch: number of ids and vectors must be equal (1 != 0)]");
  CHECK(Refusal<UpsertPoints>(R"({"points":[{"id":1,"vector":[]}]})") ==
        "Validation error in JSON body: [points[0].vector: dense vector must not be empty]");
  CHECK(Refusal<UpsertPoints>(
            R"({"points":[{"id":1,"vector":{"s":{"indices":[1,1],"values":[1,2]}}}]})")
            .find("must be unique") != std::string::npos);
}

TEST_CASE("filters take every condition and refuse what is none") {
  const auto count = Parsed<CountPoints>(
      R"({"filter":{"must":{"key":"a.b[].c","match":{"any":["x","y"]}},"must_not":[)"
      R"({"key":"n","range":{"gte":1}},{"key":"d","range":{"lt":"2024-01-01T00:00:00Z"}},)"
      R"({"is_null":{"key":"z"}},{"has_id":[1]},{"has_vector":"v"},{"slice":{"total":4,"index":1}},)"
      R"({"nested":{"key":"l","filter":{"must":[{"key":"q","match":{"text":"t"}}]}}}],)"
      R"("min_should":{"conditions":[{"must":[]}],"min_count":1}}})");
  REQUIRE(count.ok());
  CHECK(count.value().filter->must_not.size() == 7);
  CHECK(count.value().exact);
  CHECK(ErrorOf<CountPoints>(R"({"filter":{"musst":[]}})").find("unknown field `musst`") !=
        std::string::npos);
  for (
      const std::string_view bad :
      {R"({"filter":{"must":[{"key":"a","match":{}}]}})",
       R"({"filter":{"must":[{"key":"a","match":{"any":[1,"x"]}}]}})",
       R"({"filter":{"must":[{"key":"a","geo_radius":{"center":{"lon":200,"lat":0},"radius":1}}]}})",
       R"({"filter":{"must":["x"]}})"}) {
    CHECK(ErrorOf<CountPoints>(bad).find("untagged enum Condition") != std::string::npos);
  }
  const auto keyed = Parsed<CountPoints>(R"({"filter":{"must":[{"key":"a"}]}})");
  REQUIRE(!keyed.ok());
  CHECK(keyed.error().code() == Code::kOutOfRange);
}

TEST_CASE("queries parse in every form") {
  for (
      const std::string_view query :
      {R"([1,2])", R"(7)", R"("0b0e2f0e-3c5a-4b8f-9a3e-000000000004")", R"([[1,2],[3,4]])",
       R"({"indices":[1],"values":[2]})", R"({"nearest":[1],"mmr":{"diversity":0.3}})",
       R"({"recommend":{"positive":[1,[1,2]],"strategy":"best_score"}})",
       R"({"discover":{"target":1,"context":{"positive":2,"negative":3}}})",
       R"({"context":[{"positive":2,"negative":3}]})", R"({"order_by":"n"})",
       R"({"order_by":{"key":"n","direction":"desc","start_from":"2024-01-01"}})",
       R"({"fusion":"dbsf"})", R"({"rrf":{"k":60,"weights":[1,2]}})", R"({"sample":"random"})",
       R"({"text":"t","model":"m"})", R"({"text":{"query":"q"}})",
       R"({"formula":{"sum":["$score",{"mult":[2,{"key":"a","match":{"value":1}}]},)"
       R"({"exp_decay":{"x":"n","scale":5}},{"div":{"left":1,"right":"n","by_zero_default":0}}]}})",
       R"({"relevance_feedback":{"target":1,"feedback":[{"example":2,"score":0.5}],)"
       R"("strategy":{"naive":{"a":1,"b":1,"c":1}}}})"}) {
    CAPTURE(query);
    const auto parsed = Parsed<QueryPoints>("{\"query\":" + std::string(query) + "}");
    CHECK(parsed.ok());
  }
  CHECK(ErrorOf<QueryPoints>(R"({"query":{"unknown":1}})") ==
        "Format error in JSON body: Expected some form of vector, id, or a type of query");
  CHECK(Refusal<QueryPoints>(R"({"query":[1],"limit":0})") ==
        "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]");
}

TEST_CASE("deep nesting is refused, not followed") {
  std::string filter = R"({"must":[]})", expression = "1", prefetch = R"({"query":1})";
  for (int i = 0; i < 200; ++i) {
    filter = R"({"must":[)" + filter + "]}";
    expression = R"({"neg":)" + expression + "}";
    prefetch = R"({"query":1,"prefetch":)" + prefetch + "}";
  }
  CHECK(!Parsed<CountPoints>(R"({"filter":)" + filter + "}").ok());
  CHECK(!Parsed<QueryPoints>(R"({"query":{"formula":)" + expression + "}}").ok());
  CHECK(!Parsed<QueryPoints>(prefetch).ok());
}

TEST_CASE("collections keep what is known and check its bounds") {
  const auto create = Parsed<CreateCollection>(
      R"({"vectors":{"a":{"size":4,"distance":"Cosine","hnsw_config":{"m":8,"unknown":1}}},)"
      R"("sparse_vectors":{"s":{"modifier":"idf"}},"strict_mode_config":{"enabled":true,)"
      R"("sparse_config":{"s":{"max_length":3}}}})");
  REQUIRE(create.ok());
  CHECK(create.value().vectors.at("a").hnsw_config->Dump() == R"({"m":8})");
  CHECK(Refusal<CreateCollection>(R"({"vectors":{"size":0,"distance":"Dot"}})") ==
        "Validation error in JSON body: [vectors.size: value 0 invalid, must be from 1 to 65536]");
  CHECK(ErrorOf<CreateCollection>(R"({"vectors":{"size":4,"distance":"Far"}})") != "");
}

}  // namespace
}  // namespace malmoi::qdrant
