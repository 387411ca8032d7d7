#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// How far one output is from what is expected.
struct Deviation {
  std::string output;      // "states.3", "hidden", "pooled", "logits", "sparse", "tokens".
  std::size_t values = 0;  // Compared.
  double largest = 0;      // Absolute difference; infinite where the number of values differs.
  double cosine = 1;       // The smallest of the rows'; rows of zeros on both sides count as 1.
};

// Runs the model in `directory` on the sequences of its expected.safetensors and compares each
// output that is there with what the encoder gives. The file's tensors (I32 or I64 ids, starts and
// optionally type_ids; all else floating):
//   ids [tokens], starts [count + 1], type_ids [tokens]
//   states.0 .. states.N [tokens, hidden], hidden [tokens, hidden], pooled [count, dim],
//   logits [count, labels], sparse [count, vocabulary], tokens [rows, dim]
// A model whose file has "sparse" is opened for Task::kSparse unless it has a sparse output as it
// is; one with "logits" for Task::kClassification likewise.
// Errors: those of Encoder; kNotFound or kCorruption for the file.
Result<std::vector<Deviation>> CheckGolden(const std::string& directory, os::ThreadPool& pool);

}  // namespace malmoi::model
