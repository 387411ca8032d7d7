#pragma once

#include <cstddef>
#include <cstdint>

// What a search spends its time in, per instruction set: sums of products of 4-bit codes with
// integer queries, the walk over them, and making a query of a vector. Only plain types: the files
// that fill these tables are compiled with their own flags. All levels give equal results.
//
// Code layout: 128 numbers in a block of 64 bytes; byte j holds number j in its low and number
// j + 64 in its high half. `blocks` = numbers / 128; a row is blocks * 64 bytes. A query plane is
// blocks * 128 signed bytes in the order of the numbers.
namespace malmoi::ann {

// A walk of one thread: what it reads, and what it writes.
struct WalkState {
  const std::uint32_t* links = nullptr;  // [degree] a row: id + 1, 0 behind the last.
  std::uint32_t degree = 0;
  std::uint32_t bound = 0;  // Ids from it on are passed over; marked as visited.
  const std::uint8_t* codes = nullptr;
  std::size_t blocks = 0;
  const float* factors = nullptr;  // Scale and half of the squared norm, by id.
  const float* extra = nullptr;    // By id; read where extra_weight is not 0.

  // Similarity of a row: scale * its scale * (sum - middle) - half_weight * its half norm +
  // extra_weight * its extra.
  const std::int8_t* plane = nullptr;
  float scale = 0, middle = 0, half_weight = 0, extra_weight = 0;

  // The pool: keys of score and id, falling, 64-byte aligned; bit 0 says that the node's links were
  // followed. Eight of the largest value stand before it, zeros up to eight places behind the
  // window, which the pool is not to pass.
  std::uint64_t* keys = nullptr;
  std::size_t size = 0, window = 0;
  // From place `least` of the pool on the links of keys below `floor` are not followed.
  std::size_t least = 0;
  std::uint64_t floor = 0;
  std::uint64_t* visited = nullptr;  // Bits of ids up to `bound`.
  std::uint32_t* dirty = nullptr;    // Words of it that are not zero; room for all and one more.
  std::size_t dirty_count = 0;
  std::uint32_t* ids = nullptr;  // Room for 2 * (degree + 4).
  std::int32_t* sums = nullptr;  // Room for what is judged at once and 4 more.
  float* scores = nullptr;       // The same.
  std::uint64_t distances = 0, hops = 0;
};

// What a query is compared with the signs of rows by. A row of signs is `stride` bytes, a multiple
// of 64: a bit a number, set where the number is positive, and from byte `tail` on three floats:
// what stands for the size of a number, the standard error of a product for a query of length 1,
// and half of the squared norm. The query in four bits: number i is scale * values[i], -7 to 7.
struct SignQuery {
  const std::uint8_t* rows = nullptr;
  std::size_t stride = 0, tail = 0;
  const std::uint8_t* planes = nullptr;  // [4][stride]: bits 0 to 3 of the values; zeros behind.
  const std::int8_t* values = nullptr;   // [stride * 8]; zeros behind the last number.
  // The bound of a similarity: scale * the row's size * (2 * sum of the values of its set bits -
  // sum) + margin * its error - half_weight * its half norm.
  float scale = 0, sum = 0, margin = 0, half_weight = 0;
};

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
  // Judges n ids and puts the good ones into the pool; the largest key that came in, or 0.
  std::uint64_t (*offer)(WalkState* state, const std::uint32_t* ids, std::size_t n);
  // Follows the links of the pool's best until those of all in it are followed.
  void (*walk)(WalkState* state);
  // In place, for each of `halves` rows of signs: x times it, then the Walsh-Hadamard transform of
  // x's first, at odd rows of its last `power` numbers (a power of two), times `scale`.
  void (*rotate)(float* x, std::size_t n, std::size_t power, const float* signs, int halves,
                 float scale);
  // x = (128 * high + low) * result, rounded; |x| is at most 16,256 times the result. sums: of
  // high, and of 128 * high + low.
  float (*split)(const float* x, std::size_t n, std::int8_t* high, std::int8_t* low,
                 std::int64_t sums[2]);
  // plane = 16 * first + second - 128: a stored row as a query. The sum of the plane.
  std::int32_t (*join)(const std::uint8_t* first, const std::uint8_t* second, std::size_t blocks,
                       std::int8_t* plane);
  // Those of ids[0, n) that are below `bound` and whose bit is set, to out, in order; their number.
  // `out` has room for 16 more.
  std::size_t (*pick)(const std::uint64_t* bits, std::uint32_t bound, const std::uint32_t* ids,
                      std::size_t n, std::uint32_t* out);
  // Those of ids[begin, end) whose bit is set, bit i for ids[i], to out, in order; their number.
  // One word more than the bits need can be read, and `out` has room for 16 more.
  std::size_t (*marked)(const std::uint64_t* bits, const std::uint32_t* ids, std::uint32_t begin,
                        std::uint32_t end, std::uint32_t* out);
  // Keeps those of ids[0, n) whose bound is above `least`, in order; their number. Rows are not
  // prefetched.
  std::size_t (*sift)(const SignQuery& query, std::uint32_t* ids, std::size_t n, float least);
};

extern const ScoreTable kScalarScores;
#if defined(__x86_64__)
extern const ScoreTable kAvx2Scores;
extern const ScoreTable kAvx512Scores;
extern const ScoreTable kAvx512VnniScores;
extern const ScoreTable kAvx512PopcntScores;
#endif

// The table for the active CPU level (os::ActiveCpuLevel).
const ScoreTable& Scores();

}  // namespace malmoi::ann
