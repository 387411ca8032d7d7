#include <algorithm>
#include <cmath>
#include <limits>

#include "vec/prescan_internal.h"

namespace malmoi::vec {
namespace {

constexpr double kLengthMax = 1e15;  // Above it squares and their sums need not be finite.
constexpr double kHalfStep = 0.501;  // And what the division rounds.

// What f32 sums of n products round, in the exact scan and here: relative to |a| |w|.
double Rounding(double n) {
  return n * 0x1p-23 + std::sqrt(n) * 0x1p-18;
}

}  // namespace

std::unique_ptr<Prescan> Prescan::Create(const Schema::Field& field,
                                         std::span<const float> stored) {
  if (!ByteRows::Fits(field)) return nullptr;
  std::unique_ptr<Prescan> out(new Prescan);
  out->field_ = field;
  const std::size_t count = stored.size() / field.dim;
  out->groups_ = (count + kGroup - 1) / kGroup;
  std::vector<float> padded(out->groups_ * kGroup * field.dim);
  std::copy(stored.begin(), stored.end(), padded.begin());
  for (std::size_t q = 0; q < count; ++q) {
    Query& query = out->queries_.emplace_back();
    double most = 0;
    for (const float x : stored.subspan(q * field.dim, field.dim)) {
      query.squares += static_cast<double>(x) * x;
      most = std::max(most, std::abs(static_cast<double>(x)));
    }
    if (!(query.squares < kLengthMax * kLengthMax)) return nullptr;
    query.error = std::sqrt(static_cast<double>(field.dim)) * most / 127 * kHalfStep;
  }
  out->packed_ =
      kernels::PackWeights(padded, out->groups_ * kGroup, field.dim, kernels::Precision::kInt8);
  return out;
}

ByteBlock Prescan::Narrow(const char* stored, std::size_t count, Scratch* scratch) const {
  if (!scratch->rows) scratch->rows.emplace(field_, level(), ByteRows::kRows);
  scratch->rows->Set(0, stored, count);
  return scratch->rows->block(0);
}

void Prescan::Multiply(const ByteBlock& block, std::size_t count, Scratch* scratch) const {
  scratch->products.resize(ByteRows::kRows * groups_ * kGroup);
  kernels::GemmArgs args;
  args.narrow = block.bytes;
  args.m = count;
  args.c = scratch->products.data();
  args.ldc = groups_ * kGroup;
  kernels::Gemm(*packed_, args);
}

float Prescan::Cut(std::size_t query, float key, const ByteBlock& block) const {
  constexpr float kAll = -std::numeric_limits<float>::infinity();
  if (query >= queries_.size()) return -kAll;  // Padding.
  if (!std::isfinite(block.error) || !std::isfinite(key)) return kAll;
  const Query& q = queries_[query];
  const double length = std::sqrt(q.squares);
  double error = block.length * q.error + block.error * (length + q.error);
  double product = key;
  // Squares of the exact scan and of the halves are rounded as well.
  double magnitude = block.length * length;
  if (field_.distance == Distance::kEuclid) {
    product = (key + q.squares) / 2;
    magnitude += block.length * block.length + q.squares;
  }
  error += 2 * Rounding(field_.dim) * magnitude;
  const double cut = product - error;
  // Rounded down, and below what a subtraction of floats rounds.
  return static_cast<float>(cut - 1e-6 * (std::abs(cut) + magnitude));
}

}  // namespace malmoi::vec
