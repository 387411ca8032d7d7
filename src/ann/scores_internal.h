#pragma once

#include <cstddef>
#include <cstdint>

// Sums of products of 4-bit codes with integer queries, per instruction set. Only plain types: the
// files that fill these tables are compiled with their own flags. All levels give equal results.
//
// Code layout: 128 numbers in a block of 64 bytes; byte j holds number j in its low and number
// j + 64 in its high half. `blocks` = numbers / 128; a row is blocks * 64 bytes. A query plane is
// blocks * 128 signed bytes in the order of the numbers.
namespace malmoi::ann {

struct ScoreTable {
  const char* name;
  // out[k] = sum of plane[i] * code(ids[k])[i]. At most 65,536 numbers, so that 32 bits suffice.
  // Rows to come are prefetched.
  void (*four)(const std::int8_t* plane, std::size_t blocks, const std::uint8_t* codes,
               const std::uint32_t* ids, std::size_t count, std::int32_t* out);
  // out[k] = sum of (128 * high[i] + low[i]) * (16 * first(ids[k])[i] + second(ids[k])[i]).
  void (*eight)(const std::int8_t* high, const std::int8_t* low, std::size_t blocks,
                const std::uint8_t* first, const std::uint8_t* second, const std::uint32_t* ids,
                std::size_t count, std::int64_t* out);
  // In place: the Walsh-Hadamard transform of x[0..n), n a power of two, times `scale`.
  void (*hadamard)(float* x, std::size_t n, float scale);
};

extern const ScoreTable kScalarScores;
#if defined(__x86_64__)
extern const ScoreTable kAvx2Scores;
extern const ScoreTable kAvx512Scores;
extern const ScoreTable kAvx512VnniScores;
#endif

// The table for the active CPU level (os::ActiveCpuLevel).
const ScoreTable& Scores();

}  // namespace malmoi::ann
