// Goal: the service keeps collections, aliases, settings and snapshots over a restart, and a
// damaged snapshot changes nothing.
// Method: one database on a file system in memory; the same calls before and after reopening.
#include "qdrant/service.h"

#include <doctest/doctest.h>

#include "os/fault_vfs.h"
#include "qdrant/parse.h"
#include "qdrant/print.h"
#include "qdrant/snapshots.h"

namespace malmoi::qdrant {
namespace {

std::unique_ptr<Service> Opened(os::Vfs& vfs) {
  auto service = Service::Open({.vfs = &vfs, .directory = "/store", .threads = 1});
  REQUIRE(service.ok());
  return std::move(service).value();
}

template <class T>
T Request(std::string_view text) {
  const auto value = json::Parse(text);
  REQUIRE(value.ok());
  auto parsed = ReadAs<T>(value.value());
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

void Fill(Service& service) {
  REQUIRE(service
              .CreateCollection(
                  "c", Request<CreateCollection>(R"({"vectors":{"size":2,"distance":"Dot"}})"))
              .ok());
  const UpdateOperation upsert =
      Request<UpsertPoints>(R"({"points":[{"id":1,"vector":[1,0],"payload":{"g":"a","n":1}},)"
                            R"({"id":2,"vector":[0,1],"payload":{"g":"b","n":2}},)"
                            R"({"id":3,"vector":[1,1],"payload":{"g":"a","n":3}}]})");
  REQUIRE(service.Update("c", upsert, {.wait = true, .timeout_seconds = {}}, nullptr).ok());
}

std::uint64_t CountOf(Service& service, const std::string& name) {
  const auto count = service.Count(name, {}, {});
  return count.ok() ? count.value() : 999;
}

TEST_CASE("collections and aliases outlive a restart") {
  os::FaultVfs vfs(1);
  {
    const auto service = Opened(vfs);
    Fill(*service);
    CHECK(service->CreateCollection("c", {}).error().code() == Code::kAlreadyExists);
    REQUIRE(service
                ->UpdateAliases({{.kind = AliasAction::Kind::kCreate,
                                  .collection = "c",
                                  .alias = "other",
                                  .new_alias = {}}})
                .ok());
  }
  const auto service = Opened(vfs);
  CHECK(CountOf(*service, "other") == 3);
  CHECK(service->DeleteCollection("c").value());
  CHECK(!service->CollectionExists("other"));
  CHECK(service->ListAliases(std::nullopt).value().empty());
  CHECK(service->Find("c").error().message() == "Not found: Collection `c` doesn't exist!");
}

TEST_CASE("queries rank, fuse, group and boost") {
  os::FaultVfs vfs(1);
  const auto service = Opened(vfs);
  Fill(*service);
  const auto run = [&](std::string_view text) {
    InferenceUsage usage;
    auto results = service->QueryBatch("c", {Request<QueryPoints>(text)}, {}, &usage);
    REQUIRE_MESSAGE(results.ok(), results.error().message());
    std::vector<std::uint64_t> ids;
    for (const auto& point : results.value()[0]) ids.push_back(std::get<std::uint64_t>(point.id));
    return ids;
  };
  using Ids = std::vector<std::uint64_t>;
  CHECK(run(R"({"query":[0,1],"limit":2})") == Ids{2, 3});
  CHECK(run(R"({"query":2})") == Ids{3, 1});
  CHECK(run(R"({"prefetch":[{"query":[1,0]},{"query":[0,1]}],"query":{"fusion":"rrf"}})") ==
        Ids{1, 2, 3});
  CHECK(run(R"({"prefetch":{"query":[1,1]},"query":{"formula":"n"}})") == Ids{3, 2, 1});
  CHECK(run(R"({"query":[1,1],"offset":1})").size() == 2);
  CHECK(run(R"({"filter":{"must":[{"key":"g","match":{"value":"b"}}]}})") == Ids{2});
  InferenceUsage usage;
  const auto groups = service->QueryGroups(
      "c", Request<QueryGroups>(R"({"query":[1,1],"group_by":"g"})"), {}, &usage);
  REQUIRE(groups.ok());
  REQUIRE(groups.value().size() == 2);
  CHECK(std::get<std::string>(groups.value()[0].id) == "a");
  CHECK(groups.value()[0].hits.size() == 2);
}

TEST_CASE("a snapshot restores, a damaged one changes nothing") {
  os::FaultVfs vfs(1);
  const auto service = Opened(vfs);
  Fill(*service);
  Snapshots snapshots(*service, vfs, "/snapshots");
  const auto snapshot = snapshots.Create("c");
  REQUIRE_MESSAGE(snapshot.ok(), snapshot.error().message());
  CHECK(snapshot.value().checksum.size() == 64);
  const auto path = snapshots.PathOf("c", snapshot.value().name);
  REQUIRE(path.ok());
  const UpdateOperation drop = [] {
    DeletePoints points;
    points.ids = {std::uint64_t{1}, std::uint64_t{2}};
    return points;
  }();
  REQUIRE(service->Update("c", drop, {.wait = true, .timeout_seconds = {}}, nullptr).ok());
  auto bytes = os::ReadFile(vfs, path.value());
  REQUIRE(bytes.ok());
  for (const std::size_t cut : {bytes.value().size() / 3, bytes.value().size() / 2}) {
    CHECK(!snapshots.RecoverBytes("c", bytes.value().substr(0, cut), std::nullopt).ok());
    std::string flipped = bytes.value();
    flipped[cut] = static_cast<char>(flipped[cut] ^ 0x55);
    (void)snapshots.RecoverBytes("c", flipped, snapshot.value().checksum);
    CHECK(CountOf(*service, "c") == 1);
  }
  CHECK(!snapshots.RecoverBytes("c", "nonsense", std::nullopt).ok());
  REQUIRE(snapshots.Recover("c", path.value(), snapshot.value().checksum).ok());
  CHECK(CountOf(*service, "c") == 3);
  REQUIRE(snapshots.Recover("copy", path.value(), std::nullopt).ok());
  CHECK(CountOf(*service, "copy") == 3);
}

TEST_CASE("a batch of queries answers as its queries alone, with versions") {
  os::FaultVfs vfs(1);
  const auto service = Opened(vfs);
  Fill(*service);
  const UpdateOperation set = Request<SetPayload>(R"({"payload":{"n":9},"points":[2]})");
  const auto written = service->Update("c", set, {.wait = true, .timeout_seconds = {}}, nullptr);
  REQUIRE(written.ok());
  std::vector<QueryPoints> requests;
  for (const char* text :
       {R"({"query":[1,0.5],"limit":2})", R"({"query":1,"with_payload":true})",
        R"({"query":[0,1],"offset":1,"filter":{"must":[{"key":"g","match":{"value":"a"}}]}})",
        R"({"query":[0,1],"score_threshold":0.5,"with_vector":true,"params":{"exact":true}})"}) {
    requests.push_back(Request<QueryPoints>(text));
  }
  const auto all = service->QueryBatch("c", requests, {}, nullptr);
  REQUIRE(all.ok());
  REQUIRE(all.value().size() == requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto one = service->QueryBatch("c", {requests[i]}, {}, nullptr);
    REQUIRE(one.ok());
    json::Writer together, alone;
    PrintScored(all.value()[i], &together);
    PrintScored(one.value()[0], &alone);
    CHECK(together.text() == alone.text());
  }
  const auto& hits = all.value()[0];
  REQUIRE(hits.size() == 2);
  CHECK(hits[0].id == PointId(std::uint64_t{3}));
  CHECK(hits[0].version < written.value().operation_id);
  const auto second =
      service->QueryBatch("c", {Request<QueryPoints>(R"({"query":[0,1]})")}, {}, nullptr);
  REQUIRE(second.ok());
  for (const ScoredPoint& hit : second.value()[0]) {
    CHECK((hit.id == PointId(std::uint64_t{2})) == (hit.version == written.value().operation_id));
  }
  requests[2].using_vector = "none";
  CHECK(service->QueryBatch("c", requests, {}, nullptr).error().code() == Code::kInvalidArgument);
}

TEST_CASE("slow reads by fields without an index are issues until the index is there") {
  os::FaultVfs vfs(1);
  auto opened =
      Service::Open({.vfs = &vfs, .directory = "/store", .threads = 1, .slow_seconds = 0});
  REQUIRE(opened.ok());
  Service& service = *opened.value();
  Fill(service);
  const auto text = [&] {
    json::Writer writer;
    service.issues().Print(&writer);
    return std::string(writer.text());
  };
  CHECK(text() == R"({"issues":[]})");
  const auto filter = R"({"filter":{"must":[{"key":"g","match":{"value":"a"}},)"
                      R"({"key":"n","range":{"gt":1}},{"has_id":[1]}]}})";
  REQUIRE(service.Count("c", Request<CountPoints>(filter), {}).ok());
  CHECK(text().find("UNINDEXED_FIELD/c/g") != std::string::npos);
  CHECK(text().find(R"("field_schema":"keyword")") != std::string::npos);
  CHECK(text().find("ImmediateChoice") != std::string::npos);  // n: integer or float.
  REQUIRE(service
              .CreateFieldIndex(
                  "c", Request<CreateFieldIndex>(R"({"field_name":"g","field_schema":"keyword"})"),
                  {.wait = true, .timeout_seconds = {}})
              .ok());
  CHECK(text().find("UNINDEXED_FIELD/c/g") == std::string::npos);
  REQUIRE(service.Count("c", Request<CountPoints>(filter), {}).ok());
  CHECK(text().find("UNINDEXED_FIELD/c/g") == std::string::npos);
  CHECK(text().find("UNINDEXED_FIELD/c/n") != std::string::npos);
  REQUIRE(service.DeleteCollection("c").ok());
  CHECK(text() == R"({"issues":[]})");
}

}  // namespace
}  // namespace malmoi::qdrant
