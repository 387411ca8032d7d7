// Goal: over gRPC a store answers a client of this program as over REST, and nothing that a request
// says is lost on the way.
// Method: one service behind both servers; a table of requests goes over both wires, and the
// answers are compared as JSON. What cannot be said is refused, not left out.
#include "rpc/qdrant/store_link.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "remote/qdrant_client.h"
#include "rpc/qdrant/server.h"
#include "serve/qdrant/scratch_store.h"
#include "serve/qdrant/store_server.h"

using namespace malmoi;
using json::Value;

namespace {

// One service, two wires.
struct Both : serve::ScratchStore {
  serve::StoreRecords records;
  std::unique_ptr<serve::StoreServer> rest_server;
  std::unique_ptr<rpc::store::Server> grpc_server;
  std::unique_ptr<remote::QdrantClient> rest, grpc;

  Both() {
    rest_server = serve::StoreServer::Start(*service, *snapshots, settings).value();
    grpc_server = rpc::store::Server::Start(*service, *snapshots, settings, records).value();
    rest = std::make_unique<remote::QdrantClient>(remote::StoreAddress{
        "http://127.0.0.1:" + std::to_string(rest_server->port()), settings.api_key});
    grpc = std::make_unique<remote::QdrantClient>(Address(settings.api_key));
  }
  ~Both() {
    grpc_server->Stop(5);
    rest_server->Stop(5);
  }
  remote::StoreAddress Address(const std::string& key) const {
    const std::string text = "qdrant+grpc://127.0.0.1:" + std::to_string(grpc_server->port());
    return rpc::store::StoreAddressOf(text, key, {}).value();
  }
};

// Members by name, without nulls and without what differs from call to call. An empty payload is
// none, as gRPC cannot tell them apart. Numbers outside of payloads are floats on that wire.
Value Sorted(const Value& value, bool floats = false) {
  if (value.is_array()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(Sorted(item, floats));
    return Value::Array(std::move(items));
  }
  if (floats && value.is_number()) {
    return Value::Double(static_cast<double>(static_cast<float>(*value.AsDouble())));
  }
  if (!value.is_object()) return value;
  std::vector<Value::Member> members;
  for (const auto& [name, member] : value.members()) {
    if (member.is_null() || name == "operation_id" || name == "update_queue") continue;
    if (name == "payload" && member.members().empty()) continue;
    members.emplace_back(name, Sorted(member, floats || name == "vector" || name == "score"));
  }
  std::ranges::sort(members, {}, &Value::Member::first);
  return Value::Object(std::move(members));
}

void CheckAlike(Both& both, const std::string& method, const std::string& path,
                const std::string& body) {
  CAPTURE(method);
  CAPTURE(path);
  CAPTURE(body);
  const auto rest = both.rest->Call(method, path, body);
  const auto grpc = both.grpc->Call(method, path, body);
  REQUIRE_MESSAGE(rest.ok(), (rest.ok() ? "" : rest.error().message()));
  REQUIRE_MESSAGE(grpc.ok(), (grpc.ok() ? "" : grpc.error().message()));
  CHECK(Sorted(grpc.value()).Dump() == Sorted(rest.value()).Dump());
}

constexpr const char* kCollection = R"({"vectors":{
  "":{"size":3,"distance":"Euclid","datatype":"float16","hnsw_config":{"m":24}},
  "late":{"size":2,"distance":"Dot","multivector_config":{"comparator":"max_sim"},
          "quantization_config":{"scalar":{"type":"int8","quantile":0.99}}}},
  "sparse_vectors":{"s":{"modifier":"idf","index":{"on_disk":true}}},
  "hnsw_config":{"m":9,"ef_construct":77},"metadata":{"owner":"me","n":[1,2.5,null]},
  "strict_mode_config":{"enabled":true,"max_query_limit":500}})";

std::string Points() {
  std::string text = R"({"points":[)";
  for (int i = 1; i <= 30; ++i) {
    const std::string n = std::to_string(i);
    const std::string uuid = R"("0b0e2f0e-3c5a-4b8f-9a3e-0000000000)" + std::to_string(10 + i);
    text += i > 1 ? "," : "";
    text += R"({"id":)" + (i % 3 != 0 ? n : uuid + '"') + R"(,"vector":{"":[)" + n + ",0.5,-" + n +
            R"(],"late":[[)" + n + R"(,1],[2,3]],"s":{"indices":[)" + n +
            R"(,70],"values":[2,0.25]}},"payload":{"n":)" + n + R"(,"x":)" + n +
            R"(.5,"t":"한국어 )" + n + R"(","tag":["a)" + std::to_string(i % 4) +
            R"(","b"],"when":"2024-01-)" + std::to_string(10 + i % 20) +
            R"(T00:00:00Z","at":{"lon":13.4,"lat":52.5},"deep":[{"k":)" + n +
            R"(,"none":null,"yes":true}]}})";
  }
  return text + "]}";
}

// Reads: method, path after the collection's, body.
struct Read {
  const char* path;
  const char* body;
};
constexpr Read kReads[] = {
    {"/points", R"({"ids":[1,2,"0b0e2f0e-3c5a-4b8f-9a3e-000000000013"],"with_vector":true})"},
    {"/points", R"({"ids":[1,2],"with_payload":["n","deep[].k"],"with_vector":["s"]})"},
    {"/points", R"({"ids":[4],"with_payload":{"exclude":["n"]}})"},
    {"/points/scroll", R"({"limit":7,"with_vector":true})"},
    {"/points/scroll", R"({"limit":7,"offset":14,"with_payload":false})"},
    {"/points/scroll", R"({"limit":5,"order_by":{"key":"n","direction":"desc","start_from":20}})"},
    {"/points/scroll", R"({"limit":5,"order_by":"x"})"},
    {"/points/count", R"({"exact":true})"},
    {"/points/count", R"({"filter":{"must":[{"key":"tag","match":{"value":"a1"}}]}})"},
    {"/points/count", R"({"filter":{"must":{"key":"tag","match":{"any":["a1","a2"]}}}})"},
    {"/points/count", R"({"filter":{"must":[{"key":"n","match":{"any":[3,4,500]}}]}})"},
    {"/points/count", R"({"filter":{"must":[{"key":"n","match":{"except":[3,4]}}]}})"},
    {"/points/count", R"({"filter":{"must_not":[{"key":"tag","match":{"except":["b"]}}]}})"},
    {"/points/count", R"({"filter":{"must":[{"key":"deep[].yes","match":{"value":true}}]}})"},
    {"/points/count", R"({"filter":{"must":[{"key":"n","range":{"gte":3,"lt":9.5}}]}})"},
    {"/points/count",
     R"({"filter":{"must":[{"key":"when","range":{"gt":"2024-01-12T00:00:00.5Z"}}]}})"},
    {"/points/count", R"({"filter":{"should":[{"has_id":[1,2]},{"has_vector":"late"}],
      "must_not":[{"is_empty":{"key":"n"}},{"is_null":{"key":"x"}}]}})"},
    {"/points/count", R"({"filter":{"min_should":{"min_count":2,"conditions":[
      {"key":"n","range":{"lt":5}},{"key":"n","range":{"gt":2}}]}}})"},
    {"/points/count", R"({"filter":{"must":[{"nested":{"key":"deep","filter":{"must":[
      {"key":"k","range":{"lte":4}}]}}},{"must_not":[{"has_id":[2]}]}]}})"},
    {"/points/count",
     R"({"filter":{"must":[{"key":"tag","values_count":{"gte":2}},{"key":"t","match":{"text":"3"}}]}})"},
    {"/points/count", R"({"filter":{"must":[{"key":"at","geo_radius":{
      "center":{"lon":13.4,"lat":52.5},"radius":1000}},{"key":"at","geo_bounding_box":{
      "top_left":{"lon":13,"lat":53},"bottom_right":{"lon":14,"lat":52}}}]}})"},
    {"/facet", R"({"key":"tag","limit":3})"},
    {"/points/query", R"({"query":[3,0.5,-3],"limit":4})"},
    {"/points/query", R"({"query":5,"limit":3,"with_payload":true,"params":{"exact":true}})"},
    {"/points/query", R"({"query":[[1,1],[2,2]],"using":"late","limit":3,"with_vector":["late"]})"},
    {"/points/query", R"({"query":{"indices":[4,70],"values":[1,1]},"using":"s","limit":5})"},
    {"/points/query", R"({"query":{"nearest":[3,0.5,-3]},"offset":2,"limit":3,
      "filter":{"must":[{"key":"n","range":{"gt":3}}]},"score_threshold":100})"},
    {"/points/query", R"({"query":{"nearest":[3,0.5,-3],"mmr":{"diversity":0.5}},"limit":3})"},
    {"/points/query", R"({"query":{"recommend":{"positive":[1,2],"negative":[10],
      "strategy":"best_score"}},"limit":5})"},
    {"/points/query", R"({"query":{"discover":{"target":2,"context":[
      {"positive":1,"negative":10}]}},"limit":5})"},
    {"/points/query", R"({"query":{"context":{"positive":1,"negative":10}},"limit":5})"},
    {"/points/query", R"({"query":{"order_by":{"key":"n","direction":"desc"}},"limit":3})"},
    {"/points/query", R"({"prefetch":[{"query":[3,0.5,-3],"limit":9},
      {"query":{"indices":[4],"values":[1]},"using":"s","limit":9}],"query":{"fusion":"rrf"},
      "limit":6})"},
    {"/points/query", R"({"prefetch":{"query":[3,0.5,-3],"limit":9},
      "query":{"rrf":{"k":7,"weights":[2.0]}},"limit":6})"},
    {"/points/query", R"({"prefetch":{"query":[3,0.5,-3],"limit":9},"query":{"formula":{"sum":[
      "$score",{"mult":[2,{"key":"n","range":{"gt":4}}]},{"neg":"n"},{"div":{"left":"x","right":3,
      "by_zero_default":0}},{"exp_decay":{"x":"n","target":4,"scale":3}}]},
      "defaults":{"n":1}},"limit":6})"},
    {"/points/query", R"({"query":{"relevance_feedback":{"target":2,"feedback":[
      {"example":2,"score":0.9},{"example":10,"score":0.1}],
      "strategy":{"naive":{"a":1,"b":1,"c":1}}}},"limit":4})"},
    {"/points/query/batch", R"({"searches":[{"query":[1,1,1],"limit":2},{"query":7,"limit":1,
      "with_payload":true}]})"},
    {"/points/query/groups", R"({"query":[3,0.5,-3],"group_by":"tag","group_size":2,"limit":3})"},
};

}  // namespace

TEST_CASE("a description makes the same collection over both wires") {
  Both both;
  REQUIRE(both.rest->Call("PUT", "/collections/rest", kCollection).ok());
  const auto made = both.grpc->Call("PUT", "/collections/grpc", kCollection);
  REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().message()));
  for (const char* schema :
       {R"("keyword")", R"({"type":"text","tokenizer":"multilingual","phrase_matching":true,
        "stopwords":{"languages":["english"],"custom":["x"]},
        "stemmer":{"type":"snowball","language":"english"}})",
        R"({"type":"integer","lookup":false,"range":true})",
        R"({"type":"uuid","is_tenant":true})"}) {
    const std::string body = std::string(R"({"field_name":"f","field_schema":)") + schema + "}";
    for (const auto& [client, name] :
         {std::pair{both.rest.get(), "rest"}, std::pair{both.grpc.get(), "grpc"}}) {
      const std::string path = "/collections/" + std::string(name);
      const auto indexed = client->Call("PUT", path + "/index?wait=true", body);
      REQUIRE_MESSAGE(indexed.ok(), (indexed.ok() ? "" : indexed.error().message()));
    }
    const auto rest = both.rest->Call("GET", "/collections/rest").value();
    const auto grpc = both.rest->Call("GET", "/collections/grpc").value();
    CHECK(Sorted(*grpc.Find("config")).Dump() == Sorted(*rest.Find("config")).Dump());
    CHECK(Sorted(*grpc.Find("payload_schema")).Dump() ==
          Sorted(*rest.Find("payload_schema")).Dump());
    for (const char* name : {"rest", "grpc"}) {
      const std::string path = "/collections/" + std::string(name) + "/index/f?wait=true";
      REQUIRE(both.grpc->Call("DELETE", path).ok());
    }
  }
}

TEST_CASE("reads answer alike over both wires") {
  Both both;
  REQUIRE(both.grpc->Call("PUT", "/collections/c", kCollection).ok());
  const auto written = both.grpc->Call("PUT", "/collections/c/points?wait=true", Points());
  REQUIRE_MESSAGE(written.ok(), (written.ok() ? "" : written.error().message()));
  CHECK(written.value().GetString("status") == "completed");
  for (const char* index : {R"({"field_name":"tag","field_schema":"keyword"})",
                            R"({"field_name":"n","field_schema":"integer"})",
                            R"({"field_name":"x","field_schema":"float"})"}) {
    REQUIRE(both.grpc->Call("PUT", "/collections/c/index?wait=true", index).ok());
  }
  for (const Read& read : kReads) {
    CheckAlike(both, "POST", std::string("/collections/c") + read.path, read.body);
  }
  CheckAlike(both, "GET", "/collections", "");
  CheckAlike(both, "GET", "/aliases", "");
  CheckAlike(both, "GET", "/collections/c/exists", "");
  CheckAlike(both, "GET", "/collections/none/exists", "");
}

TEST_CASE("writes over gRPC leave what REST leaves") {
  Both both;
  constexpr std::pair<const char*, const char*> kWrites[] = {
      {"POST /points/payload",
       R"({"payload":{"n":9007199254740993,"o":{"p":[1.0,1]}},"points":[1,2]})"},
      {"POST /points/payload", R"({"payload":{"q":1},"key":"deep[0]","filter":{"must":[
         {"key":"n","range":{"lt":6}}]}})"},
      {"PUT /points/payload", R"({"payload":{"only":"this"},"points":[4]})"},
      {"POST /points/payload/delete", R"({"keys":["x","deep[].k"],"points":[5,7]})"},
      {"POST /points/payload/clear", R"({"points":[8]})"},
      {"PUT /points/vectors", R"({"points":[{"id":10,"vector":{"":[7,7,7]}}]})"},
      {"POST /points/vectors/delete", R"({"points":[11],"vector":["late","s"]})"},
      {"POST /points/delete", R"({"points":[13]})"},
      {"POST /points/delete", R"({"filter":{"must":[{"key":"n","match":{"value":14}}]}})"},
      {"PUT /points", R"({"points":[{"id":16,"vector":{"":[1,1,1]},"payload":{"z":null}}],
         "update_mode":"insert_only"})"},
      {"POST /points/batch", R"({"operations":[
         {"upsert":{"points":[{"id":99,"vector":{"":[1,2,3]},"payload":{"n":1}}]}},
         {"set_payload":{"payload":{"m":2},"points":[99]}},
         {"delete":{"points":[17]}},
         {"overwrite_payload":{"payload":{"m":3},"points":[19]}},
         {"update_vectors":{"points":[{"id":99,"vector":{"s":{"indices":[1],"values":[1]}}}]}},
         {"delete_vectors":{"vector":["late"],"points":[20]}},
         {"delete_payload":{"keys":["t"],"points":[22]}},
         {"clear_payload":{"filter":{"must":[{"has_id":[23]}]}}}]})"},
  };
  for (const auto& [client, name] :
       {std::pair{both.rest.get(), "rest"}, std::pair{both.grpc.get(), "grpc"}}) {
    const std::string path = "/collections/" + std::string(name);
    REQUIRE(client->Call("PUT", path, kCollection).ok());
    REQUIRE(client->Call("PUT", path + "/points?wait=true", Points()).ok());
    for (const auto& write : kWrites) {
      const std::string text = write.first, body = write.second;
      CAPTURE(text);
      CAPTURE(body);
      const std::size_t blank = text.find(' ');
      const auto done =
          client->Call(text.substr(0, blank), path + text.substr(blank + 1) + "?wait=true", body);
      REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message()));
    }
  }
  const std::string all = R"({"limit":100,"with_vector":true,"with_payload":true})";
  const auto rest = both.rest->Call("POST", "/collections/rest/points/scroll", all).value();
  const auto grpc = both.rest->Call("POST", "/collections/grpc/points/scroll", all).value();
  REQUIRE(rest.Find("points")->items().size() == 28);
  CHECK(Sorted(grpc).Dump() == Sorted(rest).Dump());
}

TEST_CASE("aliases and snapshots over gRPC") {
  Both both;
  REQUIRE(both.grpc->Call("PUT", "/collections/c", kCollection).ok());
  const auto named = both.grpc->Call("POST", "/collections/aliases", R"({"actions":[
      {"create_alias":{"collection_name":"c","alias_name":"d"}},
      {"rename_alias":{"old_alias_name":"d","new_alias_name":"e"}}]})");
  REQUIRE_MESSAGE(named.ok(), (named.ok() ? "" : named.error().message()));
  CheckAlike(both, "GET", "/aliases", "");
  CHECK(both.rest->Call("GET", "/collections/e").ok());
  const auto made = both.grpc->Call("POST", "/collections/c/snapshots");
  REQUIRE(made.ok());
  CheckAlike(both, "GET", "/collections/c/snapshots", "");
  const std::string name(made.value().GetString("name"));
  REQUIRE(both.grpc->Call("DELETE", "/collections/c/snapshots/" + name).ok());
  CHECK(both.rest->Call("GET", "/collections/c/snapshots").value().items().empty());
  REQUIRE(both.grpc->Call("POST", "/snapshots").ok());
  CheckAlike(both, "GET", "/snapshots", "");
  CHECK(both.grpc->Call("DELETE", "/collections/c").ok());
  CHECK(both.grpc->Has("c").value() == false);
}

TEST_CASE("pages pass from wire to wire") {
  Both both;
  REQUIRE(both.grpc->Call("PUT", "/collections/c", kCollection).ok());
  REQUIRE(both.grpc->Call("PUT", "/collections/c/points?wait=true", Points()).ok());
  REQUIRE(
      both.grpc
          ->Call("PUT", "/collections/c/points?wait=true", R"({"points":[{"id":500,"vector":{}}]})")
          .ok());
  const std::string all = R"({"limit":100,"with_vector":true,"with_payload":true})";
  const auto wanted = both.rest->Call("POST", "/collections/c/points/scroll", all).value();
  int at = 0;
  for (const auto* from : {both.rest.get(), both.grpc.get()}) {
    for (const auto* to : {both.rest.get(), both.grpc.get()}) {
      const std::string name = "to" + std::to_string(at++);
      REQUIRE(both.rest->Call("PUT", "/collections/" + name, kCollection).ok());
      Value offset;
      do {
        const auto page = from->Scroll("c", offset, 8);
        REQUIRE(page.ok());
        offset = page.value()->next;
        CHECK(page.value()->Ids().value().items().size() == page.value()->size());
        const Status done = to->Upsert(name, *page.value());
        REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message()));
      } while (!offset.is_null());
      const auto got =
          both.rest->Call("POST", "/collections/" + name + "/points/scroll", all).value();
      CHECK(got.Find("points")->items().size() == 31);
      CHECK(Sorted(got).Dump() == Sorted(wanted).Dump());
    }
  }
}

TEST_CASE("what gRPC cannot say is refused") {
  Both both;
  REQUIRE(both.grpc->Call("PUT", "/collections/c", kCollection).ok());
  REQUIRE(both.grpc->Call("PUT", "/collections/c/points?wait=true", Points()).ok());
  for (const char* body :
       {R"({"filter":{"must":[{"key":"n","between":{"a":1}}]}})", R"({"filter":{"most":[]}})",
        R"({"filter":{"must":[{"key":"n","match":{"value":1,"any":[2]}}]}})",
        R"({"filter":{"must":[{"key":"n","range":{"gte":"soon"}}]}})", R"({"filter":7})",
        R"({"points":[-1]})", R"({"points":[1],"filter":{}})", R"({})"}) {
    CAPTURE(body);
    const auto done = both.grpc->Call("POST", "/collections/c/points/delete?wait=true", body);
    REQUIRE(!done.ok());
    CHECK(done.error().code() == Code::kInvalidArgument);
  }
  const auto ordered =
      both.grpc->Call("POST", "/collections/c/points/delete?ordering=strong", R"({"points":[1]})");
  CHECK(ordered.error().code() == Code::kUnsupported);
  CHECK(both.grpc->Count("c").value() == 30);
  CHECK(both.grpc->Call("GET", "/telemetry").error().code() == Code::kUnsupported);
  CHECK(both.grpc->Call("POST", "/collections/none/points/count", "{}").error().code() ==
        Code::kNotFound);
  CHECK(both.grpc->Call("PUT", "/collections/c", kCollection).error().code() ==
        both.rest->Call("PUT", "/collections/c", kCollection).error().code());
  const remote::QdrantClient stranger(both.Address("wrong"));
  CHECK(stranger.Call("GET", "/collections").error().code() == Code::kPermissionDenied);
}

TEST_CASE("a link gives up in time") {
  const auto none = rpc::store::ConnectStore(
      {.url = "grpc://127.0.0.1:1", .key = {}, .tries = 2, .first_pause_seconds = 0.01});
  REQUIRE(none.ok());
  const auto refused = none.value()->Call("GET", "/collections", "", nullptr);
  CHECK(refused.error().code() == Code::kUnavailable);
  CHECK(refused.error().message().find("is the server running") != std::string::npos);
  Cancel cancel;
  cancel.Set();
  CHECK(none.value()->Call("GET", "/collections", "", &cancel).error().code() == Code::kCancelled);
}

TEST_CASE("addresses") {
  const auto url = [](const char* text) { return remote::StoreUrl(text).value(); };
  CHECK(url("qdrant://h:6334") == "grpc://h:6334");
  CHECK(url("qdrants://h:6334/") == "grpcs://h:6334");
  CHECK(url("qdrant+grpc://h") == "grpc://h:6334");
  CHECK(url("qdrants+grpc://h:1") == "grpcs://h:1");
  CHECK(url("grpc://[::1]") == "grpc://[::1]:6334");
  CHECK(url("http://h:6334") == "http://h:6334");
  CHECK(url("qdrant://h:16334") == "http://h:16334");
  CHECK(!remote::StoreUrl("grpc://").ok());
  const remote::QdrantClient without(remote::StoreAddress{"grpc://h:6334", ""});
  CHECK(without.Call("GET", "/collections").error().code() == Code::kUnsupported);
}
