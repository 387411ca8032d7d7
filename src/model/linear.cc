#include "model/linear.h"

#include <algorithm>

namespace malmoi::model {

Linear::Linear(std::span<const float> w, std::size_t n, std::size_t k, std::span<const float> bias)
    : w_(kernels::PackWeights(w, n, k)), bias_(n) {
  std::copy(bias.begin(), bias.end(), bias_.data());
}

void Linear::Apply(const LinearArgs& args, os::ThreadPool* team) const {
  Split(team, [&](std::size_t part, std::size_t parts) {
    kernels::Gemm(*w_, {.a = args.x,
                        .lda = args.ldx,
                        .m = args.rows,
                        .c = args.y,
                        .ldc = args.ldy,
                        .epilogue = args.epilogue,
                        .bias = bias_.data(),
                        .residual = args.residual,
                        .ldr = args.ldr,
                        .part = part,
                        .parts = parts});
  });
}

}  // namespace malmoi::model
