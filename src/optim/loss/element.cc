// Losses whose terms are single elements, or counts over all of them.
#include <algorithm>

#include "optim/loss/loss_internal.h"

namespace malmoi::optim {
namespace {

struct Term {
  double value;
  double slope;
};

// Binary cross-entropy of a probability clamped to [eps, 1 - eps]; logarithms stop at -100.
Term ClampedBce(double x, double y, double eps, bool single) {
  const double low = RoundAs(single, eps);
  const double high = RoundAs(single, 1.0 - eps);
  const double p = std::clamp(x, low, high);
  const double value =
      (y - 1) * std::max(std::log1p(-p), -100.0) - y * std::max(std::log(p), -100.0);
  const double slope = x >= low && x <= high ? (p - y) / std::max((1 - p) * p, 1e-12) : 0.0;
  return {value, slope};
}

struct Counts {
  double tp = 0;
  double fp = 0;
  double fn = 0;
};

Counts CountSoft(std::span<const double> p, std::span<const double> y) {
  Counts c;
  for (std::size_t i = 0; i < p.size(); ++i) {
    c.tp += p[i] * y[i];
    c.fp += (1 - y[i]) * p[i];
    c.fn += y[i] * (1 - p[i]);
  }
  return c;
}

struct TverskyTerm {
  double loss;
  std::vector<double> gradient;
};

TverskyTerm Tversky(const json::Value& o, const LossInput& in) {
  const double alpha = o.GetDouble("alpha", 0.5);
  const double beta = o.GetDouble("beta", 0.5);
  const double smooth = o.GetDouble("smooth", 1e-6);
  std::vector<double> p(in.prediction.size());
  std::transform(in.prediction.begin(), in.prediction.end(), p.begin(), Sigmoid);
  const Counts c = CountSoft(p, in.target);
  const double top = c.tp + smooth;
  const double bottom = c.tp + alpha * c.fp + beta * c.fn + smooth;
  TverskyTerm out{1.0 - top / bottom, std::vector<double>(p.size())};
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double y = in.target[i];
    const double d_bottom = y + alpha * (1 - y) - beta * y;
    out.gradient[i] = -(y * bottom - top * d_bottom) / (bottom * bottom) * p[i] * (1 - p[i]);
  }
  return out;
}

}  // namespace

LossResult BceLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  MALMOI_TRY(const Reduction how, ReadReduction(o));
  const double smooth = o.GetDouble("label_smooth", 0.0);
  const double eps = o.GetDouble("eps", 1e-6);
  std::vector<double> items(in.prediction.size());
  std::vector<double> gradient(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const double y = smooth > 0 ? (1 - smooth) * in.target[i] + 0.5 * smooth : in.target[i];
    const Term t = ClampedBce(in.prediction[i], y, eps, in.single);
    items[i] = t.value;
    gradient[i] = t.slope;
  }
  return Reduce(how, in.shape, std::move(items), std::move(gradient));
}

LossResult BceFocalLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  MALMOI_TRY(const Reduction how, ReadReduction(o));
  const double alpha = o.GetDouble("alpha", 0.25);
  const double gamma = o.GetDouble("gamma", 2.0);
  const double smooth = o.GetDouble("label_smooth", 0.0);
  const double eps = o.GetDouble("eps", 1e-6);
  std::vector<double> items(in.prediction.size());
  std::vector<double> gradient(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const double x = in.prediction[i];
    const double y = in.target[i];
    const Term bce =
        ClampedBce(x, smooth > 0 ? (1 - smooth) * y + 0.5 * smooth : y, eps, in.single);
    const double miss = 1 - (y * x + (1 - y) * (1 - x));
    const double weight = y * alpha + (1 - y) * (1 - alpha);
    const double power = std::pow(miss, gamma);
    items[i] = weight * power * bce.value;
    gradient[i] =
        weight * (power * bce.slope - gamma * std::pow(miss, gamma - 1) * (2 * y - 1) * bce.value);
  }
  return Reduce(how, in.shape, std::move(items), std::move(gradient));
}

LossResult FocalLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  const double alpha = o.GetDouble("alpha", 1.0);
  const double gamma = o.GetDouble("gamma", 2.0);
  std::vector<double> items(in.prediction.size());
  std::vector<double> gradient(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const double x = in.prediction[i];
    const double y = in.target[i];
    const double bce = std::max(x, 0.0) - x * y + std::log1p(std::exp(-std::fabs(x)));
    const double pt = std::exp(-bce);
    const double power = std::pow(1 - pt, gamma);
    items[i] = alpha * power * bce;
    gradient[i] =
        alpha * (power + gamma * std::pow(1 - pt, gamma - 1) * pt * bce) * (Sigmoid(x) - y);
  }
  return Reduce(Reduction::kMean, in.shape, std::move(items), std::move(gradient));
}

// The reference casts the three counts to f32 and goes on there, whatever the input's type.
LossResult SoftF1Loss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  const auto beta2 = static_cast<float>(o.GetDouble("beta", 1.0) * o.GetDouble("beta", 1.0));
  const auto scale = static_cast<float>(1.0 + o.GetDouble("beta", 1.0) * o.GetDouble("beta", 1.0));
  const auto eps = static_cast<float>(o.GetDouble("eps", 1e-6));
  const Counts c = CountSoft(in.prediction, in.target);
  const auto tp = static_cast<float>(c.tp);
  const auto fp = static_cast<float>(c.fp);
  const auto fn = static_cast<float>(c.fn);
  const float pd = (tp + fp) + eps;
  const float rd = (tp + fn) + eps;
  const float p = tp / pd;
  const float r = tp / rd;
  const float top = scale * (p * r);
  const float bottom = (beta2 * p + r) + eps;
  const float f1 = top / bottom;
  if (std::isnan(f1)) return Scalar(1.0, std::vector<double>(in.prediction.size()));
  // Backwards, in f32 as well.
  const float g_top = -1.0F / bottom;
  const float g_bottom = (top / bottom) / bottom;
  const float g_product = g_top * scale;
  const float g_p = g_product * r + g_bottom * beta2;
  const float g_r = g_product * p + g_bottom;
  const float g_pd = -g_p * ((tp / pd) / pd);
  const float g_rd = -g_r * ((tp / rd) / rd);
  const float g_tp = ((g_r / rd + g_rd) + g_p / pd) + g_pd;
  std::vector<double> gradient(in.prediction.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double y = in.target[i];
    gradient[i] = y * static_cast<double>(g_tp) + (1 - y) * static_cast<double>(g_pd) -
                  y * static_cast<double>(g_rd);
  }
  return Scalar(static_cast<double>(1.0F - f1), std::move(gradient));
}

LossResult TverskyLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  TverskyTerm t = Tversky(o, in);
  return Scalar(t.loss, std::move(t.gradient));
}

LossResult FocalTverskyLoss(const json::Value& o, const LossInput& in) {
  MALMOI_TRY(NeedValues(in));
  const double gamma = o.GetDouble("gamma", 1.0);
  TverskyTerm t = Tversky(o, in);
  const double slope = gamma * std::pow(t.loss, gamma - 1);
  for (double& g : t.gradient) g *= slope;
  return Scalar(std::pow(t.loss, gamma), std::move(t.gradient));
}

}  // namespace malmoi::optim
