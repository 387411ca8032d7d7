#include "os/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "os/vfs.h"

// Wire format on the socket, both ways: u64 length, bytes. A request's descriptor rides on the
// first byte of the length (SCM_RIGHTS).
namespace malmoi::os {
namespace {

constexpr int kSocket = 3;  // The child's only descriptor beside 0, 1 and 2.
constexpr std::uint64_t kRequestMax = 1 << 20;

Error SystemError(const std::string& what) {
  return Error(Code::kIo, what + ": " + AsciiLower(std::strerror(errno)));
}

// Everything between fork and exec: only async-signal-safe calls, since the parent has threads.
[[noreturn]] void BecomeChild(int socket, int parent, char* const* arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(125);  // The parent ended before the line above.
  const int null = ::open("/dev/null", O_RDWR);
  // A copy above the standard ones first: `socket` may be 0, 1 or 2 in a daemon.
  const int high = ::fcntl(socket, F_DUPFD, 16);
  if (null < 0 || high < 0) ::_exit(125);
  ::dup2(null, 0);
  ::dup2(null, 1);
#if !defined(__SANITIZE_ADDRESS__)
  ::dup2(null, 2);  // With AddressSanitizer, its report is worth seeing.
#endif
  ::dup2(high, kSocket);
  if (::syscall(SYS_close_range, kSocket + 1, ~0u, 0) != 0) {
    for (int fd = kSocket + 1; fd < 65536; ++fd) ::close(fd);
  }
  // The parent's signal mask and ignored signals would be inherited.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  // OpenBLAS, which the program links, starts threads while it is loaded unless told not to: none
  // may be there when the limits and the filter of system calls come.
  char one_thread[] = "OPENBLAS_NUM_THREADS=1";
  char* const environment[] = {one_thread, nullptr};
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(126);
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const char* name = ::sigabbrev_np(signal);
    std::string text = "child process ended by signal SIG" + std::string(name ? name : "?");
    if (signal == SIGXCPU) text += " (over its processor time)";
    return text;
  }
  return "child process ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<std::unique_ptr<SandboxProcess>> SandboxProcess::Start(
    const std::string& marker, const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return SystemError("start child: socketpair");
  }
  std::vector<std::string> words = {"malmoi", marker};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int parent = ::getpid();
  const int pid = ::fork();
  if (pid == 0) BecomeChild(ends[1], parent, argv.data());
  ::close(ends[1]);
  if (pid < 0) {
    const Error error = SystemError("start child: fork");
    ::close(ends[0]);
    return error.Clone();
  }
  return std::unique_ptr<SandboxProcess>(new SandboxProcess(pid, ends[0]));
}

SandboxProcess::~SandboxProcess() {
  Kill();
}

void SandboxProcess::Kill() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

// The socket has closed: the child is gone or will be at once.
Error SandboxProcess::Ended() {
  int status = 0;
  int reaped = 0;
  for (int i = 0; i < 200 && reaped == 0; ++i) {
    reaped = ::waitpid(pid_, &status, WNOHANG);
    if (reaped == 0) ::poll(nullptr, 0, 5);
  }
  if (reaped == pid_) {
    pid_ = -1;
    Kill();
    return Error(Code::kInternal, HowItEnded(status));
  }
  Kill();
  return Error(Code::kInternal, "child process closed its socket");
}

Result<std::string> SandboxProcess::Call(std::string_view request, int fd, double seconds,
                                         std::uint64_t reply_bytes_max) {
  if (pid_ <= 0) return Error(Code::kInternal, "child process has ended");
  const std::int64_t deadline = MonotonicNs() + static_cast<std::int64_t>(seconds * 1e9);
  std::string out;
  Put<std::uint64_t>(&out, request.size());
  out.append(request);
  iovec part = {out.data(), out.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &fd, sizeof(int));
  }
  // Requests are small: one message, which the socket's buffer holds.
  if (::sendmsg(socket_, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(out.size())) {
    return Ended();
  }

  std::string reply;
  std::uint64_t length = 8;
  bool header = true;
  std::array<char, 64 << 10> buffer;
  while (header || reply.size() < length) {
    const std::int64_t left = deadline - MonotonicNs();
    if (left <= 0) {
      Kill();
      return Error(Code::kDeadline,
                   "no answer within " + FormatFixed(seconds, 1) + " s: child process killed");
    }
    pollfd p = {socket_, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 1000))) <= 0) {
      continue;
    }
    const auto want = std::min<std::uint64_t>(length - reply.size(), buffer.size());
    const ssize_t n = ::read(socket_, buffer.data(), want);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Ended();
    reply.append(buffer.data(), static_cast<std::size_t>(n));
    if (header && reply.size() == 8) {
      header = false;
      length = Load<std::uint64_t>(reply.data());
      reply.clear();
      if (length > reply_bytes_max) {
        Kill();
        return Error(Code::kOutOfRange, "answer of " + FormatBytes(length) +
                                            " is over the limit of " +
                                            FormatBytes(reply_bytes_max));
      }
    }
  }
  return reply;
}

std::uint64_t SandboxProcess::PeakBytes() const {
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid_) + "/status").c_str(), "r");
  if (file == nullptr) return 0;
  std::array<char, 256> line;
  std::uint64_t bytes = 0;
  while (std::fgets(line.data(), line.size(), file) != nullptr) {
    const std::string_view s(line.data());
    if (!s.starts_with("VmHWM:")) continue;
    const std::string_view number = Trim(s.substr(6, s.find("kB") - 6));
    bytes = static_cast<std::uint64_t>(ParseInt(number).value_or(0)) * 1024;
    break;
  }
  std::fclose(file);
  return bytes;
}

bool IsSandboxChild(int argc, char** argv, std::string_view marker) {
  return argc >= 2 && marker == argv[1];
}

bool ReceiveRequest(std::string* request, int* fd) {
  *fd = -1;
  std::array<char, 8> header{};
  iovec part = {header.data(), header.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n = 0;
  do {
    n = ::recvmsg(kSocket, &message, 0);
  } while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(header.size())) return false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
      std::memcpy(fd, CMSG_DATA(c), sizeof(int));
    }
  }
  const auto length = Load<std::uint64_t>(header.data());
  if (length > kRequestMax) return false;
  request->resize(length);
  for (std::size_t at = 0; at < length;) {
    const ssize_t got = ::read(kSocket, request->data() + at, length - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += static_cast<std::size_t>(got);
  }
  return true;
}

bool SendReply(std::string_view reply) {
  std::string header;
  Put<std::uint64_t>(&header, reply.size());
  for (std::string_view part : {std::string_view(header), reply}) {
    while (!part.empty()) {
      const ssize_t n = ::write(kSocket, part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      part.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  return true;
}

std::string PackReply(const Result<std::string>& answer) {
  std::string out;
  if (answer.ok()) {
    out.reserve(1 + answer.value().size());
    Put<std::uint8_t>(&out, 0);
    return out += answer.value();
  }
  const Error& error = answer.error();
  Put<std::uint8_t>(&out, static_cast<std::uint8_t>(1 + static_cast<int>(error.code())));
  return out += error.message();
}

Result<std::string> UnpackReply(std::string reply) {
  if (reply.empty()) return Error(Code::kInternal, "child process answered nothing");
  const auto kind = static_cast<std::uint8_t>(reply[0]);
  reply.erase(0, 1);
  if (kind == 0) return reply;
  if (kind - 1 > static_cast<int>(Code::kInternal)) {
    return Error(Code::kInternal, "child process answered an unknown code");
  }
  return Error(static_cast<Code>(kind - 1), ToValidUtf8(reply));
}

}  // namespace malmoi::os
