// Goal: what is written down about requests can be read again, within its bounds. Method: files of
// a FaultVfs looked at, and more requests than are kept.
#include <doctest/doctest.h>

#include "json/writer.h"
#include "os/fault_vfs.h"
#include "serve/qdrant/store_records.h"
#include "serve/qdrant/store_settings.h"

namespace malmoi::serve {
namespace {

json::Value Printed(const SlowRequests& slow, std::size_t limit, std::string_view kind = "") {
  json::Writer writer;
  slow.Print(limit, kind, &writer);
  return *json::Parse(writer.text()).value().Find("requests");
}

json::Value Body(int n) {
  return json::Value::Object({{"limit", json::Value::Int(n)}});
}

TEST_CASE("the slowest of each kind are kept, the same request once") {
  SlowRequests slow;
  slow.Add({"query", "c", .049, Body(0)});
  CHECK(Printed(slow, 10).items().empty());
  for (int i = 0; i < 40; ++i) slow.Add({"query", "c", .1 + .01 * i, Body(i)});
  slow.Add({"query", "c", .05, Body(39)});  // Counted; the longer time stays.
  slow.Add({"query", "d", .05, Body(39)});  // Of another collection: too fast to be kept.
  slow.Add({"count", "c", .06, Body(1)});
  CHECK(Printed(slow, 100).items().size() == SlowRequests::kKept + 1);
  const json::Value queries = Printed(slow, 2, "quer");
  REQUIRE(queries.items().size() == 2);
  CHECK(queries.items()[0].GetDouble("duration") == doctest::Approx(.49));
  CHECK(queries.items()[0].GetInt("approx_count") == 2);
  CHECK(queries.items()[1].Find("request_body")->GetInt("limit") == 38);
}

TEST_CASE("long arrays of a request are shortened") {
  SlowRequests slow;
  std::vector<json::Value> numbers(100, json::Value::Int(7));
  slow.Add({"query", "c", 1, json::Value::Object({{"query", json::Value::Array(numbers)}})});
  const json::Value shown = *Printed(slow, 1).items()[0].Find("request_body")->Find("query");
  REQUIRE(shown.items().size() == SlowRequests::kItems + 1);
  CHECK(shown.items().back().AsString() == "... (36 more items)");
}

TEST_CASE("the audit log is read back, newest first, by members and time") {
  os::FaultVfs vfs(1);
  const AuditSettings settings{.enabled = true, .directory = "/audit", .files_max = 2};
  for (const char* name : {"audit.2001-01-01.log", "audit.2001-01-02.log", "notes.txt"}) {
    vfs.MakeDirs("/audit").ok();
    REQUIRE(vfs.Open(std::string("/audit/") + name, os::OpenMode::kTruncate)
                .value()
                ->Write(0, R"({"timestamp":"2001-01-01T00:00:00Z","method":"old"})"
                           "\n{\"tor")
                .ok());
  }
  const auto log = AuditLog::Open(vfs, settings).value();
  log->Write({.method = "count_points", .collection = "c"});
  log->Write({.method = "upsert_points", .auth = "Jwt", .subject = "me", .error = "no"});
  // The oldest went when the file of today began; what is no log stays.
  CHECK(vfs.Stat("/audit/audit.2001-01-01.log").error().code() == Code::kNotFound);
  CHECK(vfs.Stat("/audit/notes.txt").ok());
  const auto all = log->Read({}).value();
  REQUIRE(all.size() == 3);
  CHECK(all[0].GetString("result") == "denied");
  CHECK(all[0].GetString("subject") == "me");
  CHECK(all[1].GetString("method") == "count_points");
  CHECK(all[1].Find("error") == nullptr);
  CHECK(all[2].GetString("method") == "old");
  CHECK(log->Read({.limit = 1}).value().size() == 1);
  CHECK(log->Read({.filters = {{"collection", "c"}}}).value().size() == 1);
  CHECK(log->Read({.filters = {{"subject", ""}}}).value().empty());
  const std::int64_t of_2002 = 1009843200LL * 1000000;
  CHECK(log->Read({.from = of_2002}).value().size() == 2);
  CHECK(log->Read({.to = of_2002}).value().size() == 1);
}

TEST_CASE("a full disk does not stop the server that keeps a log") {
  os::FaultVfs vfs(1);
  const auto log = AuditLog::Open(vfs, {.enabled = true, .directory = "/audit"}).value();
  vfs.FailAfter(0, os::Fault::kNoSpace);
  log->Write({.method = "count_points"});
  log->Write({.method = "facet"});
}

TEST_CASE("settings of the audit log") {
  StoreSettings settings;
  REQUIRE(ApplyStoreSettings({{"audit.enabled", "true"},
                              {"audit.dir", "/x"},
                              {"audit.rotation", "hourly"},
                              {"audit.max_log_files", "3"},
                              {"audit.log_api", "false"},
                              {"storage.recovery_mode", "why"}},
                             &settings)
              .ok());
  CHECK(settings.audit.enabled);
  CHECK(settings.audit.directory == "/x");
  CHECK(settings.audit.hourly);
  CHECK(settings.audit.files_max == 3);
  CHECK(!settings.audit.log_api);
  CHECK(settings.recovery_reason == "why");
  CHECK(ApplyStoreSettings({{"audit.rotation", "weekly"}}, &settings).error().message() ==
        "setting audit.rotation: 'weekly' is not daily or hourly");
}

}  // namespace
}  // namespace malmoi::serve
