#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::os {

// A child process for work on untrusted bytes. It is the running binary's own image, started with
// a marker as its first argument, an empty environment and one inherited descriptor: a socket to
// its parent. After EnterSandbox it can compute, take memory up to its limit, read descriptors that
// the parent passes, and answer on the socket. Everything else (files, network, processes, other
// descriptors) is refused by the kernel with EPERM.
//
// Not defended: side channels of the processor, and bugs of the kernel's allowed system calls.

// The parent's end. The child is killed when this object or the process ends; on most kernels also
// when the thread that called Start ends (the parent-death signal is the thread's): start children
// from a thread that lives as long as they do.
//
// Thread safety: one Call at a time.
class SandboxProcess {
 public:
  // Errors: kIo if the process cannot be started.
  static Result<std::unique_ptr<SandboxProcess>> Start(const std::string& marker,
                                                       const std::vector<std::string>& arguments);
  ~SandboxProcess();  // Kills and reaps.
  SandboxProcess(const SandboxProcess&) = delete;
  SandboxProcess& operator=(const SandboxProcess&) = delete;

  // Sends a request, with a descriptor if fd >= 0 (the caller keeps its own), and waits for the
  // reply. After any error the child has been killed and no further Call may be made.
  // Errors: kDeadline after `seconds`; kOutOfRange for a reply over reply_bytes_max; kInternal when
  // the child ended, with how.
  Result<std::string> Call(std::string_view request, int fd, double seconds,
                           std::uint64_t reply_bytes_max);

  // Largest resident memory so far; 0 where /proc does not tell.
  std::uint64_t PeakBytes() const;

 private:
  SandboxProcess(int pid, int socket) : pid_(pid), socket_(socket) {}
  Error Ended();
  void Kill();
  int pid_;
  int socket_;
};

// True in a process that SandboxProcess::Start made with this marker.
bool IsSandboxChild(int argc, char** argv, std::string_view marker);

struct SandboxLimits {
  // Address space beyond what the program itself has mapped when the sandbox begins. Not set in
  // builds with AddressSanitizer, whose shadow takes terabytes of address space.
  std::uint64_t memory_bytes = 512ull << 20;
  std::uint64_t cpu_seconds = 300;  // Over the child's life; the parent's deadline is for a call.
};

// In the child, after libraries and tables are loaded and before the first untrusted byte. There is
// no way back. Errors: kInternal where the kernel refuses; the caller must then exit.
Status EnterSandbox(const SandboxLimits& limits);

// In the child: the next request, and the descriptor that came with it or -1 (the child closes
// it). False when the parent is gone.
bool ReceiveRequest(std::string* request, int* fd);
// In the child: answers the request. False when the parent is gone.
bool SendReply(std::string_view reply);

// A reply that is an answer or an error: u8 0 and the answer, or u8 1 + code and a message. What
// comes from a child is untrusted: a code that there is none of is kInternal, a message is made
// valid UTF-8.
std::string PackReply(const Result<std::string>& answer);
Result<std::string> UnpackReply(std::string reply);

}  // namespace malmoi::os
