// Losses over rows of class scores, and the Lovasz hinge over sorted errors.
#include <algorithm>
#include <numeric>

#include "optim/loss/loss_internal.h"

namespace malmoi::optim {
namespace {

// Cross-entropy of one row and its gradient, which overwrites `row`.
double CrossEntropy(std::vector<double>* row, std::size_t label) {
  const double top = *std::max_element(row->begin(), row->end());
  double sum = 0;
  for (const double v : *row) sum += std::exp(v - top);
  const double value = std::log(sum) + top - (*row)[label];
  for (double& v : *row) v = std::exp(v - top) / sum;
  (*row)[label] -= 1;
  return value;
}

struct CosineTerm {
  double value;
  std::vector<double> gradient;
};

// 1 - cos(x, onehot(label)), with 1e-12 added to both squared norms as torch does.
CosineTerm CosineDistance(const std::vector<double>& x, std::size_t label) {
  constexpr double kEps = 1e-12;
  double square = kEps;
  for (const double v : x) square += v * v;
  const double norm = std::sqrt(square * (1 + kEps));
  const double cosine = x[label] / norm;
  CosineTerm out{1 - cosine, std::vector<double>(x.size())};
  for (std::size_t j = 0; j < x.size(); ++j)
    out.gradient[j] = cosine * x[j] / square - (j == label ? 1.0 / norm : 0.0);
  return out;
}

Result<std::size_t> ClassAxis(const LossInput& in) {
  if (in.shape.size() != 2)
    return Error(Code::kInvalidArgument, "predictions of " + std::to_string(in.shape.size()) +
                                             " axes: expected [items, classes]");
  MALMOI_TRY(NeedClasses(in, static_cast<std::size_t>(in.shape[0]), in.shape[1]));
  return static_cast<std::size_t>(in.shape[1]);
}

}  // namespace

LossResult FocalCosineLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(const Reduction how, ReadReduction(o));
  MALMOI_TRY(const std::size_t classes, ClassAxis(in));
  const double alpha = o.GetDouble("alpha", 1.0);
  const double gamma = o.GetDouble("gamma", 2.0);
  const double share = o.GetDouble("focal_weight", 0.1);
  std::vector<double> items;
  std::vector<double> gradient;
  for (std::size_t i = 0; i < in.classes.size(); ++i) {
    const auto row = in.prediction.subspan(i * classes, classes);
    const std::vector<double> x(row.begin(), row.end());
    const auto label = static_cast<std::size_t>(in.classes[i]);
    CosineTerm out = CosineDistance(x, label);
    double square = 0;
    for (const double v : x) square += v * v;
    const double norm = std::max(std::sqrt(square), 1e-12);
    std::vector<double> g = x;
    for (double& v : g) v /= norm;
    const std::vector<double> unit = g;
    const double ce = CrossEntropy(&g, label);
    const double pt = std::exp(-ce);
    const double power = std::pow(1 - pt, gamma);
    const double slope = share * alpha * (power + gamma * std::pow(1 - pt, gamma - 1) * pt * ce);
    double along = 0;
    for (std::size_t j = 0; j < classes; ++j) along += g[j] * unit[j];
    for (std::size_t j = 0; j < classes; ++j)
      out.gradient[j] += slope * (g[j] - along * unit[j]) / norm;
    items.push_back(out.value + share * alpha * power * ce);
    gradient.insert(gradient.end(), out.gradient.begin(), out.gradient.end());
  }
  const auto rows = static_cast<std::int64_t>(items.size());
  return Reduce(how, {rows}, std::move(items), std::move(gradient));
}

LossResult LdamLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(const std::size_t classes, ClassAxis(in));
  const double max_m = o.GetDouble("max_m", 0.5);
  const double s = o.GetDouble("s", 30.0);
  const json::Value* counts = o.Find("num_class_list");
  if (counts == nullptr || counts->items().size() != classes)
    return Error(Code::kInvalidArgument,
                 "num_class_list must have " + std::to_string(classes) + " counts");
  const json::Value* weights = o.Find("weight");
  if (weights != nullptr && !weights->is_null() && weights->items().size() != classes)
    return Error(Code::kInvalidArgument, "weight must have " + std::to_string(classes) + " values");
  std::vector<float> margin;  // f32 in the reference too.
  for (const json::Value& n : counts->items()) {
    const auto count = static_cast<float>(n.AsDouble().value_or(0));
    if (!(count > 0))
      return Error(Code::kInvalidArgument, "num_class_list has " + n.Dump() + ": must be > 0");
    margin.push_back(1.0F / std::sqrt(std::sqrt(count)));
  }
  const float factor = static_cast<float>(max_m) / *std::max_element(margin.begin(), margin.end());
  for (float& m : margin) m *= factor;
  double value = 0;
  double total = 0;
  std::vector<double> gradient;
  for (std::size_t i = 0; i < in.classes.size(); ++i) {
    const auto label = static_cast<std::size_t>(in.classes[i]);
    const auto row = in.prediction.subspan(i * classes, classes);
    std::vector<double> z(row.begin(), row.end());
    z[label] -= static_cast<double>(margin[label]);
    for (double& v : z) v *= s;
    double weight = 1;
    if (weights != nullptr && !weights->is_null())
      weight = RoundAs(in.single, weights->items()[label].AsDouble().value_or(0));
    value += weight * CrossEntropy(&z, label);
    total += weight;
    for (const double v : z) gradient.push_back(weight * s * v);
  }
  for (double& g : gradient) g /= total;
  return Scalar(value / total, std::move(gradient));
}

LossResult LovaszHingeLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  const bool per_image = o.GetBool("per_image", true);
  const std::size_t images =
      per_image && !in.shape.empty() ? static_cast<std::size_t>(in.shape[0]) : 1;
  const std::size_t n = in.prediction.size() / images;
  std::vector<double> gradient(in.prediction.size());
  double value = 0;
  for (std::size_t image = 0; image < images; ++image) {
    const auto x = in.prediction.subspan(image * n, n);
    const auto y = in.target.subspan(image * n, n);
    std::vector<double> errors(n);
    for (std::size_t i = 0; i < n; ++i)
      errors[i] = RoundAs(in.single, 1.0 - x[i] * (2.0 * y[i] - 1.0));
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return errors[a] > errors[b]; });
    float positives = 0;
    for (const double v : y) positives += static_cast<float>(v);
    float seen = 0;
    float others = 0;
    float previous = 0;
    for (std::size_t rank = 0; rank < n; ++rank) {  // The weights are f32 in the reference too.
      const std::size_t i = order[rank];
      seen += static_cast<float>(y[i]);
      others += 1 - static_cast<float>(y[i]);
      const float jaccard = 1.0F - (positives - seen) / (positives + others);
      const auto weight = static_cast<double>(rank == 0 ? jaccard : jaccard - previous);
      previous = jaccard;
      if (!(errors[i] > 0)) continue;
      value += errors[i] * weight;
      gradient[image * n + i] = -(2.0 * y[i] - 1.0) * weight / static_cast<double>(images);
    }
  }
  return Scalar(value / static_cast<double>(images), std::move(gradient));
}

}  // namespace malmoi::optim
