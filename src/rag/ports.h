#pragma once

#include <cstdint>
#include <memory>

#include "embed/embedder.h"
#include "llm/generator.h"
#include "text/analyzer.h"
#include "vec/collection.h"

namespace malmoi::rag {

// What the pipeline needs from the parts below it. The three are abstract classes: the embedded
// ones come from `embed`, `vec` and `llm`; a TEI fleet, a Qdrant cluster or a vLLM endpoint takes
// their place by another implementation of the same class (docs/decisions/0002-ports.md). A null
// embedder means lexical search only; a null generator, extractive answers.
struct Ports {
  std::shared_ptr<embed::Embedder> embedder;
  std::shared_ptr<vec::Collection> store;
  std::shared_ptr<llm::Generator> generator;
  std::shared_ptr<const text::Analyzer> analyzer;
};

// Names of the vectors of every chunk's point.
inline constexpr const char* kDenseVector = "dense";
// Up to so many vectors all are compared with a question, and the ranked list depends on what is
// indexed alone, not on the order in which it came; beyond, a graph finds most of the best.
inline constexpr std::uint64_t kExactVectors = 100'000;
inline constexpr const char* kLexicalVector = "bm25";

}  // namespace malmoi::rag
