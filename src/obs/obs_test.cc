// Goal: log lines stay one line and parseable; metrics print as Prometheus reads them.
// Method: a captured sink; expositions compared as text.
#include <doctest/doctest.h>

#include "obs/log.h"
#include "obs/metrics.h"
#include "obs/progress.h"

using namespace malmoi;

TEST_CASE("a log line is one line of key=value with quotes where needed") {
  std::string got;
  obs::SetLogSink([&](std::string_view line) { got = line; });
  obs::LogLine(obs::Level::kWarn, "file_skipped").Field("path", "a b\n\"c\"").Field("n", 3);
  CHECK(got == "event=file_skipped level=warn path=\"a b\\x0a\\\"c\\\"\" n=3");
  got.clear();
  obs::LogLine(obs::Level::kDebug, "hidden").Field("n", 1);
  CHECK(got.empty());
  obs::SetLogSink(nullptr);
}

TEST_CASE("metrics are exposed with cumulative buckets") {
  obs::Registry registry;
  registry.GetCounter("c_total", "counts", "route=\"/\"").Add(2);
  registry.GetCounter("c_total", "counts", "route=\"/\"").Add(1);
  auto& h = registry.GetHistogram("h_seconds", "time", {0.1, 1});
  h.Observe(0.05);
  h.Observe(0.1);
  h.Observe(5);
  const std::string text = registry.Expose();
  CHECK(text.find("# TYPE c_total counter\nc_total{route=\"/\"} 3\n") != std::string::npos);
  CHECK(text.find("h_seconds_bucket{le=\"0.1\"} 2\n") != std::string::npos);
  CHECK(text.find("h_seconds_bucket{le=\"+Inf\"} 3\n") != std::string::npos);
  CHECK(text.find("h_seconds_count 3\n") != std::string::npos);
}

TEST_CASE("progress says how far, how fast and how long still") {
  const auto line = obs::Progress::Render("reading", "files", 60, 240, 2.0, "");
  CHECK(line == "reading  [######..................]  60/240 files  30.0 files/s  0:06 left");
  CHECK(obs::Progress::Render("x", "files", 0, 0, 0, "").find("0 files") != std::string::npos);
}
