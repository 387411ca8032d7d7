#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace malmoi::qdrant {

// The errors of Qdrant's interface, with the texts that its clients match. An Error's message is
// complete ("Wrong input: ..."), its code decides the status on each wire:
//
//   kInvalidArgument 400   kOutOfRange 422 (field validation)   kNotFound 404   kAlreadyExists 409
//   kPermissionDenied 403  kUnsupported 405 (stand-alone mode)  kDeadline 408   kOverloaded 429
//   kUnavailable 503       kIo 500 or 507 (see IsFull)           others 500
Error BadInput(std::string_view description);
Error BadRequest(std::string_view description);
Error NotFound(std::string_view description);
Error CollectionMissing(std::string_view collection);
Error PointMissing(std::string_view id);
Error AlreadyThere(std::string_view description);
Error ServiceFailed(std::string_view description);
Error StandAlone();
Error Forbidden(std::string_view description);
Error TimedOut(std::string_view operation, double seconds);
Error ChecksumDiffers(std::string_view expected, std::string_view actual);
Error InferenceFailed(std::string_view description);
Error VectorNameMissing(std::string_view name);
Error WrongDimension(std::size_t expected, std::size_t received);
// Memory or disk is at a limit that somebody set.
Error InsufficientStorage(std::string_view description);
// A strict-mode refusal: what was exceeded, and Qdrant's "Help: " sentence.
Error StrictMode(std::string_view description, std::string_view help);

// An error of vec (whose messages have no prefix) as one of this interface.
Error FromStore(Error error);

// Whether the error says that disk or memory is full: 507, RESOURCE_EXHAUSTED.
bool IsFull(const Error& error);

// What field validation found: the field's path and the reason, in the order of the fields.
class Checks {
 public:
  void Add(std::string path, std::string reason);
  bool ok() const { return found_.empty(); }
  // kOutOfRange "Validation error in JSON body: [path: reason; ...]", or success.
  Status Finish(std::string_view where) const;

  // "value 0 invalid, must be 1 or larger" where value < min.
  void AtLeast(const std::string& path, double value, double min);
  void Within(const std::string& path, double value, double min, double max);

 private:
  std::vector<std::pair<std::string, std::string>> found_;
};

}  // namespace malmoi::qdrant
