#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/analysis/forms_internal.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {

// Morphemes by libmecab with a compiled dictionary in UTF-8.
//
// Thread safety: const methods may run concurrently, each with its own Scratch.
class Morphemes {
 public:
  struct Impl;
  struct Scratch;
  struct ScratchDeleter {
    void operator()(Scratch* scratch) const;
  };
  using ScratchPtr = std::unique_ptr<Scratch, ScratchDeleter>;
  // Turns one morpheme and the dictionary's feature of it into forms.
  using AddNode = void (*)(std::string_view surface, std::string_view feature, FormSink* sink);

  // `name` ("Korean") is for messages. Errors: kUnavailable when `folder` holds no dictionary that
  // libmecab reads.
  static Result<std::shared_ptr<const Morphemes>> Open(const std::string& name,
                                                       const std::string& folder);
  explicit Morphemes(std::unique_ptr<Impl> impl);
  ~Morphemes();

  ScratchPtr NewScratch() const;
  // Morphemes of the lines of `text` that hold a run of kind `wanted`. `runs` are all runs of
  // `text`, in order. Linear: a line is analysed in bounded pieces.
  void Parse(std::string_view text, std::span<const Run> runs, RunKind wanted, AddNode add_node,
             Scratch* scratch, FormSink* sink) const;
  // Changes with the dictionary.
  const std::string& identity() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace malmoi::text
