// Goal: PullModel speaks the hub's protocol and leaves a cache that other tools can read, whatever
// the hub or the network does.
// Method: a server on loopback plays hub and CDN: redirect, cut, wrong bytes, gate, 404.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <atomic>
#include <map>
#include <mutex>

#include "base/hash.h"
#include "base/strings.h"
#include "embed/model_store.h"
#include "net/server.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;
using namespace malmoi::embed;

namespace {

const std::string kCommit(40, 'c');
const std::string kConfigSha1 = "9e26dfeeb6e641a33dae4961196235bdb965b21b";  // Of "{}", by git.

struct Hub {
  Hub() {
    auto started = net::HttpServer::Start(
        {}, [this](const net::Request& r, net::Responder& out) { Answer(r, out); });
    REQUIRE(started.ok());
    server = std::move(started).value();
    base = "http://127.0.0.1:" + std::to_string(server->port());
    ::setenv("HF_ENDPOINT", base.c_str(), 1);
    ::setenv("HF_HOME", home.c_str(), 1);
    ::setenv("HF_TOKEN", "hf_test", 1);
    ::unsetenv("HF_HUB_CACHE");
    ::unsetenv("HF_HUB_OFFLINE");
    for (int i = 0; i < 300'000; ++i) weights.push_back(static_cast<char>(i * 7 % 251));
    checksum = Sha256Hex(weights);
  }
  ~Hub() {
    server.reset();
    for (const char* name : {"HF_ENDPOINT", "HF_HOME", "HF_TOKEN"}) ::unsetenv(name);
  }

  void Answer(const net::Request& r, net::Responder& out) {
    const std::string range(net::FindHeader(r.headers, "Range"));
    if (r.method == "GET") last_range = range;
    if (status != 200) return out.Send({.status = status});
    if (r.path == "/api/models/org/m/revision/main") {
      authorization = net::FindHeader(r.headers, "Authorization");
      return out.Send(
          {.body = "{\"sha\":\"" + kCommit +
                   "\",\"siblings\":[{\"rfilename\":\"config.json\"},{\"rfilename\":\"1_"
                   "Pooling/config.json\"},{\"rfilename\":\"model.safetensors\"},{"
                   "\"rfilename\":\"onnx/model.json\"},{\"rfilename\":\"" +
                   extra + "\"}]}"});
    }
    const std::string files = "/org/m/resolve/" + kCommit + "/";
    if (r.path == files + "model.safetensors") {
      return out.Send({.status = 302,
                       .headers = {{"Location", base + "/cdn/blob"},
                                   {"X-Repo-Commit", kCommit},
                                   {"X-Linked-Etag", "\"" + checksum + "\""},
                                   {"X-Linked-Size", std::to_string(weights.size())}}});
    }
    if (r.path.starts_with(files)) {
      return out.Send(
          {.body = "{}",
           .headers = {{"X-Repo-Commit", kCommit}, {"ETag", "\"" + kConfigSha1 + "\""}}});
    }
    if (r.path == "/cdn/blob") return Blob(range, out);
    out.Send({.status = 404});
  }

  void Blob(const std::string& range, net::Responder& out) {
    std::size_t from = 0;
    if (range.starts_with("bytes=") && ranges) {
      from = static_cast<std::size_t>(ParseInt(range.substr(6, range.size() - 7)).value_or(0));
    }
    std::string bytes = weights.substr(from);
    if (wrong) bytes[10] ^= 1;
    out.Start(from > 0 ? 206 : 200, "application/octet-stream", {});
    if (cut.exchange(false)) {
      out.Write(std::string_view(bytes).substr(0, 100'000));
      return;
    }
    out.Write(bytes);
    out.Finish();
  }

  os::ScratchDir scratch;
  const std::string& home = scratch.path();
  std::string base;
  std::unique_ptr<net::HttpServer> server;
  std::string weights;
  std::string checksum;
  std::string extra = "README.md";
  std::string authorization;
  std::string last_range;
  int status = 200;
  bool wrong = false;
  bool ranges = true;
  std::atomic<bool> cut{false};
};

std::string Read(const std::string& path) {
  auto text = os::ReadFile(os::PosixVfs(), path);
  return text.ok() ? text.value() : "<" + text.error().message() + ">";
}

}  // namespace

TEST_CASE("pull: redirect, cache layout, key, list, find, offline") {
  Hub hub;
  std::map<std::string, std::uint64_t> done;
  PullOptions options;
  options.progress = [&](const std::string& f, std::uint64_t n, std::uint64_t) { done[f] = n; };
  const auto pulled = PullModel("org/m", options);
  if (!pulled.ok()) MESSAGE(pulled.error().message());
  REQUIRE(pulled.ok());
  const std::string folder = hub.home + "/hub/models--org--m";
  CHECK(pulled.value() == folder + "/snapshots/" + kCommit);
  CHECK(Read(pulled.value() + "/config.json") == "{}");
  CHECK(Read(pulled.value() + "/1_Pooling/config.json") == "{}");
  CHECK(Read(pulled.value() + "/model.safetensors") == hub.weights);
  CHECK(Read(folder + "/refs/main") == kCommit);
  char target[256];
  const auto n = ::readlink((pulled.value() + "/1_Pooling/config.json").c_str(), target, 256);
  CHECK(std::string(target, static_cast<std::size_t>(std::max<ssize_t>(n, 0))) ==
        "../../../blobs/" + kConfigSha1);
  CHECK_FALSE(os::PosixVfs().Stat(pulled.value() + "/onnx").ok());
  CHECK(hub.authorization == "Bearer hf_test");
  CHECK(done["model.safetensors"] == hub.weights.size());
  CHECK(FindModel("org/m").value() == pulled.value());
  bool listed = false;
  for (const auto& m : ListModels()) listed = listed || (m.id == "org/m" && m.source == "hub");
  CHECK(listed);
  hub.server.reset();
  CHECK(PullModel("org/m", {.offline = true}).value() == pulled.value());
  CHECK(PullModel("org/other", {.offline = true}).error().code() == Code::kUnavailable);
  CHECK(PullModel("org/m", {}).error().code() == Code::kUnavailable);
}

TEST_CASE("pull: a cut download resumes where it was, or starts over without ranges") {
  for (const bool ranges : {true, false}) {
    CAPTURE(ranges);
    Hub hub;
    hub.ranges = ranges;
    hub.cut = true;
    CHECK(PullModel("org/m", {}).error().code() == Code::kUnavailable);
    const std::string blob = hub.home + "/hub/models--org--m/blobs/" + hub.checksum;
    const std::size_t have = Read(blob + ".incomplete").size();
    CHECK(have > 0);
    CHECK(have <= 100'000);
    const auto pulled = PullModel("org/m", {});
    if (!pulled.ok()) MESSAGE(pulled.error().message());
    REQUIRE(pulled.ok());
    CHECK(Read(blob) == hub.weights);
    CHECK(hub.last_range == (ranges ? "bytes=" + std::to_string(have) + "-" : ""));
    CHECK_FALSE(os::PosixVfs().Stat(blob + ".incomplete").ok());
  }
}

TEST_CASE("pull: wrong bytes, gates, missing models, unsafe names, bad ids") {
  Hub hub;
  hub.wrong = true;
  CHECK(PullModel("org/m", {}).error().code() == Code::kCorruption);
  CHECK_FALSE(os::PosixVfs().Stat(hub.home + "/hub/models--org--m/refs/main").ok());
  hub.wrong = false;
  const std::pair<int, Code> table[] = {{401, Code::kPermissionDenied},
                                        {403, Code::kPermissionDenied},
                                        {404, Code::kNotFound},
                                        {503, Code::kUnavailable}};
  for (const auto& [status, code] : table) {
    hub.status = status;
    CHECK(PullModel("org/m", {}).error().code() == code);
  }
  hub.status = 200;
  PullOptions evil;
  evil.files = {"../../../evil.json"};
  CHECK(PullModel("org/m", evil).error().code() == Code::kCorruption);
  for (const char* id : {"", "../x", "a/b/c", "a/..", "a b"}) {
    CHECK(PullModel(id, {}).error().code() == Code::kInvalidArgument);
  }
  const auto missing = FindModel("org/none");
  CHECK(missing.error().code() == Code::kNotFound);
  CHECK(missing.error().message().find("malmoi models pull") != std::string::npos);
  // What can only be a path is not looked for at the hub.
  const auto folder = FindModel("/nowhere/a-model");
  CHECK(folder.error().code() == Code::kNotFound);
  CHECK(folder.error().message().find("'/nowhere/a-model' does not exist") != std::string::npos);
  CHECK(FindModel("/").error().message().find("has no config.json") != std::string::npos);
}
