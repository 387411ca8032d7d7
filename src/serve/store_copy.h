#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "remote/qdrant_client.h"

namespace malmoi::serve {

using remote::StoreAddress;
using remote::StoreUrl;

struct CopyOptions {
  std::vector<std::string> collections;  // None: all of them, and the aliases.
  std::size_t batch = 256;               // Points a request; halved where a request is too large.
  // Collections that the destination has already: false: an error. true: batches whose points are
  // all there are skipped, so an interrupted copy goes on where it stopped. Points that changed in
  // the source since are not noticed.
  bool resume = false;
  // Afterwards every point of the source is read from both sides and compared: payloads exactly,
  // vectors to 1e-6 (of float16 to 1e-3).
  bool verify = false;
  const Cancel* cancel = nullptr;
};
struct CopiedCollection {
  std::string name;
  std::uint64_t points = 0, skipped = 0;  // Points of the source; of them those that were there.
  std::uint64_t different = 0;            // With `verify`: those that lack or differ there.
};
// `done` and `total` points of the collection; called after each batch.
using CopyProgress =
    std::function<void(const std::string& collection, std::uint64_t done, std::uint64_t total)>;

// Copies collections with their configuration, points and payload indexes: scroll, then upsert with
// wait=true. Vectors of cosine distance come normalised, as the interface gives them. Writes to the
// source meanwhile may be missed; when both sides do not count the same points in the end it is an
// error. Errors: kUnavailable and kDeadline of the network; kAlreadyExists; kInternal with what a
// side answered; kCancelled.
Result<std::vector<CopiedCollection>> CopyStore(const StoreAddress& from, const StoreAddress& to,
                                                const CopyOptions& options,
                                                const CopyProgress& progress);

}  // namespace malmoi::serve
