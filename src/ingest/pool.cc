#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/strings.h"
#include "ingest/reader.h"
#include "ingest/readers/charset_internal.h"
#include "ingest/readers/pdfium_internal.h"
#include "os/paths.h"
#include "os/sandbox.h"

// Protocol over os/sandbox.h. Request: u64 size of the file, name; the file's descriptor rides
// along. Reply: an encoded Document or an error (os::PackReply). A request without a descriptor is
// a greeting, answered by "ready".
namespace malmoi::ingest {
namespace {

constexpr const char* kMarker = "--malmoi-reader-child";
// A child is replaced after this many files, so that leaks and fragments of parsers do not add up.
constexpr int kFilesPerChild = 200;
// Processor time over a child's life, in multiples of the limit for a file: a child is replaced
// before it gets there.
constexpr double kLifeFiles = 5;
constexpr double kGreetingSeconds = 30;

std::uint64_t ReplyMax(const ReaderLimits& limits) {
  // Headings repeat their titles; pages and headings have offsets.
  return 2 * limits.text_bytes + (64ull << 20);
}

std::string Request(std::uint64_t size, const std::string& name) {
  std::string out;
  Put<std::uint64_t>(&out, size);
  PutString(&out, name);
  return out;
}

Result<std::string> ReadAll(int fd, std::uint64_t size) {
  std::string bytes;
  bytes.resize(size);
  std::size_t at = 0;
  while (at < size) {
    const ssize_t n = ::pread(fd, bytes.data() + at, size - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error(Code::kIo, AsciiLower(std::strerror(errno)));
    if (n == 0) break;  // Became shorter since it was opened.
    at += static_cast<std::size_t>(n);
  }
  bytes.resize(at);
  return bytes;
}

Result<std::string> Parse(std::string_view request, int fd, const ReaderLimits& limits) {
  ByteReader in(request);
  const auto size = in.Get<std::uint64_t>();
  const std::string name(in.GetString());
  if (!in.ok() || size > limits.file_bytes) return Error(Code::kInternal, "bad request");
  MALMOI_TRY(std::string bytes, ReadAll(fd, size));
  MALMOI_TRY(const auto document, ParseDocument(bytes, name, limits));
  bytes = std::string();
  return Encode(document);
}

std::string Serve(std::string_view request, int fd, const ReaderLimits& limits) {
  if (fd < 0) return "ready";
  try {
    return os::PackReply(Parse(request, fd, limits));
  } catch (const std::bad_alloc&) {
    return os::PackReply(Error(Code::kOutOfRange, "needs more memory than the limit of " +
                                                      FormatBytes(limits.memory_bytes)));
  }
}

Result<Document> DecodeReply(std::string reply) {
  MALMOI_TRY(const std::string answer, os::UnpackReply(std::move(reply)));
  return Decode(answer).With("reader child's answer");
}

// Starts all children: they live as long as the thread that started them (os/sandbox.h), and
// callers' threads come and go.
class Starter {
 public:
  explicit Starter(std::vector<std::string> arguments)
      : arguments_(std::move(arguments)), thread_([this] { Run(); }) {}
  ~Starter() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Result<std::unique_ptr<os::SandboxProcess>> Start() {
    Job job;
    auto started = job.get_future();
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_all();
    return started.get();
  }

 private:
  using Job = std::promise<Result<std::unique_ptr<os::SandboxProcess>>>;

  void Run() {
    ::pthread_setname_np(::pthread_self(), "reader-start");
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.back());
      jobs_.pop_back();
      lock.unlock();
      job.set_value(os::SandboxProcess::Start(kMarker, arguments_));
      lock.lock();
    }
  }

  const std::vector<std::string> arguments_;
  std::mutex mutex_;  // guards: jobs_, stop_
  std::condition_variable wake_;
  std::vector<Job> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

class Pool final : public ReaderPool {
 public:
  Pool(std::size_t children, const ReaderLimits& limits)
      : limits_(limits), starter_(Arguments(limits)), slots_(std::max<std::size_t>(children, 1)) {
    for (Slot& slot : slots_) idle_.push_back(&slot);
  }

  // The first child, to learn now that the binary serves as one.
  Status Begin() { return Ensure(&slots_[0]); }

  Result<Document> Read(const std::string& path) override {
    std::uint64_t size = 0;
    MALMOI_TRY(const int fd, Open(path, &size));
    Slot* slot = Take();
    auto document = ReadIn(slot, fd, size, path);
    Give(slot);
    ::close(fd);
    return document;
  }

  std::uint64_t peak_child_bytes() const override {
    const std::lock_guard lock(mutex_);
    return peak_;
  }

 private:
  struct Slot {
    std::unique_ptr<os::SandboxProcess> process;
    int files = 0;
    double seconds = 0;
  };

  static std::vector<std::string> Arguments(const ReaderLimits& limits) {
    return {os::FindAsset("pdfium/libpdfium.so").value_or(""), std::to_string(limits.memory_bytes),
            std::to_string(static_cast<std::uint64_t>(limits.seconds * (kLifeFiles + 1)) + 1),
            std::to_string(limits.file_bytes), std::to_string(limits.text_bytes)};
  }

  Result<int> Open(const std::string& path, std::uint64_t* size) const {
    // Nonblocking: opening a pipe would wait for its writer.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
      return Error(errno == ENOENT ? Code::kNotFound : Code::kIo,
                   path + ": " + AsciiLower(std::strerror(errno)));
    }
    struct stat s {};
    const bool regular = ::fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
    *size = static_cast<std::uint64_t>(s.st_size);
    if (regular && *size <= limits_.file_bytes) return fd;
    ::close(fd);
    if (!regular) return Error(Code::kUnsupported, path + ": not a regular file");
    return Error(Code::kOutOfRange, path + ": file of " + FormatBytes(*size) +
                                        " is over the limit of " + FormatBytes(limits_.file_bytes));
  }

  Slot* Take() {
    std::unique_lock lock(mutex_);
    free_.wait(lock, [this] { return !idle_.empty(); });
    Slot* slot = idle_.back();
    idle_.pop_back();
    return slot;
  }

  void Give(Slot* slot) {
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(slot);
    }
    free_.notify_one();
  }

  Status Ensure(Slot* slot) {
    if (slot->process != nullptr) return Ok();
    MALMOI_TRY(slot->process, starter_.Start());
    slot->files = 0;
    slot->seconds = 0;
    auto ready = slot->process->Call("", -1, kGreetingSeconds, 64);
    if (ready.ok() && ready.value() == "ready") return Ok();
    slot->process.reset();
    if (ready.ok()) return Error(Code::kInternal, "reader child gave a wrong greeting");
    return std::move(ready.error())
        .With("start reader child (main must call MaybeRunReaderChild first)");
  }

  Result<Document> ReadIn(Slot* slot, int fd, std::uint64_t size, const std::string& path) {
    MALMOI_TRY(Ensure(slot));
    const std::int64_t start = MonotonicNs();
    const std::string name(path.substr(path.rfind('/') + 1));
    auto reply = slot->process->Call(Request(size, name), fd, limits_.seconds, ReplyMax(limits_));
    if (!reply.ok()) {
      slot->process.reset();
      return std::move(reply.error()).With(path);
    }
    const std::uint64_t peak = slot->process->PeakBytes();
    {
      const std::lock_guard lock(mutex_);
      peak_ = std::max(peak_, peak);
    }
    slot->seconds += SecondsSince(start);
    // A large heap that is kept would count against the next file.
    const bool worn = ++slot->files >= kFilesPerChild ||
                      slot->seconds > (kLifeFiles - 1) * limits_.seconds ||
                      peak > limits_.memory_bytes / 4;
    auto document = DecodeReply(std::move(reply).value());
    // A parser that failed may have left its process in any state; a refusal is not a failure.
    const bool failed = !document.ok() && document.error().code() != Code::kUnsupported;
    if (worn || failed) slot->process.reset();
    return std::move(document).With(path);
  }

  const ReaderLimits limits_;
  Starter starter_;
  std::vector<Slot> slots_;
  mutable std::mutex mutex_;  // guards: idle_, peak_
  std::condition_variable free_;
  std::vector<Slot*> idle_;
  std::uint64_t peak_ = 0;
};

}  // namespace

Result<std::unique_ptr<ReaderPool>> ReaderPool::Start(std::size_t children,
                                                      const ReaderLimits& limits) {
  auto pool = std::make_unique<Pool>(children, limits);
  MALMOI_TRY(pool->Begin());
  return std::unique_ptr<ReaderPool>(std::move(pool));
}

void MaybeRunReaderChild(int argc, char** argv) {
  if (!os::IsSandboxChild(argc, argv, kMarker)) return;
  if (argc != 7) ::_exit(2);
  const auto number = [&](int i) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(ParseInt(argv[i]).value_or(0), 0));
  };
  ReaderLimits limits;
  limits.memory_bytes = number(3);
  limits.file_bytes = number(5);
  limits.text_bytes = number(6);
  // Whatever opens files must do so before the door closes.
  if (argv[2][0] != '\0') {
    SetPdfiumPath(argv[2]);
    LoadPdfium();
  }
  WarmCharsets();
  const auto entered =
      os::EnterSandbox({.memory_bytes = limits.memory_bytes, .cpu_seconds = number(4)});
  if (!entered.ok()) ::_exit(3);
  std::string request;
  int fd = -1;
  while (os::ReceiveRequest(&request, &fd)) {
    const std::string reply = Serve(request, fd, limits);
    if (fd >= 0) ::close(fd);
    if (!os::SendReply(reply)) break;
  }
  ::_exit(0);
}

}  // namespace malmoi::ingest
