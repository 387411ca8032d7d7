#include "optim/check/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <string_view>
#include <vector>

#include "optim/storage.h"

namespace malmoi::optim {
namespace {

constexpr double kFloor = 1e-6;    // Of |p|: what f32 can be asked for.
constexpr double kCeiling = 1e-4;  // Beyond it values are not compared but properties.
// The reference keeps step counts, some norms and learned rates in f32 whatever the parameters are.
constexpr double kF64 = 1e-6;
// bf16: one rounding of ours, and twice the reference's own distance from its f64: it rounds after
// every operation, the engine once a step. Of one number that distance may be small by luck, so at
// least the median over the series' parameters counts.
constexpr double kBf16Rounding = 0x1p-8;
constexpr double kBf16Factor = 2;
constexpr double kBf16Ceiling = 0.1;
// Rules whose reference decomposes matrices in f32 whatever the dtype: its f64 series is as far
// from exact arithmetic as its f32 series is (1e-6 to 1e-5 with well separated eigenvalues).
constexpr std::string_view kDecomposedInF32[] = {"alice",  "conda", "fira",
                                                 "galore", "soap",  "splus"};
// Of the cosine between the reference's own f32 and f64 moves.
constexpr double kCosine = 0.5;
// A difference this large means that the reference agrees with itself on no digit.
constexpr double kNoDigit = 0.1;

std::vector<double> Numbers(std::string_view bytes, Storage storage) {
  std::vector<double> out(bytes.size() / StorageBytes(storage, 1));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (storage == Storage::kF64) {
      std::memcpy(&out[i], bytes.data() + 8 * i, 8);
      continue;
    }
    float v = 0;
    if (storage == Storage::kBf16) {
      std::uint16_t b;
      std::memcpy(&b, bytes.data() + 2 * i, 2);
      FromBf16(&b, &v, 1);
    } else {
      std::memcpy(&v, bytes.data() + 4 * i, 4);
    }
    out[i] = static_cast<double>(v);
  }
  return out;
}

// Largest |a - b| over largest |b|. NaN beside NaN is equal.
double Relative(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const double d = a[i] == b[i] ? 0 : std::fabs(a[i] - b[i]);
    if (!(d <= difference)) difference = d;
    size = std::max(size, std::fabs(b[i]));
  }
  return difference / std::max(size, 1e-12);
}

std::string Text(const char* format, double v) {
  char text[48];
  std::snprintf(text, sizeof(text), format, v);
  return text;
}

}  // namespace

SeriesComparison::SeriesComparison(const GoldenDirectory& directory, const Series& series,
                                   const tensor::SafeTensors* golden)
    : directory_(directory),
      series_(series),
      golden_(golden),
      problem_(std::string(series.entry.GetString("problem", "std"))) {}

void SeriesComparison::Add(const Snapshot& snapshot) {
  if (golden_ == nullptr) return;
  const std::string step = "/" + snapshot.label + "/" + snapshot.parameter;
  const std::string key = series_.variant_name + "/" + series_.dtype + step;
  const tensor::TensorView* view = golden_->Find(key);
  if (view == nullptr || view->bytes.size() != snapshot.bytes.size()) return;
  Parameter& p = parameters_[snapshot.parameter];
  const std::vector<double> ours = Numbers(snapshot.bytes, snapshot.storage);
  const std::vector<double> theirs = Numbers(view->bytes, snapshot.storage);
  const double relative = Relative(ours, theirs);
  if (p.where.empty() || !(relative <= p.worst)) p.worst = relative, p.where = key;
  if (snapshot.storage == Storage::kBf16) {
    const tensor::TensorView* exact = golden_->Find(series_.variant_name + "/f64" + step);
    if (exact != nullptr) {
      const std::vector<double> wide = Numbers(exact->bytes, Storage::kF64);
      const double own = Relative(theirs, wide);
      p.own = std::isnan(own) ? HUGE_VAL : std::max(p.own, own);
      p.exact = true;
      const double mine = Relative(ours, wide);
      if (!(mine <= p.mine)) p.mine = mine;
    }
  }
  const tensor::TensorView* init =
      directory_.problem->Find(problem_ + "/init/" + snapshot.parameter);
  if (init == nullptr) return;
  const std::vector<double> start = Numbers(init->bytes, Storage::kF32);
  double a2 = 0, b2 = 0, ab = 0;
  for (std::size_t i = 0; i < std::min(ours.size(), start.size()); ++i) {
    if (std::isfinite(theirs[i]) && !std::isfinite(ours[i])) p.finite = false;
    const double a = ours[i] - start[i], b = theirs[i] - start[i];
    a2 += a * a, b2 += b * b, ab += a * b;
  }
  if (a2 == 0 && b2 == 0) return;
  if (series_.dtype != "bf16") {
    p.own_cosine = std::min(p.own_cosine, OwnCosine(step, start));
  }
  const double ratio = std::sqrt(a2 / std::max(b2, 1e-300));
  if (std::fabs(std::log(ratio)) > std::fabs(std::log(p.norm_ratio))) p.norm_ratio = ratio;
  p.cosine = std::min(p.cosine, ab / std::max(std::sqrt(a2 * b2), 1e-300));
}

double SeriesComparison::OwnCosine(const std::string& step,
                                   const std::vector<double>& start) const {
  const tensor::TensorView* narrow = golden_->Find(series_.variant_name + "/f32" + step);
  const tensor::TensorView* wide = golden_->Find(series_.variant_name + "/f64" + step);
  if (narrow == nullptr || wide == nullptr) return 1;
  const std::vector<double> a = Numbers(narrow->bytes, Storage::kF32);
  const std::vector<double> b = Numbers(wide->bytes, Storage::kF64);
  double a2 = 0, b2 = 0, ab = 0;
  for (std::size_t i = 0; i < std::min({a.size(), b.size(), start.size()}); ++i) {
    const double x = a[i] - start[i], y = b[i] - start[i];
    a2 += x * x, b2 += y * y, ab += x * y;
  }
  return a2 == 0 && b2 == 0 ? 1 : ab / std::max(std::sqrt(a2 * b2), 1e-300);
}

double SeriesComparison::UsualOwn() const {
  std::vector<double> own;
  for (const auto& [name, p] : parameters_) own.push_back(p.own);
  if (own.empty()) return 0;
  const auto middle = own.begin() + static_cast<std::ptrdiff_t>((own.size() - 1) / 2);
  std::nth_element(own.begin(), middle, own.end());
  return *middle;
}

double SeriesComparison::Tolerance(const std::string& name, const Parameter& p) const {
  const bool narrow = std::find(std::begin(kDecomposedInF32), std::end(kDecomposedInF32),
                                series_.optimizer) != std::end(kDecomposedInF32);
  if (series_.dtype == "f64" && !narrow) return kF64;
  if (series_.dtype == "bf16") {
    return std::min(kBf16Rounding + kBf16Factor * std::max(p.own, UsualOwn()), kBf16Ceiling);
  }
  const json::Value* table = series_.variant.Find("f32_vs_f64_rel_param");
  const double measured = table == nullptr ? 0 : table->GetDouble(name, 0);
  return std::min(std::max(10 * measured, kFloor), kCeiling);
}

std::string SeriesComparison::Property(const std::string& name, const Parameter& p) const {
  if (series_.dtype == "bf16") {
    if (!p.finite || !p.exact || !(p.mine <= p.own + kBf16Rounding)) return "";
    return name + ": from its f64 by " + Text("%.1e", p.mine) + ", the reference's bf16 by " +
           Text("%.1e", p.own);
  }
  const json::Value* table = series_.variant.Find("f32_vs_f64_rel_param");
  const double own = table == nullptr ? 0 : table->GetDouble(name, 0);
  if (10 * own <= kCeiling || !p.finite) return "";
  std::string text = name + ": off by " + Text("%.1e", p.worst) +
                     ", the reference from itself by " + Text("%.1e", own);
  if (!(p.worst <= 10 * own)) return "";
  if (own >= kNoDigit) return text + ", finite";
  if (!(p.norm_ratio > 0.5 && p.norm_ratio < 2)) return "";
  if (!(p.cosine >= kCosine * p.own_cosine)) return "";
  return text + ", moved " + Text("%.3f", p.norm_ratio) + " times as far at cosine " +
         Text("%.3f", p.cosine) + " of its own " + Text("%.3f", p.own_cosine);
}

void SeriesComparison::Finish(SeriesResult* result) const {
  result->compared = !parameters_.empty();
  std::string properties;
  double furthest = -1;
  bool failed = false;
  for (const auto& [name, p] : parameters_) {
    const double tolerance = Tolerance(name, p);
    std::string property;
    const bool within = p.worst <= tolerance;
    if (!within) property = Property(name, p);
    if (!within && !property.empty()) {
      properties += (properties.empty() ? "" : "; ") + property;
      continue;
    }
    failed = failed || !within;
    const double by = std::isnan(p.worst) ? HUGE_VAL : p.worst / tolerance;
    if (by <= furthest) continue;
    furthest = by;
    result->worst = p.worst, result->tolerance = tolerance, result->where = p.where;
  }
  if (failed) {
    result->state = SeriesResult::State::kFailed;
  } else if (!properties.empty()) {
    result->state = SeriesResult::State::kByProperties;
    result->where = properties;
  }
}

}  // namespace malmoi::optim
