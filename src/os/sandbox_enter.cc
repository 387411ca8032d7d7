#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/strings.h"
#include "os/sandbox.h"

namespace malmoi::os {
namespace {

// Memory of the program's own pages that may still become resident (code of loaded libraries):
// taken off the limit, so that resident memory stays below memory_bytes as a whole.
constexpr std::uint64_t kOwnPages = 64ull << 20;

Error Refused(const std::string& what, int error) {
  return Error(Code::kInternal, "enter sandbox: " + what + ": " + AsciiLower(std::strerror(error)));
}

Status Limit(__rlimit_resource resource, const char* name, rlim_t value) {
  const rlimit limit = {value, value};
  if (::setrlimit(resource, &limit) != 0) return Refused(name, errno);
  return Ok();
}

#if !defined(__SANITIZE_ADDRESS__)
std::uint64_t MappedBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long long pages = 0;
  if (std::fscanf(file, "%llu", &pages) != 1) pages = 0;
  std::fclose(file);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}
#endif

Status SetLimits(const SandboxLimits& limits) {
#if !defined(__SANITIZE_ADDRESS__)
  const std::uint64_t own = limits.memory_bytes > 2 * kOwnPages ? kOwnPages : 0;
  MALMOI_TRY(Limit(RLIMIT_AS, "RLIMIT_AS", MappedBytes() + limits.memory_bytes - own));
#endif
  MALMOI_TRY(Limit(RLIMIT_CPU, "RLIMIT_CPU", limits.cpu_seconds));
  MALMOI_TRY(Limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", 0));
  MALMOI_TRY(Limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", 16));
  MALMOI_TRY(Limit(RLIMIT_NPROC, "RLIMIT_NPROC", 0));
  MALMOI_TRY(Limit(RLIMIT_CORE, "RLIMIT_CORE", 0));
  return Ok();
}

// Calls that only compute, wait, take memory or use a descriptor that is open already.
constexpr std::array kAllowed = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(munmap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(clock_getres),
    SCMP_SYS(getrandom),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrusage),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_getaffinity),
};

int AddRules(scmp_filter_ctx filter) {
  for (const int call : kAllowed) {
    if (const int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); rc != 0) return rc;
  }
#if defined(__SANITIZE_ADDRESS__)
  // The sanitizers probe whether memory is readable by writing it into a pipe: without it every
  // call of a virtual function would be reported.
  for (const int call : {SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(write)}) {
    if (const int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); rc != 0) return rc;
  }
#endif
  struct Rule {
    int call;
    scmp_arg_cmp argument;
  };
  const std::array<Rule, 8> rules = {{
      // Answers and messages of abort(); both are descriptors that the parent gave.
      {SCMP_SYS(write), SCMP_A0(SCMP_CMP_EQ, 3, 0)},
      {SCMP_SYS(write), SCMP_A0(SCMP_CMP_EQ, 2, 0)},
      {SCMP_SYS(recvmsg), SCMP_A0(SCMP_CMP_EQ, 3, 0)},
      // No new code: memory is never made executable.
      {SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
      {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
      {SCMP_SYS(mremap), SCMP_A4(SCMP_CMP_EQ, 0, 0)},
      // raise() and abort() of the process itself.
      {SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()), 0)},
      {SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_LE, 64, 0)},
  }};
  for (const Rule& rule : rules) {
    const int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule.call, 1, &rule.argument);
    if (rc != 0) return rc;
  }
  return 0;
}

}  // namespace

Status EnterSandbox(const SandboxLimits& limits) {
  MALMOI_TRY(SetLimits(limits));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Refused("no_new_privs", errno);
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) return Refused("seccomp_init", ENOMEM);
  int rc = AddRules(filter);
  // For all threads, should a library have started one while it was loaded.
  if (rc == 0) rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  if (rc == 0) rc = seccomp_load(filter);
  seccomp_release(filter);
  if (rc != 0) return Refused("seccomp", -rc);
  return Ok();
}

}  // namespace malmoi::os
