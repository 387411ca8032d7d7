#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace malmoi {

// What went wrong, in terms a caller can act on. One list for the whole system; serve/ holds the
// only tables that turn a Code into an HTTP status, cli/ the only one into an exit code.
enum class Code : unsigned char {
  kInvalidArgument,   // The request is wrong: fix it and retry.
  kNotFound,          // The named thing does not exist.
  kAlreadyExists,     // The named thing exists already.
  kOutOfRange,        // Well formed, but past a stated limit (batch size, tokens).
  kPermissionDenied,  // Needs a key, a password or a right that the caller lacks.
  kUnsupported,  // Well formed, but nothing here can read or do it (encrypted file, old format).
  kOverloaded,   // A bounded queue is full: retry later.
  kUnavailable,  // A remote part or an asset is missing now: start or install it, retry.
  kDeadline,     // Stopped at its time limit.
  kCorruption,   // Bytes do not match their checksum or format.
  kIo,           // The operating system refused a read or write.
  kCancelled,    // The caller went away.
  kInternal,     // A bug in malmoi.
};

// Lower-case name with underscores, for logs and JSON: "not_found".
std::string_view CodeName(Code code);

// One pointer wide so that Result<T> stays small; errors are rare enough that the allocation
// does not matter. Messages are lower-case sentences that name the value, the limit and the
// remedy; context is added from the inside out with With().
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message);

  Code code() const { return rep_->code; }
  const std::string& message() const { return rep_->message; }

  // Prepends "where: " so that the outermost layer reads first.
  Error With(std::string_view where) &&;
  Error Clone() const { return Error(rep_->code, rep_->message); }

 private:
  struct Rep {
    Code code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

// A value, or the reason there is none. Reading the wrong side is a bug, not an error: it aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  T& value() & { return Get<0>(state_); }
  T&& value() && { return std::move(Get<0>(state_)); }
  const T& value() const& { return Get<0>(state_); }
  Error& error() & { return Get<1>(state_); }
  const Error& error() const& { return Get<1>(state_); }

  // Adds context to the error, if there is one.
  Result With(std::string_view where) && {
    if (ok()) return std::move(*this);
    return std::move(error()).With(where);
  }

 private:
  template <std::size_t I, class V>
  static auto& Get(V& v) {
    auto* p = std::get_if<I>(&v);
    if (p == nullptr) __builtin_trap();
    return *p;
  }
  std::variant<T, Error> state_;
};

// Success without a value.
using Status = Result<std::monostate>;
inline Status Ok() {
  return std::monostate{};
}

}  // namespace malmoi

#define MALMOI_CAT_(a, b) a##b
#define MALMOI_CAT(a, b) MALMOI_CAT_(a, b)
#define MALMOI_TRY_DECL_(tmp, decl, expr)       \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp.error()); \
  decl = std::move(tmp).value()
#define MALMOI_TRY_2_(decl, expr) MALMOI_TRY_DECL_(MALMOI_CAT(try_, __COUNTER__), decl, expr)
#define MALMOI_TRY_1_(expr)                           \
  do {                                                \
    if (auto try_status = (expr); !try_status.ok()) { \
      return std::move(try_status.error());           \
    }                                                 \
  } while (false)
#define MALMOI_TRY_PICK_(a, b, name, ...) name
// MALMOI_TRY(auto x, F()): x = F(), or return its error.  MALMOI_TRY(F()): return its error, if
// any.
#define MALMOI_TRY(...) MALMOI_TRY_PICK_(__VA_ARGS__, MALMOI_TRY_2_, MALMOI_TRY_1_, )(__VA_ARGS__)
