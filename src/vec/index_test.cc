// Goal: payload indexes change no answer, only its cost; facets, ordered scrolls and full text do
// what read.h says, in memory and in segments.
// Method: random payloads; facets and orders against a plain count; full text against expectations
// written by hand, for Korean, Japanese and Chinese too.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "json/value.h"
#include "os/fault_vfs.h"
#include "os/paths.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

Filter FilterOf(const std::string& condition) {
  return ParseFilter(json::Parse(R"({"must":[)" + condition + "]}").value()).value();
}

std::shared_ptr<Collection> Make(Database& db) {
  CollectionConfig config;
  config.dense[""] = {.dim = 1, .distance = Distance::kDot};
  return db.Create("c", config).value();
}

void Index(Collection& c, const std::string& key, PayloadIndexParams params) {
  const Operation op = CreateIndexOp{.key = key, .params = std::move(params)};
  const auto outcome = c.Write({&op, 1});
  if (!outcome.ok()) FAIL(outcome.error().message());
}

std::string TextMatches(const Collection& c, const std::string& mode, const std::string& text) {
  const Filter filter = FilterOf(R"({"key":"t","match":{")" + mode + R"(":")" + text + R"("}})");
  const auto page = c.Scroll(std::nullopt, 500, &filter, false);
  REQUIRE(page.ok());
  std::string out;
  for (const auto& p : page.value().points) out += ToString(p.id) + " ";
  return out;
}

std::shared_ptr<Collection> WithTexts(Database& db, const std::vector<std::string>& texts) {
  auto c = Make(db);
  for (std::uint64_t i = 0; i < texts.size(); ++i) {
    const Point p{.id = i, .vectors = {}, .payload = R"({"t":")" + texts[i] + "\"}"};
    REQUIRE(c->Upsert({&p, 1}).ok());
  }
  return c;
}

}  // namespace

TEST_CASE("facets and orders equal a plain count over random payloads") {
  std::mt19937_64 random(7);
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  const auto c = Make(*db);
  Index(*c, "k", {.kind = IndexKind::kKeyword});
  Index(*c, "n", {.kind = IndexKind::kInteger});
  Index(*c, "x", {.kind = IndexKind::kFloat});
  Index(*c, "b", {.kind = IndexKind::kBool});
  std::map<std::string, std::uint64_t> words;
  std::vector<std::pair<std::int64_t, std::uint64_t>> numbers;
  for (std::uint64_t i = 0; i < 700; ++i) {
    const std::string word = "w" + std::to_string(random() % 9);
    const auto n = static_cast<std::int64_t>(random() % 50) - 25;
    const Point p{.id = i,
                  .vectors = {},
                  .payload = R"({"k":[")" + word + R"(","all",")" + word + R"("],"n":)" +
                             std::to_string(n) + R"(,"x":)" + std::to_string(n) + ".5" +
                             R"(,"b":true})"};
    REQUIRE(c->Upsert({&p, 1}).ok());
    if (i == 300) REQUIRE(c->Checkpoint().ok());
    if (i % 5 == 0) {
      REQUIRE(c->Delete(std::vector<PointId>{i}).ok());
      continue;
    }
    numbers.emplace_back(n, i);
    if (n >= 0) ++words[word];
    if (n >= 0) ++words["all"];
  }
  const Filter filter = FilterOf(R"({"key":"n","range":{"gte":0}})");
  const auto facets = c->Facet("k", 100, &filter);
  REQUIRE(facets.ok());
  REQUIRE(facets.value().size() == words.size());
  CHECK(facets.value()[0].value == FacetValue("all"));
  for (const auto& f : facets.value()) CHECK(words.at(std::get<std::string>(f.value)) == f.count);
  CHECK(c->Facet("b", 1, nullptr).value()[0].count == 560);
  CHECK(c->Facet("zz", 1, nullptr).error().code() == Code::kInvalidArgument);

  std::sort(numbers.begin(), numbers.end());
  const auto rising = c->ScrollBy({.key = "n", .start_from = std::int64_t{-10}}, 100, nullptr, {});
  REQUIRE(rising.ok());
  auto it = std::lower_bound(numbers.begin(), numbers.end(),
                             std::pair<std::int64_t, std::uint64_t>{-10, 0});
  for (const auto& o : rising.value()) {
    CHECK(std::get<std::int64_t>(o.value) == it->first);
    CHECK(o.point.id == PointId(it->second));
    ++it;
  }
  const auto falling = c->ScrollBy({.key = "x", .descending = true}, 1000, &filter, {});
  REQUIRE(falling.ok());
  CHECK(falling.value().size() == words["all"]);
  for (std::size_t i = 1; i < falling.value().size(); ++i) {
    CHECK(falling.value()[i - 1].value >= falling.value()[i].value);
  }
  CHECK(c->ScrollBy({.key = "k"}, 1, nullptr, {}).error().code() == Code::kInvalidArgument);

  const auto sample = c->Sample(50, &filter, 3);
  REQUIRE(sample.value().size() == 50);
  const auto tests = c->Test(sample.value(), filter);
  CHECK(std::count(tests.value().begin(), tests.value().end(), true) == 50);
}

// Wide ranges of columns are made of sums of rows (Column::before), which rows of two values would
// spoil: "n" has one value a row, "m" two.
TEST_CASE("ranges of every width keep what they say, rows deleted or not") {
  std::mt19937_64 random(9);
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  const auto c = Make(*db);
  for (const char* key : {"n", "m"}) Index(*c, key, {.kind = IndexKind::kInteger});
  constexpr std::uint64_t kRows = 6000;
  std::vector<std::vector<std::uint64_t>> n(kRows), m(kRows);
  std::vector<Point> points;
  for (std::uint64_t i = 0; i < kRows; ++i) {
    n[i] = {random() % 500};
    m[i] = {random() % 500, random() % 500};
    points.push_back({.id = i,
                      .payload = R"({"n":)" + std::to_string(n[i][0]) + R"(,"m":[)" +
                                 std::to_string(m[i][0]) + "," + std::to_string(m[i][1]) + "]}"});
  }
  REQUIRE(c->Upsert(points).ok());
  REQUIRE(c->Checkpoint().ok());
  std::vector<PointId> gone;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t low = random() % 501, high = low + random() % (501 - low);
      for (const auto& [key, values] : {std::pair("n", &n), std::pair("m", &m)}) {
        const Filter filter =
            FilterOf(R"({"key":")" + std::string(key) + R"(","range":{"gte":)" +
                     std::to_string(low) + R"(,"lt":)" + std::to_string(high) + "}}");
        std::uint64_t expected = 0;
        for (std::uint64_t r = 0; r < kRows; ++r) {
          const auto inside = [&](auto v) { return v >= low && v < high; };
          const bool deleted = round == 1 && r % 3 == 0;
          expected += !deleted && std::any_of((*values)[r].begin(), (*values)[r].end(), inside);
        }
        CAPTURE(key);
        CAPTURE(low);
        CAPTURE(high);
        CHECK(c->Count(&filter).value() == expected);
      }
    }
    if (round == 1) break;
    const auto before = c->View();
    for (std::uint64_t r = 0; r < kRows; r += 3) gone.push_back(r);
    REQUIRE(c->Delete(gone).ok());
    const Filter all = FilterOf(R"({"key":"n","range":{"gte":0}})");
    CHECK(before->Count(&all).value() == kRows);
    CHECK(c->Count(&all).value() == kRows - gone.size());
  }
}

TEST_CASE("a text index finds words in several values of a list, other searches in one") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = Make(*db);
  const std::vector<std::string> texts = {R"(["hello world", "x y"])", R"(["x", 5, "hello"])",
                                          R"("hello x world")", R"([["hello"], ["x"]])"};
  // Enough other points that columns are worth making.
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Point p{.id = i,
                  .vectors = {},
                  .payload = R"({"t":)" + (i < texts.size() ? texts[i] : "\"none\"") + "}"};
    REQUIRE(c->Upsert({&p, 1}).ok());
  }
  for (const bool declared : {false, true}) {
    if (declared) Index(*c, "t", {.kind = IndexKind::kText, .text = {.phrase_matching = true}});
    for (int round = 0; round < 20; ++round) {  // From some on by columns.
      CAPTURE(declared);
      CAPTURE(round);
      CHECK(TextMatches(*c, "text", "x hello") == (declared ? "0 1 2 " : "2 "));
      CHECK(TextMatches(*c, "text", "zzz hello") == "");
      CHECK(TextMatches(*c, "text", "hello hello") == "0 1 2 ");
      CHECK(TextMatches(*c, "phrase", "world x") == "");
      CHECK(TextMatches(*c, "phrase", "hello world") == "0 ");
      CHECK(TextMatches(*c, "text_any", "y hello") == "0 1 2 ");
      if (round == 10) REQUIRE(c->Checkpoint().ok());
    }
  }
}

TEST_CASE("full text by word, prefix, stop words, stems and phrases") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = WithTexts(
      *db, {"The quick brown Fox jumps", "a fox is quick", "Foxes jumped", "Crème brûlée", "the"});
  for (int round = 0; round < 2; ++round) {
    Index(*c, "t", {.kind = IndexKind::kText, .text = {.phrase_matching = true}});
    CHECK(TextMatches(*c, "text", "fox QUICK") == "0 1 ");
    CHECK(TextMatches(*c, "phrase", "quick brown") == "0 ");
    CHECK(TextMatches(*c, "phrase", "brown quick") == "");
    CHECK(TextMatches(*c, "text_any", "foxes zzz brown") == "0 2 ");
    CHECK(TextMatches(*c, "text", "jump") == "");
    Index(*c, "t",
          {.kind = IndexKind::kText,
           .text = {.stopword_languages = {"english"}, .stemmer = "english"}});
    CHECK(TextMatches(*c, "text", "jump fox") == "0 2 ");
    CHECK(TextMatches(*c, "text", "the fox") == "0 1 2 ");
    CHECK(TextMatches(*c, "text", "the") == "");
    Index(*c, "t",
          {.kind = IndexKind::kText,
           .text = {.tokenizer = Tokenizer::kPrefix, .min_token_len = 2, .ascii_folding = true}});
    CHECK(TextMatches(*c, "text", "fo qui") == "0 1 ");
    CHECK(TextMatches(*c, "text", "creme bru") == "3 ");
    Index(*c, "t",
          {.kind = IndexKind::kText,
           .text = {.tokenizer = Tokenizer::kWhitespace, .min_token_len = 4, .lowercase = false}});
    CHECK(TextMatches(*c, "text", "quick") == "0 1 ");
    CHECK(TextMatches(*c, "text", "Quick") == "");
    CHECK(TextMatches(*c, "text", "Fox") == "");
    REQUIRE(c->Checkpoint().ok());
  }
  const Operation wrong =
      CreateIndexOp{"t", {.kind = IndexKind::kText, .text = {.stemmer = "klingon"}}};
  CHECK(c->Write({&wrong, 1}).error().code() == Code::kInvalidArgument);
}

TEST_CASE("a Korean noun is found however its neighbours let it be cut") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = WithTexts(*db, {"함수는 사용자 이름을 반환한다", "사용자", "그 사용자는 갔다",
                                 "벡터데이터베이스는 빠르다", "사람을 찾는다"});
  Index(*c, "t", {.kind = IndexKind::kText, .text = {.tokenizer = Tokenizer::kMultilingual}});
  CHECK(TextMatches(*c, "text", "사용자") == "0 1 2 ");
  CHECK(TextMatches(*c, "text", "사용자를") == "0 1 2 ");
  CHECK(TextMatches(*c, "text", "이름") == "0 ");
  if (!os::FindAsset("mecab-ko-dic")) {
    std::puts("skipped: compounds: no dictionary");
    return;
  }
  CHECK(TextMatches(*c, "text", "데이터베이스") == "3 ");
  CHECK(TextMatches(*c, "text", "벡터") == "3 ");
  CHECK(TextMatches(*c, "text", "사람들") == "4 ");
  CHECK(TextMatches(*c, "text", "터데") == "");
}

TEST_CASE("parts of identifiers are found, and phrases of them") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = WithTexts(
      *db, {"xx getUserName yy", "xx get_user_name yy", "getUser 100_000", "fooBar_bazQux zz"});
  Index(
      *c, "t",
      {.kind = IndexKind::kText, .text = {.tokenizer = Tokenizer::kCode, .phrase_matching = true}});
  for (int round = 0; round < 2; ++round) {
    CHECK(TextMatches(*c, "text", "user") == "0 1 2 ");
    CHECK(TextMatches(*c, "text", "getUserName") == "0 1 ");
    CHECK(TextMatches(*c, "text", "getusername") == "0 1 ");
    CHECK(TextMatches(*c, "text", "username") == "");
    CHECK(TextMatches(*c, "text", "100000") == "2 ");
    CHECK(TextMatches(*c, "text_any", "getuser qux") == "2 3 ");
    CHECK(TextMatches(*c, "phrase", "user name yy") == "0 1 ");
    CHECK(TextMatches(*c, "phrase", "xx getusername") == "");
    CHECK(TextMatches(*c, "phrase", "foobar") == "3 ");
    CHECK(TextMatches(*c, "phrase", "foobar zz") == "");
    REQUIRE(c->Checkpoint().ok());
  }
}

TEST_CASE("a text index without phrase matching finds no phrases, as in Qdrant") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = WithTexts(*db, {"old house tree", "house"});
  CHECK(TextMatches(*c, "phrase", "house") == "0 1 ");  // Without an index they are looked for.
  Index(*c, "t", {.kind = IndexKind::kText});
  for (int round = 0; round < 2; ++round) {
    CHECK(TextMatches(*c, "text", "house") == "0 1 ");
    CHECK(TextMatches(*c, "phrase", "house") == "");
    CHECK(TextMatches(*c, "phrase", "old house") == "");
    REQUIRE(c->Checkpoint().ok());
  }
}

TEST_CASE("Korean, Japanese and Chinese nouns are found before particles and inside runs") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c =
      WithTexts(*db, {"서울에서 열린 회의는 끝났다", "한국어 검색은 조사가 붙은 명사를 찾는다",
                      "東京都に住んでいます", "我们在北京大学学习数据库", "Seoul 회의 record"});
  Index(*c, "t",
        {.kind = IndexKind::kText,
         .text = {.tokenizer = Tokenizer::kMultilingual, .phrase_matching = true}});
  for (int round = 0; round < 2; ++round) {
    CHECK(TextMatches(*c, "text", "서울") == "0 ");
    CHECK(TextMatches(*c, "text", "회의") == "0 4 ");
    CHECK(TextMatches(*c, "text", "검색") == "1 ");
    CHECK(TextMatches(*c, "text", "명사 검색") == "1 ");
    CHECK(TextMatches(*c, "text", "회의 seoul") == "4 ");
    CHECK(TextMatches(*c, "text", "東京") == "2 ");
    CHECK(TextMatches(*c, "text", "北京 数据库") == "3 ");
    CHECK(TextMatches(*c, "phrase", "조사가 붙은") == "1 ");
    CHECK(TextMatches(*c, "text", "부산") == "");
    REQUIRE(c->Checkpoint().ok());
  }
}

TEST_CASE("a nested index asks each object of the array whether its field is there") {
  // Answers of qdrant-edge-py 0.9.0.
  const char* const payloads[] = {R"({"o":[{"p":1,"y":1},{"y":2}]})",
                                  R"({"o":[{"p":1},{"p":5}]})",
                                  R"({"o":[]})",
                                  R"({"o":null})",
                                  R"({})",
                                  R"({"o":[{}]})",
                                  R"({"o":{"p":3}})",
                                  R"({"o":[{"p":null}]})",
                                  R"({"o":[{"p":[]},{"p":2}]})",
                                  R"({"o":[[{"p":7}]]})",
                                  R"({"o":[3]})",
                                  R"({"o":[3,{"p":4}]})",
                                  R"({"o":[{"p":[1,2]}]})",
                                  R"({"o":"s"})"};
  const struct {
    const char* condition;
    const char *plain, *nested;
  } kTable[] = {
      {R"({"is_empty":{"key":"o[].p"}})", "2 3 4 5 6 7 9 10 13", "0 5 7 8"},
      {R"({"must_not":[{"is_empty":{"key":"o[].p"}}]})", "0 1 8 11 12", "1 2 3 4 6 9 10 11 12 13"},
      {R"({"key":"o[].p","is_empty":false})", "0 1 8 11 12", "0 1 8 11 12"},
      {R"({"is_null":{"key":"o[].p"}})", "7", "7"},
      {R"({"key":"o[].p","is_null":false})", "0 1 2 3 4 5 6 8 9 10 11 12 13", "0 1 5 8 11 12"},
      {R"({"key":"o[].p","match":{"value":1}})", "0 1 12", "0 1 12"},
      {R"({"key":"o[].p","range":{"gte":4}})", "1 11", "1 11"},
      {R"({"nested":{"key":"o","filter":{"must":[{"is_empty":{"key":"p"}}]}}})", "0 5 7 8",
       "0 5 7 8"},
  };
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = Make(*db);
  std::vector<Point> points;
  for (std::uint64_t id = 0; id < std::size(payloads); ++id) {
    points.push_back({.id = id, .payload = payloads[id]});
  }
  REQUIRE(c->Upsert(points).ok());
  const auto check = [&](bool nested) {
    for (const auto& row : kTable) {
      CAPTURE(std::string(row.condition));
      const Filter filter = FilterOf(row.condition);
      std::string found;
      const auto page = c->Scroll(std::nullopt, 100, &filter, false).value();
      for (const Point& p : page.points) {
        found += (found.empty() ? "" : " ") + ToString(p.id);
      }
      CHECK(found == std::string(nested ? row.nested : row.plain));
    }
  };
  check(false);
  Index(*c, "o[].p", {.kind = IndexKind::kInteger, .settings = R"({"nested":"o"})"});
  check(true);
  REQUIRE(c->Checkpoint().ok());
  check(true);
  Index(*c, "o[].p", {.kind = IndexKind::kInteger});
  check(false);
}

TEST_CASE("presence inside of a field condition is of each value, and of the point with an index") {
  // Answers of qdrant-edge-py 0.9.0.
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = Make(*db);
  REQUIRE(c->Upsert(std::vector<Point>{
                        {.id = std::uint64_t{0}, .payload = R"({"o":[{"p":[]},{"p":2}]})"},
                        {.id = std::uint64_t{1}, .payload = R"({"o":[{"p":null},{"p":2}]})"},
                        {.id = std::uint64_t{2}, .payload = R"({"o":[{"p":2}]})"},
                        {.id = std::uint64_t{3}}})
              .ok());
  const auto count = [&](const char* test) {
    const Filter filter = FilterOf(R"({"key":"o[].p",)" + std::string(test) + "}");
    return c->Count(&filter).value();
  };
  for (const bool indexed : {false, true}) {
    CAPTURE(indexed);
    if (indexed) Index(*c, "o[].p", {.kind = IndexKind::kInteger});
    CHECK(count(R"("is_empty":true)") == (indexed ? 1 : 3));
    CHECK(count(R"("is_empty":false)") == 3);
    CHECK(count(R"("is_null":true)") == 1);
    CHECK(count(R"("is_null":false)") == (indexed ? 3 : 4));
  }
}

TEST_CASE("the field of a nested index is inside of one array") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = Make(*db);
  const auto refused = [&](const std::string& key, const std::string& nested) {
    const Operation op = CreateIndexOp{
        .key = key,
        .params = {.kind = IndexKind::kInteger, .settings = R"({"nested":")" + nested + R"("})"}};
    const auto outcome = c->Write({&op, 1});
    return outcome.ok() ? "" : outcome.error().message();
  };
  CHECK(refused("offers[].price", "offers[]") == "");
  CHECK(refused("a.offers[].price", "a.offers") == "");
  CHECK(refused("o[].offers[].price", "o") == "");
  CHECK(refused("offers[].price", "other") ==
        "Validation failed: field `offers[].price` must be inside the elements of nested "
        "`other[]`, like `other[].price`");
  for (const char* key : {"offers.price", "offers", "offers[]", "offers[0].price"}) {
    CHECK(refused(key, "offers").starts_with("Validation failed: field `" + std::string(key)));
  }
  CHECK(refused("o[].offers[].price", "o[].offers") ==
        "Validation failed: nested `o[].offers[]` must point to a single array level, like "
        "`offers` or `offers[]`");
}
