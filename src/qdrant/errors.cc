#include "qdrant/errors.h"

#include "json/writer.h"

namespace malmoi::qdrant {
namespace {

std::string Text(std::string_view prefix, std::string_view description) {
  std::string text(prefix);
  text += description;
  return text;
}

// As Rust prints a number of a validation parameter: integers plain, floats with a fraction.
std::string Number(double value) {
  json::Writer writer;
  if (value == static_cast<double>(static_cast<std::int64_t>(value))) {
    writer.Put(static_cast<std::int64_t>(value));
  } else {
    writer.Put(value);
  }
  return std::move(writer).Take();
}

bool HasPrefix(std::string_view message) {
  for (const std::string_view prefix :
       {"Wrong input: ", "Bad request: ", "Not found: ", "Service internal error: ", "Forbidden: ",
        "Timeout: ", "Rate limiting exceeded: ", "Validation error in ",
        "Insufficient storage: "}) {
    if (message.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

Error BadInput(std::string_view description) {
  return Error(Code::kInvalidArgument, Text("Wrong input: ", description));
}
Error BadRequest(std::string_view description) {
  return Error(Code::kInvalidArgument, Text("Bad request: ", description));
}
Error NotFound(std::string_view description) {
  return Error(Code::kNotFound, Text("Not found: ", description));
}
Error CollectionMissing(std::string_view collection) {
  return NotFound("Collection `" + std::string(collection) + "` doesn't exist!");
}
Error PointMissing(std::string_view id) {
  return NotFound("No point with id " + std::string(id) + " found");
}
Error AlreadyThere(std::string_view description) {
  return Error(Code::kAlreadyExists, Text("Wrong input: ", description));
}
Error ServiceFailed(std::string_view description) {
  return Error(Code::kInternal, Text("Service internal error: ", description));
}
Error StandAlone() {
  return Error(Code::kUnsupported, "Qdrant is running in standalone mode");
}
Error Forbidden(std::string_view description) {
  return Error(Code::kPermissionDenied, Text("Forbidden: ", description));
}
Error TimedOut(std::string_view operation, double seconds) {
  return Error(Code::kDeadline, "Timeout: Timeout error: Operation '" + std::string(operation) +
                                    "' timed out after " + Number(seconds) + "s");
}
Error ChecksumDiffers(std::string_view expected, std::string_view actual) {
  return Error(Code::kInvalidArgument, "Checksum mismatch: expected " + std::string(expected) +
                                           ", actual " + std::string(actual));
}
Error InferenceFailed(std::string_view description) {
  return Error(Code::kInvalidArgument, std::string(description));
}
Error VectorNameMissing(std::string_view name) {
  return BadInput("Not existing vector name error: " + std::string(name));
}
Error WrongDimension(std::size_t expected, std::size_t received) {
  return BadInput("Vector dimension error: expected dim: " + std::to_string(expected) + ", got " +
                  std::to_string(received));
}
Error InsufficientStorage(std::string_view description) {
  return Error(Code::kIo, Text("Insufficient storage: ", description));
}
bool IsFull(const Error& error) {
  return error.code() == Code::kIo &&
         (error.message().find("No space left") != std::string::npos ||
          error.message().find("Insufficient storage: ") != std::string::npos);
}
Error StrictMode(std::string_view description, std::string_view help) {
  return BadRequest(std::string(description) + ". Help: " + std::string(help));
}

Error FromStore(Error error) {
  if (HasPrefix(error.message())) return error;
  switch (error.code()) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return BadInput(error.message());
    case Code::kNotFound:
      return NotFound(error.message());
    case Code::kAlreadyExists:
      return AlreadyThere(error.message());
    case Code::kOverloaded:
      if (error.message().find("memory budget") != std::string::npos) {
        return InsufficientStorage(error.message());
      }
      return Error(error.code(), "Service internal error: " + error.message());
    case Code::kDeadline:
    case Code::kCancelled:
      return Error(Code::kDeadline, "Timeout: " + error.message());
    default:
      return Error(error.code(), "Service internal error: " + error.message());
  }
}

void Checks::Add(std::string path, std::string reason) {
  found_.emplace_back(std::move(path), std::move(reason));
}

Status Checks::Finish(std::string_view where) const {
  if (found_.empty()) return Ok();
  std::string text = "Validation error in " + std::string(where) + ": [";
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (i > 0) text += "; ";
    text += found_[i].first + ": " + found_[i].second;
  }
  return Error(Code::kOutOfRange, text + "]");
}

void Checks::AtLeast(const std::string& path, double value, double min) {
  if (value >= min) return;
  Add(path, "value " + Number(value) + " invalid, must be " + Number(min) + " or larger");
}

void Checks::Within(const std::string& path, double value, double min, double max) {
  if (value >= min && value <= max) return;
  Add(path,
      "value " + Number(value) + " invalid, must be from " + Number(min) + " to " + Number(max));
}

}  // namespace malmoi::qdrant
