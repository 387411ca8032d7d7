#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

Shape MergeSmall(const Shape& shape, std::int64_t limit) {
  Shape merged;
  std::int64_t product = 1;
  for (const std::int64_t dim : shape) {
    product *= dim;
    if (product > limit) {
      merged.push_back(dim == 0 ? 0 : product / dim);
      product = dim;
    }
  }
  merged.push_back(product);
  return merged.size() > 1 ? merged : Shape{1};
}

template <class T>
std::vector<T> StartVector(std::size_t n, std::uint64_t seed) {
  std::vector<T> out(n);
  std::uint64_t state = 0x9e3779b97f4a7c15U + seed * 0xd1342543de82ef95U;
  for (T& v : out) {  // Sums of four uniforms are normal enough, and need no libm.
    double sum = 0;
    for (int i = 0; i < 4; ++i) {
      state += 0x9e3779b97f4a7c15U;
      std::uint64_t z = state;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
      sum += static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53 - 0.5;
    }
    v = static_cast<T>(sum * 1.7320508075688772);
  }
  return out;
}
template std::vector<float> StartVector(std::size_t, std::uint64_t);
template std::vector<double> StartVector(std::size_t, std::uint64_t);

}  // namespace malmoi::optim::matrix
