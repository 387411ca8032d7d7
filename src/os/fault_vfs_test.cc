// Goal: FaultVfs loses what was not synced, keeps what was, and fails where it is told to.
// Method: small histories; for lotteries, many seeds, and every allowed outcome must occur.
#include "os/fault_vfs.h"

#include <doctest/doctest.h>

#include <set>

using namespace malmoi;
using os::Fault;
using os::FaultVfs;
using os::OpenMode;

TEST_CASE("synced bytes under synced names survive a power loss") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    FaultVfs vfs(seed);
    REQUIRE(vfs.MakeDirs("/d").ok());
    REQUIRE(vfs.SyncDir("/").ok());
    REQUIRE(os::WriteAtomically(vfs, "/d/a", "old").ok());
    auto file = vfs.Open("/d/a", OpenMode::kReadWrite).value();
    REQUIRE(file->Write(0, "new and longer").ok());
    REQUIRE(file->Sync().ok());
    vfs.Restart();
    CHECK(os::ReadFile(vfs, "/d/a").value() == "new and longer");
    CHECK(file->Write(0, "x").error().code() == Code::kIo);
    CHECK(file->Size().error().code() == Code::kIo);
  }
}

TEST_CASE("unsynced sectors survive in any subset") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    FaultVfs vfs(seed);
    REQUIRE(os::WriteAtomically(vfs, "/a", std::string(1536, '0')).ok());
    auto file = vfs.Open("/a", OpenMode::kReadWrite).value();
    REQUIRE(file->Write(0, std::string(1536, '1')).ok());
    vfs.Restart();
    const std::string bytes = os::ReadFile(vfs, "/a").value();
    REQUIRE(bytes.size() == 1536);
    std::string sectors;
    for (int s = 0; s < 3; ++s) {
      const std::string sector = bytes.substr(static_cast<std::size_t>(s) * 512, 512);
      CHECK(sector == std::string(512, sector[0]));
      sectors += sector[0];
    }
    seen.insert(sectors);
  }
  CHECK(seen.size() == 8);
}

TEST_CASE("unsynced names are lost or kept, a rename whole") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    FaultVfs vfs(seed);
    REQUIRE(os::WriteAtomically(vfs, "/a", "a").ok());
    REQUIRE(os::WriteAtomically(vfs, "/b", "b").ok());
    REQUIRE(vfs.Rename("/a", "/b").ok());
    REQUIRE(vfs.Open("/c", OpenMode::kTruncate).ok());
    vfs.Restart();
    std::string state;
    const auto names = vfs.List("/");
    for (const auto& name : names.value()) {
      state += name + "=" + os::ReadFile(vfs, "/" + name).value() + " ";
    }
    seen.insert(state);
  }
  CHECK(seen == std::set<std::string>{"a=a b=b ", "a=a b=b c= ", "b=a ", "b=a c= "});
}

TEST_CASE("the chosen call fails, once") {
  FaultVfs vfs(1);
  auto file = vfs.Open("/a", OpenMode::kTruncate).value();
  vfs.FailAfter(1, Fault::kNoSpace);
  CHECK(file->Write(0, "1").ok());
  CHECK(file->Write(1, "2").error().message() == "write '/a': No space left on device");
  CHECK(vfs.fired());
  CHECK(file->Write(1, "3").ok());
  CHECK(os::ReadFile(vfs, "/a").value() == "13");
  vfs.FailAfter(0, Fault::kIoError);
  CHECK_FALSE(file->Sync().ok());
  vfs.FailAfter(1, Fault::kPowerLoss);
  CHECK(file->Sync().ok());
  CHECK_FALSE(vfs.SyncDir("/").ok());
  CHECK_FALSE(vfs.Open("/a", OpenMode::kRead).ok());
  CHECK_FALSE(vfs.MakeDirs("/x").ok());
  CHECK_FALSE(vfs.List("/").ok());
  vfs.Restart();
  CHECK(vfs.List("/").ok());
}

TEST_CASE("a failed sync does not make good what it dropped") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    FaultVfs vfs(seed);
    REQUIRE(os::WriteAtomically(vfs, "/a", "0").ok());
    auto file = vfs.Open("/a", OpenMode::kReadWrite).value();
    REQUIRE(file->Write(0, "1").ok());
    vfs.FailAfter(0, Fault::kIoError);
    CHECK_FALSE(file->Sync().ok());
    CHECK(file->Sync().ok());
    CHECK(os::ReadFile(vfs, "/a").value() == "1");
    vfs.Restart();
    seen.insert(os::ReadFile(vfs, "/a").value());
  }
  CHECK(seen == std::set<std::string>{"0", "1"});
}
