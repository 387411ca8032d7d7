// Goal: the dense leg compares a question with every vector of a collection up to kExactVectors,
// also where the store has a graph, so that ranked lists do not depend on how the index came to be.
// Method: random vectors in a store whose graph is made to be bad, against all products.
#include "rag/retriever.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "json/value.h"
#include "os/scratch_dir.h"
#include "rag/collection_settings.h"
#include "rag/library_fixture_internal.h"
#include "vec/collection.h"
#include "vec/optimize.h"

namespace malmoi::rag {
namespace {

constexpr std::uint32_t kDim = 64, kPoints = 3000;

vec::Point MakePoint(std::uint64_t id, std::mt19937& random) {
  std::normal_distribution<float> normal;
  vec::Point p;
  p.id = id;
  std::vector<float>& v = p.vectors.dense[kDenseVector];
  for (std::uint32_t d = 0; d < kDim; ++d) v.push_back(normal(random));
  p.payload = "{}";
  return p;
}

double Cosine(const std::vector<float>& a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("a question is compared with every vector, whether or not there is a graph") {
  const os::ScratchDir dir;
  auto db = vec::Database::Open(os::PosixVfs(), dir.path(), 2).value();
  vec::CollectionConfig config;
  config.dense[kDenseVector] = {.dim = kDim};
  config.settings = R"({"hnsw_config":{"m":4,"ef_construct":8,"full_scan_threshold":1},)"
                    R"("optimizer_config":{"indexing_threshold":1}})";
  Ports ports;
  ports.embedder = std::make_shared<fixture::WordEmbedder>("w", kDim);
  ports.store = db->Create("c", config).value();
  ports.analyzer = text::Analyzer::Create({}).value();
  std::mt19937 random(3);
  std::vector<vec::Point> points;
  for (std::uint64_t id = 0; id < kPoints; ++id) points.push_back(MakePoint(id, random));
  REQUIRE(ports.store->Upsert(points, {}).ok());
  REQUIRE(vec::Optimize(*ports.store).ok());

  const std::string_view question = "harbour lantern";
  const auto query = ports.embedder->Embed({&question, 1}, embed::Prompt::kQuery, nullptr);
  REQUIRE(query.ok());
  const auto q = query.value().row(0);
  vec::VectorQuery plain{.using_vector = kDenseVector, .vector = std::vector(q.begin(), q.end())};
  CHECK_FALSE(ports.store->Query(plain, nullptr).value().exact);  // There is a graph.

  std::sort(points.begin(), points.end(), [&](const vec::Point& a, const vec::Point& b) {
    return Cosine(a.vectors.dense.at(kDenseVector), q) >
           Cosine(b.vectors.dense.at(kDenseVector), q);
  });
  const auto found = Retrieve(ports, question, {.mode = SearchMode::kDense, .top = 100}).value();
  REQUIRE(found.candidates.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) CHECK(found.candidates[i].id == points[i].id);
}

TEST_CASE("the library's own collections have no graph below the limit") {
  const auto settings = json::Parse(StoreSettings(384)).value();
  const json::Value* optimizer = settings.Find("optimizer_config");
  REQUIRE(optimizer != nullptr);
  CHECK(optimizer->GetInt("indexing_threshold") * 1024 >=
        static_cast<std::int64_t>(kExactVectors * 384 * 4 - 1024));
}

}  // namespace malmoi::rag
