#pragma once

#include <memory>
#include <string>

#include "tensor/safetensors.h"

namespace malmoi::tensor {

// A state dict saved by torch.save (1.6 and later: a ZIP archive of stored entries with a pickle of
// names and the storages' bytes), memory-mapped. The pickle is not run: of its language only what a
// dict of tensors needs is read, and any other name, opcode or nesting is an error. Contiguous
// tensors only.
// Errors: kNotFound, kIo, kCorruption; kUnsupported for compressed entries, ZIP64, tensors that are
// not contiguous, and pickles of anything but tensors.
Result<std::shared_ptr<const SafeTensors>> OpenTorch(const std::string& path);

}  // namespace malmoi::tensor
