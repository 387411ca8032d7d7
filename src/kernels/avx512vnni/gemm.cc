#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/dots-inl.h"

namespace malmoi::kernels {
namespace {

// Four u8 by four s8 into 32 bits, without saturation (vpdpbusd).
struct ByteDot : ShortDot {
  static constexpr std::size_t kLaneBytes = 4, kUnit = 4;
  static Weight LoadWeight(const char* p) { return _mm512_loadu_si512(p); }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm512_dpbusd_epi32(c, a, b); }
};
using ByteTiles = TileTable<ByteDot, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

const GemmTable kVnniInt8 = {
    3, kByteForm, 4, 1, 1, GemmKernel<ByteDot, ByteTiles>, PeakKernel<ByteDot>};

}  // namespace malmoi::kernels
#endif
