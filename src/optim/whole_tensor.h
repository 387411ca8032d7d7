#pragma once

namespace malmoi::optim {

// A rule that also derives from this has each tensor visited by one thread, however large the
// tensor is: matrix rules, whose work cannot be cut into ranges of elements.
class WholeTensor {
 public:
  virtual ~WholeTensor() = default;
};

}  // namespace malmoi::optim
