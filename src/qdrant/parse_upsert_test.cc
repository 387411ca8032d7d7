// Goal: what the fast reader of upserts takes, it reads as the other reader does.
// Method: bodies that it must take, bodies that it must leave, and every byte of one changed; the
// structs compared member by member.
#include "qdrant/parse_upsert.h"

#include <doctest/doctest.h>

#include "qdrant/parse.h"

namespace malmoi::qdrant {
namespace {

// Payloads as values: the slow reader prints them anew.
bool Same(const UpsertPoints& a, const UpsertPoints& b) {
  if (a.points.size() != b.points.size() || a.update_mode != b.update_mode) return false;
  for (std::size_t i = 0; i < a.points.size(); ++i) {
    const PointStruct& x = a.points[i];
    const PointStruct& y = b.points[i];
    if (x.id != y.id || x.vectors.size() != y.vectors.size()) return false;
    if (x.payload.has_value() != y.payload.has_value()) return false;
    if (x.payload && json::Parse(*x.payload).value().Dump() != *y.payload) return false;
    for (const auto& [name, data] : x.vectors) {
      const auto other = y.vectors.find(name);
      if (other == y.vectors.end() || other->second.index() != data.index()) return false;
      const auto* dense = std::get_if<DenseVector>(&data);
      const auto* sparse = std::get_if<vec::SparseVector>(&data);
      if (dense != nullptr && *dense != std::get<DenseVector>(other->second)) return false;
      if (sparse != nullptr) {
        const auto& s = std::get<vec::SparseVector>(other->second);
        if (s.indices != sparse->indices || s.values != sparse->values) return false;
      }
    }
  }
  return true;
}

// Whether the fast reader takes the body; then both must agree.
bool Taken(const std::string& body) {
  UpsertPoints fast;
  if (!ReadPlainUpsert(body, &fast)) return false;
  CAPTURE(body);
  const auto value = json::Parse(body);
  REQUIRE(value.ok());
  const auto slow = ReadAs<UpsertPoints>(value.value());
  REQUIRE(slow.ok());
  CHECK(Same(fast, slow.value()));
  vec::PointColumns columns;
  if (ReadColumns(body, &columns)) CHECK(Same(ToUpsert(columns), slow.value()));
  return true;
}

TEST_CASE("plain upserts are read fast, and alike") {
  for (const char* points :
       {"", R"({"id":1,"vector":[1,2.5,-3e-2]})",
        R"( { "payload" : {"a":[1,{"b":null}],"k":"\"\u00e9\" 값"} , "vector" : [] , "id" : 2 } )",
        R"({"id":"5c56c793-69f3-4fbf-87e6-c4bf54c28c26","vector":{},"payload":null})",
        R"({"id":3,"vector":{"d":[0.1],"s":{"indices":[5,1],"values":[1,2]},"":[7]},"payload":{}})",
        R"({"id":3,"vector":{"indices":[5,1],"values":[1,2]}},{"id":3,"vector":[1]})"}) {
    CHECK(Taken(R"({"points":[)" + std::string(points) + "]}"));
  }
}

TEST_CASE("columns are read where each point has one vector of the same name and dimension") {
  const auto taken = [](const std::string& points) {
    const std::string body = R"({"points":[)" + points + "]}";
    vec::PointColumns columns;
    return Taken(body) && ReadColumns(body, &columns);
  };
  CHECK(taken(R"({"id":1,"vector":[1,2.5,-3e-2]})"));
  CHECK(taken(
      R"({"id":1,"vector":[0.125],"payload":{"a":[1]}},{"payload":null,"vector":[1],"id":2})"));
  CHECK(taken(
      R"({"id":1,"vector":{"d":[1]}},{"id":"5c56c793-69f3-4fbf-87e6-c4bf54c28c26","vector":{"d":[2]}})"));
  for (const char* points :
       {"", R"({"id":1,"vector":[]})", R"({"id":1,"vector":[1]},{"id":2,"vector":[1,2]})",
        R"({"id":1,"vector":[1]},{"id":2,"vector":{"d":[1]}})", R"({"id":1,"vector":{}})",
        R"({"id":1,"vector":{"a":[1]}},{"id":2,"vector":{"b":[1]}})",
        R"({"id":1,"vector":{"a":[1],"b":[1]}})",
        R"({"id":1,"vector":{"indices":[5],"values":[1]}})"}) {
    CAPTURE(points);
    CHECK_FALSE(taken(points));
  }
}

TEST_CASE("what is not plain is left to the other reader") {
  for (const char* body :
       {R"({"batch":{"ids":[1],"vectors":[[1]]}})", R"({"points":[],"update_mode":"insert_only"})",
        R"({"points":[{"id":1,"vector":[[1],[2]]}]})", R"({"points":[{"id":-1,"vector":[1]}]})",
        R"({"points":[{"id":"1","vector":[1]}]})", R"({"points":[{"id":1}]})",
        R"({"points":[{"id":1,"vector":[1],"id":2}]})", R"({"points":[{"id":1,"vector":[1]}]} x)",
        R"({"points":[{"id":1,"vector":{"text":"t","model":"m"}}]})",
        R"({"points":[{"id":1,"vector":[1],"payload":[1]}]})",
        R"({"points":[{"id":1,"vector":[1],}]})",
        R"({"points":[{"id":1,"vector":{"a":[1],"a":[2]}}]})", "", "[]", "{}", R"({"points":7})"}) {
    CAPTURE(body);
    CHECK_FALSE(Taken(body));
    vec::PointColumns columns;
    CHECK_FALSE(ReadColumns(body, &columns));
  }
}

void ChangeEach(const std::string& body) {
  REQUIRE(Taken(body));
  int taken = 0;
  for (std::size_t at = 0; at < body.size(); ++at) {
    for (int byte = 32; byte < 127; ++byte) {
      std::string changed = body;
      changed[at] = static_cast<char>(byte);
      UpsertPoints fast;
      vec::PointColumns columns;
      const bool in_columns = ReadColumns(changed, &columns);
      if (!ReadPlainUpsert(changed, &fast)) {
        CHECK_FALSE(in_columns);
        continue;
      }
      ++taken;
      Taken(changed);
    }
  }
  CHECK(taken > 500);
}

TEST_CASE("a changed byte changes both readings alike") {
  ChangeEach(
      R"({"points":[{"id":12,"vector":{"d":[0.5,-1],"s":{"indices":[3],"values":[2]}},"payload":{"a":"b\n"}}]})");
  ChangeEach(
      R"({"points":[{"id":12,"vector":{"d":[0.5,-1]},"payload":{"a":"b\n"}},{"id":3,"vector":{"d":[1,2]}}]})");
}

}  // namespace
}  // namespace malmoi::qdrant
