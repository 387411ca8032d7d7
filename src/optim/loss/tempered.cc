// The bi-tempered logistic loss (Amid et al. 2019, arXiv:1906.03361), with five iterations for the
// normalisation as the reference fixes them.
#include <algorithm>

#include "optim/loss/loss_internal.h"

namespace malmoi::optim {
namespace {

constexpr int kIterations = 5;

double LogT(double u, double t) {
  return t == 1.0 ? std::log(u) : (std::pow(u, 1.0 - t) - 1.0) / (1.0 - t);
}
double ExpT(double u, double t) {
  return t == 1.0 ? std::exp(u) : std::pow(std::max(1.0 + (1.0 - t) * u, 0.0), 1.0 / (1.0 - t));
}
double SumExpT(const std::vector<double>& u, double shift, double t) {
  double sum = 0;
  for (const double v : u) sum += ExpT(v - shift, t);
  return sum;
}

double FixedPoint(const std::vector<double>& from_top, double t) {
  std::vector<double> u = from_top;
  for (int i = 0; i < kIterations; ++i) {
    const double scale = std::pow(SumExpT(u, 0, t), 1.0 - t);
    for (std::size_t j = 0; j < u.size(); ++j) u[j] = from_top[j] * scale;
  }
  return -LogT(1.0 / SumExpT(u, 0, t), t);
}

double BinarySearch(const std::vector<double>& from_top, double t) {
  double dimension = 0;
  for (const double v : from_top) dimension += v > -1.0 / (1.0 - t) ? 1 : 0;
  double lower = 0;
  double upper = -LogT(1.0 / dimension, t);
  for (int i = 0; i < kIterations; ++i) {
    const double middle = (upper + lower) / 2.0;
    (SumExpT(from_top, middle, t) < 1.0 ? upper : lower) = middle;
  }
  return (upper + lower) / 2.0;
}

std::vector<double> Probabilities(std::vector<double> a, double t) {
  const double top = *std::max_element(a.begin(), a.end());
  for (double& v : a) v -= top;
  if (t == 1.0) {
    const double sum = SumExpT(a, 0, 1.0);
    for (double& v : a) v = std::exp(v) / sum;
    return a;
  }
  const double shift = t < 1.0 ? BinarySearch(a, t) : FixedPoint(a, t);
  for (double& v : a) v = ExpT(v - shift, t);
  return a;
}

struct Temperatures {
  double t1 = 1;
  double t2 = 1;
  double smooth = 0;
};

Result<Temperatures> ReadTemperatures(const json::Value& o) {
  const json::Value* t1 = o.Find("t1");
  const json::Value* t2 = o.Find("t2");
  if (t1 == nullptr || t2 == nullptr || !t1->is_number() || !t2->is_number())
    return Error(Code::kInvalidArgument, "t1 and t2 are required numbers");
  return Temperatures{*t1->AsDouble(), *t2->AsDouble(), o.GetDouble("label_smooth", 0.0)};
}

// One row's loss; `a` becomes the gradient.
double RowLoss(const Temperatures& t, bool single, const std::vector<double>& labels,
               std::vector<double>* a) {
  const std::vector<double> p = Probabilities(*a, t.t2);
  const auto classes = static_cast<double>(labels.size());
  double loss = 0;
  double along = 0;
  double escort_sum = 0;
  std::vector<double> e(p.size());
  for (std::size_t j = 0; j < p.size(); ++j) {
    double y = labels[j];
    if (t.smooth > 0) y = (1.0 - t.smooth * classes / (classes - 1)) * y + t.smooth / (classes - 1);
    loss += y * LogT(RoundAs(single, y + 1e-10), t.t1) - y * LogT(p[j], t.t1) -
            std::pow(y, 2.0 - t.t1) / (2.0 - t.t1) + std::pow(p[j], 2.0 - t.t1) / (2.0 - t.t1);
    const double slope = std::pow(p[j], 1.0 - t.t1) - y * std::pow(p[j], -t.t1);
    const double escort = t.t2 == 1.0 ? p[j] : std::pow(p[j], t.t2);
    e[j] = escort;
    (*a)[j] = slope * escort;
    along += (*a)[j];
    escort_sum += escort;
  }
  for (std::size_t j = 0; j < p.size(); ++j)
    (*a)[j] -= e[j] / (t.t2 == 1.0 ? 1.0 : escort_sum) * along;
  return loss;
}

}  // namespace

LossResult BiTemperedLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(const Temperatures t, ReadTemperatures(o));
  MALMOI_TRY(const Reduction how, ReadReduction(o));
  if (in.shape.empty() || in.shape.back() < 2)
    return Error(Code::kInvalidArgument, "the last axis of the predictions needs two classes");
  const auto classes = static_cast<std::size_t>(in.shape.back());
  const std::size_t rows = in.prediction.size() / classes;
  const json::Value* ignore = o.Find("ignore_index");
  const bool ignoring = ignore != nullptr && !ignore->is_null() && !in.classes.empty();
  const std::int64_t ignored = ignoring ? ignore->AsInt().value_or(0) : 0;
  if (in.classes.empty()) MALMOI_TRY(NeedValues(in));
  if (!in.classes.empty() && in.classes.size() != rows)
    return Error(Code::kInvalidArgument, std::to_string(in.classes.size()) + " class numbers for " +
                                             std::to_string(rows) + " items");
  std::vector<double> items(rows);
  std::vector<double> gradient;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = in.prediction.subspan(i * classes, classes);
    std::vector<double> a(row.begin(), row.end());
    std::vector<double> labels(classes);
    const bool drop = ignoring && in.classes[i] == ignored;
    if (in.classes.empty()) {
      const auto y = in.target.subspan(i * classes, classes);
      labels.assign(y.begin(), y.end());
    } else {
      const std::int64_t label = drop ? 0 : in.classes[i];
      if (label < 0 || label >= static_cast<std::int64_t>(classes))
        return Error(Code::kInvalidArgument, "class " + std::to_string(label) + " does not exist");
      labels[static_cast<std::size_t>(label)] = 1;
    }
    items[i] = RowLoss(t, in.single, labels, &a);
    if (drop) {
      items[i] = 0;
      std::fill(a.begin(), a.end(), 0.0);
    }
    kept += drop ? 0 : 1;
    gradient.insert(gradient.end(), a.begin(), a.end());
  }
  std::vector<std::int64_t> shape(in.shape.begin(), in.shape.end() - 1);
  if (!(ignoring && how == Reduction::kMean))
    return Reduce(how, std::move(shape), std::move(items), std::move(gradient));
  LossOutput out = Reduce(Reduction::kSum, {}, std::move(items), std::move(gradient));
  const auto n = static_cast<double>(std::max<std::size_t>(kept, 1));
  out.value[0] /= n;
  for (double& g : out.gradient) g /= n;
  return out;
}

LossResult BinaryBiTemperedLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(const Temperatures t, ReadTemperatures(o));
  MALMOI_TRY(const Reduction how, ReadReduction(o));
  MALMOI_TRY(NeedValues(in));
  if (in.shape.size() < 2 || in.shape[1] != 1)
    return Error(Code::kInvalidArgument,
                 "the channel axis of predictions and targets must be equal to 1");
  const json::Value* ignore = o.Find("ignore_index");
  const bool ignoring = ignore != nullptr && !ignore->is_null();
  const double ignored = ignoring ? ignore->AsDouble().value_or(0) : 0;
  std::vector<double> items(in.prediction.size());
  std::vector<double> gradient(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (ignoring && in.target[i] == ignored) continue;
    std::vector<double> a{-in.prediction[i], in.prediction[i]};
    items[i] = RowLoss(t, in.single, {1.0 - in.target[i], in.target[i]}, &a);
    gradient[i] = a[1] - a[0];
  }
  return Reduce(how, in.shape, std::move(items), std::move(gradient));
}

}  // namespace malmoi::optim
