#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/result.h"
#include "json/value.h"

namespace malmoi::remote {

// Points as a store's scroll gave them, in the form of the wire that they came over: between two
// stores of one wire they pass without a detour over JSON. Of one thread at a time.
class PointPage {
 public:
  virtual ~PointPage() = default;
  virtual std::size_t size() const = 0;
  // Ids alone, and whole points {"id", "vector", "payload"}, as REST has them.
  virtual Result<json::Value> Ids() const = 0;
  virtual Result<json::Value> Points() const = 0;

  json::Value next;  // Where the next page begins; null: this is the last.
};

// Another wire than REST to a store, with the calls of REST: a program that has one (rpc) puts it
// into a StoreAddress, and what is built on QdrantClient goes over it. Thread-safe.
class StoreLink {
 public:
  virtual ~StoreLink() = default;
  // What REST answers to this request in `result`. Path, body and errors are those of
  // QdrantClient::Call; kUnsupported for what the wire has no call for, kInvalidArgument for a
  // member of `body` that it cannot say: nothing is left out silently.
  virtual Result<json::Value> Call(const std::string& method, const std::string& path,
                                   const std::string& body, const Cancel* cancel) = 0;
  virtual Result<std::unique_ptr<PointPage>> Scroll(const std::string& collection,
                                                    const json::Value& offset, std::size_t limit,
                                                    const Cancel* cancel) = 0;
  // Upserts the page's points, durable when it returns; in halves where they are too large for one
  // message. The page is used up.
  virtual Status Upsert(const std::string& collection, PointPage& page, const Cancel* cancel) = 0;
};

}  // namespace malmoi::remote
