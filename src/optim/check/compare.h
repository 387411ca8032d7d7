#pragma once

#include <map>
#include <string>
#include <vector>

#include "optim/check/golden.h"
#include "optim/check/replay_internal.h"

namespace malmoi::optim {

// Our parameters of one series against the recorded ones, parameter by parameter.
//
// A parameter is *degenerate* where the reference's own f32 and f64 differ by more than a tenth of
// the ceiling: a basis of a null space, the sign of rounding noise, a chaotic iteration. There the
// ceiling can ask for nothing, and a parameter that misses it is judged by what is defined:
//   - it is finite where theirs is;
//   - it is no further from theirs than ten times the reference is from itself;
//   - it has moved about as far (the norms of both moves differ by less than a factor of two) and
//     about the same way (the moves' cosine is at least half of that between the reference's f32
//     and f64 at the same steps), unless the reference does not agree with itself on any digit.
// f64 is held to 1e-6, but to f32's tolerance where the reference decomposes in f32 all the same.
// In bf16 it is enough to be as near the reference's f64 as its own bf16 is.
class SeriesComparison {
 public:
  SeriesComparison(const GoldenDirectory& directory, const Series& series,
                   const tensor::SafeTensors* golden);
  void Add(const Snapshot& ours);
  // Fills in what was found: state (kPassed, kByProperties, kFailed), worst, tolerance, where.
  void Finish(SeriesResult* result) const;

 private:
  struct Parameter {
    double worst = 0;       // Largest |ours - theirs| / max |theirs|.
    std::string where;      // Its step.
    double norm_ratio = 1;  // Of the moves since the start, where furthest from 1.
    double cosine = 1;      // Of the moves, the smallest.
    double own_cosine = 1;  // Of the reference's f32 and f64 moves, the smallest.
    double own = 0;         // bf16: the reference's distance from its own f64; not a number: huge.
    double mine = 0;        // bf16: ours from that.
    bool exact = false;     // There is an f64 to compare with.
    bool finite = true;     // Wherever theirs is.
  };
  // Of the reference's moves in f32 and f64 since `start`; 1 where a series has no such step.
  double OwnCosine(const std::string& step, const std::vector<double>& start) const;
  double UsualOwn() const;  // The (lower) median of Parameter::own.
  double Tolerance(const std::string& name, const Parameter& p) const;
  std::string Property(const std::string& name, const Parameter& p) const;  // "" where it fails.

  const GoldenDirectory& directory_;
  const Series& series_;
  const tensor::SafeTensors* golden_;
  std::string problem_;
  std::map<std::string, Parameter> parameters_;
};

}  // namespace malmoi::optim
