// Any bytes as a snapshot: the first byte chooses between the archive as it is given and a good one
// with patches of 4 bytes (u16 offset, u8 value, u8 unused), its headers' sums set right after.
// What is tested: what is no snapshot changes nothing, and what is taken can be read.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "fuzz/input.h"
#include "os/fault_vfs.h"
#include "qdrant/snapshots.h"

namespace {

namespace qdrant = malmoi::qdrant;
constexpr std::size_t kBlock = 512;
constexpr int kRuns = 200;  // Then all is made anew: a finding depends on few inputs.

// A service with a collection of three points, and a snapshot of it.
struct World {
  malmoi::os::FaultVfs vfs{1};
  std::unique_ptr<qdrant::Service> service;
  std::unique_ptr<qdrant::Snapshots> snapshots;
  std::string archive;

  World() {
    qdrant::ServiceOptions options;
    options.vfs = &vfs;
    options.directory = "/db";
    options.threads = 1;
    service = qdrant::Service::Open(options).value();
    snapshots = std::make_unique<qdrant::Snapshots>(*service, vfs, "/snapshots");
    qdrant::CreateCollection create;
    create.vectors[""].size = 2;
    create.vectors[""].distance = malmoi::vec::Distance::kDot;
    Expect(service->CreateCollection("c", create).ok());
    malmoi::vec::PointColumns columns;
    columns.dim = 2;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      columns.ids.emplace_back(id);
      columns.rows.insert(columns.rows.end(), {1.0f, static_cast<float>(id)});
      columns.payload_ends.push_back(0);
    }
    Expect(service->UpsertColumns("c", columns, {}).ok());
    const auto made = snapshots->Create("c");
    Expect(made.ok());
    archive = malmoi::os::ReadFile(vfs, snapshots->PathOf("c", made.value().name).value()).value();
  }
  std::uint64_t Count() {
    const auto count = service->Count("c", {}, {});
    Expect(count.ok());
    return count.value();
  }
};

// Sums of the headers that the sizes lead to.
void Seal(std::string* archive) {
  for (std::size_t at = 0; at + kBlock <= archive->size();) {
    if ((*archive)[at] == '\0') return;
    std::uint64_t sum = 0, size = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>((*archive)[at + i]);
    }
    for (std::size_t i = 124; i < 136; ++i) {
      const char c = (*archive)[at + i];
      if (c >= '0' && c <= '7') size = size * 8 + static_cast<std::uint64_t>(c - '0');
    }
    char text[9];
    std::snprintf(text, sizeof text, "%06o", static_cast<unsigned>(sum));
    archive->replace(at + 148, 6, text, 6);
    if (size > archive->size()) return;
    at += kBlock + (size + kBlock - 1) / kBlock * kBlock;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<World> world;
  static int runs = 0;
  if (size < 1) return 0;
  if (world == nullptr || ++runs % kRuns == 0) {
    world.reset();
    world = std::make_unique<World>();
  }
  std::string archive(FuzzInput(data + 1, size - 1));
  if (data[0] % 4 != 0) {
    std::string_view patches = FuzzInput(data + 1, size - 1);
    archive = world->archive;
    for (; patches.size() >= 4; patches.remove_prefix(4)) {
      const std::size_t at = malmoi::Load<std::uint16_t>(patches.data());
      if (at < archive.size()) archive[at] = patches[2];
    }
    Seal(&archive);
  }
  const std::uint64_t before = world->Count();
  const bool taken = world->snapshots->RecoverBytes("c", archive, {}).ok();
  if (!taken) {
    Expect(world->Count() == before);
    return 0;
  }
  Expect(world->service->DescribeCollection("c").ok());
  if (!world->service->Scroll("c", {}, {}).ok()) world.reset();  // Damaged inside, and says so.
  return 0;
}
