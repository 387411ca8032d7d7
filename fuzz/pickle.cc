// The language of torch's pickles is hostile: nothing is run, nothing grows without bound.
#include "fuzz/input.h"
#include "tensor/pickle_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tensors = malmoi::tensor::ReadPickle(FuzzInput(data, size));
  if (!tensors.ok()) return 0;
  for (const auto& tensor : tensors.value()) Expect(tensor.shape.size() <= 16);
  return 0;
}
