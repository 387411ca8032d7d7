// Goal: the walk finds documents and nothing else; the watch tells of changes below the root.
// Method: a small tree in a scratch folder.
#include "ingest/walk.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;
using namespace malmoi::ingest;

TEST_CASE(
    "WalkFolder lists documents sorted, skips hidden and tools' folders, follows no link out") {
  const os::ScratchDir outside;
  outside.Write("secret.txt", "x");
  const os::ScratchDir root;
  for (const char* name : {"b.md", "a/c.txt", "a/한글.md", ".git/config", "node_modules/x/y.js",
                           ".hidden", "~$a.docx"}) {
    root.Write(name, "text");
  }
  REQUIRE(::symlink((outside.path() + "/secret.txt").c_str(), (root.path() + "/out.txt").c_str()) ==
          0);
  REQUIRE(::symlink("b.md", (root.path() + "/in.md").c_str()) == 0);
  REQUIRE(::symlink(".", (root.path() + "/loop").c_str()) == 0);
  std::vector<std::string> skipped;
  auto files = WalkFolder(root.path(), &skipped);
  REQUIRE(files.ok());
  std::vector<std::string> paths;
  for (const FoundFile& f : files.value()) {
    paths.push_back(f.path);
    CHECK(f.size == 4);
    CHECK(f.mtime_ns > 0);
  }
  CHECK(paths == std::vector<std::string>{"a/c.txt", "a/한글.md", "b.md", "in.md"});
  CHECK(skipped.size() == 2);

  auto one = WalkFolder(root.path() + "/b.md", nullptr);
  REQUIRE(one.ok());
  REQUIRE(one.value().size() == 1);
  CHECK(one.value()[0].path == "b.md");
  CHECK(WalkFolder(root.path() + "/none", nullptr).error().code() == Code::kNotFound);
}

TEST_CASE("FolderWatch tells of files written, changed and removed, in new folders too") {
  const os::ScratchDir root;
  root.Write("a.txt", "1");
  auto watch = FolderWatch::Start(root.path());
  REQUIRE(watch.ok());
  CHECK_FALSE(watch.value()->Wait(10));
  root.Write("a.txt", "22");
  CHECK(watch.value()->Wait(10'000));
  root.Write("new/deep/b.txt", "1");
  CHECK(watch.value()->Wait(10'000));
  root.Write("new/deep/b.txt", "2");
  CHECK(watch.value()->Wait(10'000));
  REQUIRE(os::PosixVfs().Remove(root.path() + "/a.txt").ok());
  CHECK(watch.value()->Wait(10'000));
  CHECK_FALSE(watch.value()->Wait(10));
  CHECK(FolderWatch::Start(root.path() + "/none").error().code() == Code::kNotFound);
}
