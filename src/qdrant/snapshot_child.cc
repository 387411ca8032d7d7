#include "qdrant/snapshot_child.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "base/strings.h"
#include "qdrant/archive_files_internal.h"
#include "qdrant/foreign_wire_internal.h"
#include "qdrant/snapshot_child_internal.h"

// Protocol over os/sandbox.h. A request is one byte; kOpen comes first and brings the archive's
// descriptor. Replies: foreign_wire_internal.h or an error, by os::PackReply. "ready" to kGreet.
namespace malmoi::qdrant {
namespace {

constexpr const char* kMarker = "--malmoi-snapshot-child";
constexpr std::uint8_t kGreet = 0, kOpen = 1, kPoints = 2, kOperations = 3;

// Beside the archive, which is mapped: ids and versions of 50 million points, and what files with
// holes take with them.
constexpr std::uint64_t kMemoryBytes = std::uint64_t{4} << 30;
constexpr std::uint64_t kCpuSeconds = 600, kBytesPerCpuSecond = 1 << 20;
constexpr double kGreetingSeconds = 30, kOpenSeconds = 600, kBatchSeconds = 120;
// A batch may end in one value of the largest size (256 MiB, shard_codes.cc).
constexpr std::uint64_t kReplyMax = std::uint64_t{320} << 20;
// LZ4 makes 255 times as much at most; f16 and u8 become f32.
constexpr std::uint64_t kGrowth = 256, kGrowthFloor = std::uint64_t{64} << 20;

std::atomic<bool> has_children = false;

// The child's state: one archive.
struct Served {
  std::unique_ptr<ArchiveFiles> files;
  std::unique_ptr<ForeignReader> reader;
};

Result<std::string> OpenArchive(int fd, Served* served) {
  const off_t end = fd < 0 ? -1 : ::lseek(fd, 0, SEEK_END);
  if (end <= 0) return Error(Code::kCorruption, "the file is empty");
  const auto size = static_cast<std::size_t>(end);
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (bytes == MAP_FAILED) {
    return Error(Code::kIo, "map the archive: " + AsciiLower(std::strerror(errno)));
  }
  MALMOI_TRY(served->files, ArchiveFiles::Open({static_cast<const char*>(bytes), size}));
  MALMOI_TRY(served->reader, ForeignReader::Open(*served->files, "/"));
  return EncodeHead(served->reader->head());
}

Result<std::string> Answer(std::uint8_t what, int fd, Served* served) {
  if (what == kOpen && served->files == nullptr) return OpenArchive(fd, served);
  if (served->reader == nullptr) return Error(Code::kInternal, "no archive is open");
  if (what == kPoints) {
    MALMOI_TRY(const auto points, served->reader->NextPoints());
    return EncodePoints(points);
  }
  if (what == kOperations) {
    MALMOI_TRY(const auto operations, served->reader->NextOperations());
    return EncodeOperations(operations);
  }
  return Error(Code::kInternal, "an unknown request");
}

std::string Serve(std::string_view request, int fd, Served* served) {
  const auto what = static_cast<std::uint8_t>(request.empty() ? '\xff' : request[0]);
  if (what == kGreet) return "ready";
  try {
    return os::PackReply(Answer(what, fd, served));
  } catch (const std::bad_alloc&) {
    return os::PackReply(Error(Code::kOutOfRange, "it needs more memory than the " +
                                                      FormatBytes(kMemoryBytes) +
                                                      " that its reader may take"));
  }
}

std::string RequestFor(std::uint8_t what) {
  return std::string(1, static_cast<char>(what));
}

}  // namespace

Result<std::unique_ptr<SnapshotChild>> SnapshotChild::Start(const std::string& archive) {
  if (!has_children) {
    return Error(Code::kUnsupported,
                 "such files are read in a process of their own, which this program has not: "
                 "import it with 'malmoi store import', or through a server of 'malmoi serve "
                 "store'");
  }
  const int fd = ::open(archive.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat s {};
  if (fd < 0 || ::fstat(fd, &s) != 0) {
    const Error error(Code::kIo, "'" + archive + "': " + AsciiLower(std::strerror(errno)));
    if (fd >= 0) ::close(fd);
    return error.Clone();
  }
  const auto bytes = static_cast<std::uint64_t>(s.st_size);
  std::unique_ptr<SnapshotChild> self(new SnapshotChild(fd, bytes));
  MALMOI_TRY(self->process_, os::SandboxProcess::Start(kMarker, {std::to_string(bytes)}));
  auto ready = self->process_->Call(RequestFor(kGreet), -1, kGreetingSeconds, 64);
  if (!ready.ok()) return std::move(ready.error()).With("start the reader of snapshots");
  if (ready.value() != "ready") {
    return Error(Code::kInternal, "start the reader of snapshots: a wrong greeting");
  }
  return self;
}

SnapshotChild::~SnapshotChild() {
  ::close(fd_);
}

Result<std::string> SnapshotChild::Ask(std::uint8_t what) {
  const bool opens = what == kOpen;
  auto reply = process_->Call(RequestFor(what), opens ? fd_ : -1,
                              opens ? kOpenSeconds : kBatchSeconds, kReplyMax);
  if (!reply.ok() && reply.error().code() == Code::kDeadline) {
    return Error(Code::kDeadline,
                 "the archive's reader gave no answer within " +
                     FormatFixed(opens ? kOpenSeconds : kBatchSeconds, 0) +
                     " s: the archive is damaged or the machine is busy; try again");
  }
  // Nothing in an archive ends its reader so.
  if (!reply.ok() && reply.error().message().find("SIGKILL") != std::string::npos) {
    return Error(Code::kInternal,
                 "the archive's reader was killed (SIGKILL), as by a machine that is short of "
                 "memory: make room and try again");
  }
  // Whatever else ends the child is the archive's doing.
  if (!reply.ok()) {
    return Error(Code::kCorruption, "the archive cannot be read: " + reply.error().message());
  }
  answered_ += reply.value().size();
  if (answered_ > bytes_ * kGrowth + kGrowthFloor) {
    return Error(Code::kCorruption, "the archive of " + FormatBytes(bytes_) + " holds more than " +
                                        std::to_string(kGrowth) + " times as much");
  }
  return os::UnpackReply(std::move(reply).value());
}

Result<ForeignHead> SnapshotChild::Open() {
  MALMOI_TRY(const std::string bytes, Ask(kOpen));
  return DecodeHead(bytes);
}

Result<std::vector<vec::Point>> SnapshotChild::NextPoints() {
  MALMOI_TRY(const std::string bytes, Ask(kPoints));
  return DecodePoints(bytes);
}

Result<std::vector<json::Value>> SnapshotChild::NextOperations() {
  MALMOI_TRY(const std::string bytes, Ask(kOperations));
  return DecodeOperations(bytes);
}

void MaybeRunSnapshotChild(int argc, char** argv) {
  has_children = true;
  if (!os::IsSandboxChild(argc, argv, kMarker)) return;
  const auto bytes = argc == 3 ? ParseInt(argv[2]) : std::nullopt;
  if (!bytes || *bytes < 0) ::_exit(2);
  const auto archive = static_cast<std::uint64_t>(*bytes);
  const auto entered =
      os::EnterSandbox({.memory_bytes = kMemoryBytes + archive,
                        .cpu_seconds = kCpuSeconds + archive / kBytesPerCpuSecond});
  if (!entered.ok()) ::_exit(3);
  Served served;
  std::string request;
  int fd = -1;
  while (os::ReceiveRequest(&request, &fd)) {
    if (!os::SendReply(Serve(request, fd, &served))) break;
  }
  ::_exit(0);
}

}  // namespace malmoi::qdrant
