// Goal: bytes in memory read as a file, old or new and never a mixture. Method: read by name,
// before and after a replacement, and through a descriptor that was opened before it.
#include "os/memory_file.h"

#include <doctest/doctest.h>

#include "os/vfs.h"

using namespace malmoi;

TEST_CASE("a file in memory is read by its name and replaced in one step") {
  auto file = os::MemoryFile::Create("old bytes").value();
  os::Vfs& vfs = os::PosixVfs();
  CHECK(os::ReadFile(vfs, file->path()).value() == "old bytes");
  const auto before = vfs.Open(file->path(), os::OpenMode::kRead).value();
  REQUIRE(file->Replace(std::string(100'000, 'x')).ok());
  CHECK(os::ReadFile(vfs, file->path()).value() == std::string(100'000, 'x'));
  std::string read;
  REQUIRE(before->Read(0, 100, &read).ok());
  CHECK(read == "old bytes");
  const std::string path = file->path();
  file.reset();
  CHECK(!vfs.Stat(path).ok());
}
