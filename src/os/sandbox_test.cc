// Goal: a sandboxed child answers, cannot reach files, network or processes, and is bounded in
// memory and time; whatever ends it is told.
// Method: this binary starts itself with a marker; the child does what the request names.
#include "os/sandbox.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"

using namespace malmoi;

namespace {

constexpr std::string_view kMarker = "--sandbox-test-child";

std::string Outcome(long result) {
  return result >= 0 ? "allowed" : std::strerror(errno);
}

std::string TakeMemory() {
  std::size_t taken = 0;
  for (; taken < 4096; ++taken) {
    void* p = std::malloc(1 << 20);
    if (p == nullptr) break;
    std::memset(p, 1, 1 << 20);
  }
  return std::to_string(taken);
}

std::string Serve(const std::string& request, int fd) {
  if (request == "open") return Outcome(::open("/etc/passwd", O_RDONLY));
  if (request == "socket") return Outcome(::socket(AF_INET, SOCK_STREAM, 0));
  if (request == "fork") return Outcome(::fork());
  if (request == "exec") {
    char* const none[] = {nullptr};
    return Outcome(::execve("/bin/true", none, none));
  }
  if (request == "code") {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? std::strerror(errno)
               : "allowed";
  }
  if (request == "kill parent") return Outcome(::kill(::getppid(), 0));
  if (request == "environment") {
    std::string all;
    for (char** each = ::environ; *each != nullptr; ++each) all += std::string(*each) + ";";
    return all;
  }
  if (request == "memory") return TakeMemory();
  if (request == "spin") {
    volatile bool forever = true;
    while (forever) {
    }
  }
  if (request == "crash") __builtin_trap();
  if (request == "exit") ::_exit(7);
  if (request == "large") return std::string(5 << 20, 'x');
  if (request == "read") {
    char text[16];
    const ssize_t n = ::read(fd, text, sizeof(text));
    ::close(fd);
    return std::string(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  }
  return "echo " + request;
}

std::unique_ptr<os::SandboxProcess> StartChild() {
  auto child = os::SandboxProcess::Start(std::string(kMarker), {});
  REQUIRE(child.ok());
  return std::move(child).value();
}

std::string Ask(os::SandboxProcess* child, const std::string& request, int fd = -1) {
  auto reply = child->Call(request, fd, 30, 8 << 20);
  return reply.ok() ? reply.value() : "error: " + reply.error().message();
}

}  // namespace

void BeforeTests(int argc, char** argv) {
  if (!os::IsSandboxChild(argc, argv, kMarker)) return;
  if (!os::EnterSandbox({.memory_bytes = 200ull << 20, .cpu_seconds = 60}).ok()) ::_exit(9);
  std::string request;
  int fd = -1;
  while (os::ReceiveRequest(&request, &fd)) {
    if (!os::SendReply(Serve(request, fd))) break;
  }
  ::_exit(0);
}

TEST_CASE("a sandboxed child answers and is refused files, network, processes and new code") {
  const auto child = StartChild();
  CHECK(Ask(child.get(), "hello") == "echo hello");
  const std::string refused = std::strerror(EPERM);
  for (const char* request : {"open", "socket", "fork", "exec", "code", "kill parent"}) {
    CAPTURE(request);
    CHECK(Ask(child.get(), request) == refused);
  }
  CHECK(Ask(child.get(), "environment") == "OPENBLAS_NUM_THREADS=1;");
  CHECK(Ask(child.get(), "large").size() == 5 << 20);
  CHECK(child->PeakBytes() > 0);
}

TEST_CASE("a descriptor that the parent passes can be read") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(::write(ends[1], "bytes", 5) == 5);
  const auto child = StartChild();
  CHECK(Ask(child.get(), "read", ends[0]) == "bytes");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("memory is bounded") {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("skipped: AddressSanitizer needs the whole address space");
#else
  const auto child = StartChild();
  const int taken = std::atoi(Ask(child.get(), "memory").c_str());
  CHECK(taken > 50);
  CHECK(taken < 200);
  CHECK(child->PeakBytes() < 200ull << 20);
#endif
}

TEST_CASE("a child that spins is killed at the deadline; others' ends are told") {
  auto child = StartChild();
  const std::int64_t start = MonotonicNs();
  auto reply = child->Call("spin", -1, 0.3, 100);
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().code() == Code::kDeadline);
  CHECK(SecondsSince(start) >= 0.3);
  CHECK(child->Call("hello", -1, 1, 100).error().code() == Code::kInternal);

  child = StartChild();
  reply = child->Call("crash", -1, 30, 100);
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().code() == Code::kInternal);
  CHECK(reply.error().message().find("SIG") != std::string::npos);

  child = StartChild();
  reply = child->Call("exit", -1, 30, 100);
  CHECK(reply.error().message().find("status 7") != std::string::npos);

  child = StartChild();
  CHECK(child->Call("large", -1, 30, 100).error().code() == Code::kOutOfRange);
}

TEST_CASE("an answer and an error come through a reply; what is neither is refused") {
  CHECK(os::UnpackReply(os::PackReply(std::string("a\0b", 3))).value() == std::string("a\0b", 3));
  CHECK(os::UnpackReply(os::PackReply(std::string())).value().empty());
  const auto error = os::UnpackReply(os::PackReply(Error(Code::kCorruption, "cut\xff")));
  CHECK(error.error().code() == Code::kCorruption);
  CHECK(error.error().message() == "cut\xef\xbf\xbd");
  CHECK(os::UnpackReply("").error().code() == Code::kInternal);
  CHECK(os::UnpackReply("\xffx").error().code() == Code::kInternal);
}
