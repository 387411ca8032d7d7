#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "ingest/document.h"

namespace malmoi::ingest {

struct ReaderLimits {
  std::uint64_t memory_bytes = 512ull << 20;  // A child's address space.
  double seconds = 60;                        // Wall clock for one file.
  std::uint64_t file_bytes = 256ull << 20;    // Larger files get kOutOfRange.
  std::uint64_t text_bytes = 64ull << 20;     // Extracted text; more is kOutOfRange.
};

// Reads untrusted files in sandboxed child processes: no network, no file system, limits on
// memory and time (os/sandbox.h). A child that crashes, hangs or runs out of memory costs its own
// file only: the error says which, and a new child takes its place.
//
// Thread safety: Read may be called from as many threads as there are children; more wait.
class ReaderPool {
 public:
  // Children are processes of the running binary's own image: MaybeRunReaderChild must be the
  // first call of main().
  static Result<std::unique_ptr<ReaderPool>> Start(std::size_t children,
                                                   const ReaderLimits& limits);
  virtual ~ReaderPool() = default;

  // `path` decides nothing but a hint of the type (its extension); contents decide.
  // Errors: kUnsupported (unknown or binary type, encrypted: the message says so and why),
  // kCorruption (malformed), kOutOfRange (over a limit), kDeadline, kIo, kInternal (child died).
  virtual Result<Document> Read(const std::string& path) = 0;

  // Largest resident memory of any child so far, in bytes.
  virtual std::uint64_t peak_child_bytes() const = 0;
};

// If this process was started as a reader child, serves requests and exits; else returns.
void MaybeRunReaderChild(int argc, char** argv);

// The parser itself, without a sandbox: for the child and for tests. `name` is a hint.
Result<Document> ParseDocument(std::string_view bytes, const std::string& name,
                               const ReaderLimits& limits);

}  // namespace malmoi::ingest
