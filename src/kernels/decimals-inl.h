#pragma once

// What the levels that read four numbers at a time have in common: where the numbers stand. Each
// level's file has its own copy (anonymous namespace), compiled with its own flags.
namespace malmoi::kernels {
namespace {

constexpr double kTenths[] = {1e-0, 1e-1, 1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,
                              1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15};
constexpr unsigned kRead = 15;       // Digits behind the point that are read.
constexpr unsigned kMore = 4;        // At most of those that only have to be some.
constexpr double kLongLeast = 1e-4;  // Of what has more digits than are read.
// What those are worth is below 1e-15: at kLongLeast and above less than 2^17 steps of a double, of
// the 2^29 that stand for one float. So near to the middle between two nothing is decided.
constexpr long long kMiddle = 0x10000000 - 0x20000, kAround = 0x40000;

// Four numbers: where their commas stand, where what is read of them ends, how many digits behind
// the point that are, and their signs.
struct Four {
  unsigned comma[4];
  unsigned end[4];
  unsigned some[4];
  unsigned negative = 0;  // A bit each.
  bool longer = false;    // One has more digits than are read.
};

// Whether all characters from `at` on to the comma, at most kMore, are digits.
inline bool AreDigits(const char* at, unsigned count) {
  if (count > kMore) return false;
  unsigned char wrong = 0;
  for (unsigned i = 0; i < count; ++i) {
    wrong |= static_cast<unsigned char>(at[i] - '0') > 9 ? 1 : 0;
  }
  return wrong == 0;
}

// `commas_at`: a bit for each comma of 64 characters. With their commas, four numbers as f32 are
// written have 64 characters, and two of any have.
template <class Commas>
bool Find(const char* at, Four* four, Commas commas_at) {
  unsigned long long commas = commas_at(at);
  const bool twice = __builtin_popcountll(commas) < 4;
  unsigned start = 0, window = 0, wrong = 0;
  for (int i = 0; i < 4; ++i) {
    if (i == 2 && twice) commas = commas_at(at + (window = start));
    if (commas == 0) return false;
    const unsigned comma = window + static_cast<unsigned>(__builtin_ctzll(commas));
    commas &= commas - 1;
    const unsigned minus = at[start] == '-' ? 1 : 0;
    const unsigned some = comma - start - 2 - minus;
    wrong |= some - 1 >= kRead + kMore ? 1u : 0u;
    const unsigned taken = some < kRead ? some : kRead;
    four->comma[i] = comma;
    four->some[i] = taken;
    four->end[i] = comma - some + taken;
    four->negative |= minus << i;
    four->longer = four->longer || some > kRead;
    start = comma + 1;
  }
  if (wrong != 0) return false;
  for (int i = 0; four->longer && i < 4; ++i) {
    if (!AreDigits(at + four->end[i], four->comma[i] - four->end[i])) return false;
  }
  return true;
}

}  // namespace
}  // namespace malmoi::kernels
