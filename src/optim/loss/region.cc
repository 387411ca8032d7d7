// Overlap of regions: Dice and Jaccard, over batch and space, per class.
#include <algorithm>

#include "optim/loss/loss_internal.h"

namespace malmoi::optim {
namespace {

struct Region {
  std::size_t batch = 0;
  std::size_t classes = 0;
  std::size_t space = 0;
  std::string mode;
  std::vector<double> p;      // [batch, classes, space], after the activation.
  std::vector<double> y;      // Same layout.
  std::vector<double> alive;  // 0 where ignored.
  std::size_t at(std::size_t b, std::size_t c, std::size_t s) const {
    return (b * classes + c) * space + s;
  }
};

void Softmax(Region* r) {
  for (std::size_t b = 0; b < r->batch; ++b)
    for (std::size_t s = 0; s < r->space; ++s) {
      double top = -INFINITY;
      for (std::size_t c = 0; c < r->classes; ++c) top = std::max(top, r->p[r->at(b, c, s)]);
      double sum = 0;
      for (std::size_t c = 0; c < r->classes; ++c) sum += std::exp(r->p[r->at(b, c, s)] - top);
      for (std::size_t c = 0; c < r->classes; ++c) {
        double& v = r->p[r->at(b, c, s)];
        v = std::exp(v - top) / sum;
      }
    }
}

Status FillTargets(const LossInput& in, const json::Value* ignore, Region* r) {
  const bool ignoring = ignore != nullptr && !ignore->is_null();
  const double ignored = ignoring ? ignore->AsDouble().value_or(0) : 0;
  r->y.assign(r->p.size(), 0);
  r->alive.assign(r->p.size(), 1);
  if (r->mode != "multiclass") {
    MALMOI_TRY(NeedValues(in));
    for (std::size_t i = 0; i < r->y.size(); ++i) {
      const bool drop = ignoring && in.target[i] == ignored;
      r->alive[i] = drop ? 0 : 1;
      r->y[i] = drop ? 0 : in.target[i];
    }
    return Ok();
  }
  if (in.classes.size() != r->batch * r->space)
    return Error(Code::kInvalidArgument, std::to_string(in.classes.size()) + " class numbers for " +
                                             std::to_string(r->batch * r->space) + " places");
  for (std::size_t b = 0; b < r->batch; ++b)
    for (std::size_t s = 0; s < r->space; ++s) {
      const std::int64_t label = in.classes[b * r->space + s];
      if (ignoring && static_cast<double>(label) == ignored) {
        for (std::size_t c = 0; c < r->classes; ++c) r->alive[r->at(b, c, s)] = 0;
        continue;
      }
      if (label < 0 || label >= static_cast<std::int64_t>(r->classes))
        return Error(Code::kInvalidArgument, "class " + std::to_string(label) + " is not in 0 .. " +
                                                 std::to_string(r->classes - 1));
      r->y[r->at(b, static_cast<std::size_t>(label), s)] = 1;
    }
  return Ok();
}

Result<Region> ReadRegion(const json::Value& o, const LossInput& in) {
  Region r;
  r.mode = std::string(o.GetString("mode", "binary"));
  if (r.mode != "binary" && r.mode != "multiclass" && r.mode != "multilabel")
    return Error(Code::kInvalidArgument,
                 "mode is \"" + r.mode + "\": it must be binary, multiclass or multilabel");
  if (in.shape.size() < 2)
    return Error(Code::kInvalidArgument, "predictions need a batch and a class axis");
  r.batch = static_cast<std::size_t>(in.shape[0]);
  r.classes = r.mode == "binary" ? 1 : static_cast<std::size_t>(in.shape[1]);
  r.space = in.prediction.size() / (r.batch * r.classes);
  r.p.assign(in.prediction.begin(), in.prediction.end());
  if (o.GetBool("from_logits", true)) {
    if (r.mode == "multiclass")
      Softmax(&r);
    else
      std::transform(r.p.begin(), r.p.end(), r.p.begin(), Sigmoid);
  }
  MALMOI_TRY(FillTargets(in, o.Find("ignore_index"), &r));
  return r;
}

// Gradient with respect to the probabilities -> with respect to the predictions.
void ThroughActivation(const json::Value& o, const Region& r, std::vector<double>* g) {
  if (!o.GetBool("from_logits", true)) return;
  if (r.mode != "multiclass") {
    for (std::size_t i = 0; i < g->size(); ++i) (*g)[i] *= r.p[i] * (1 - r.p[i]);
    return;
  }
  for (std::size_t b = 0; b < r.batch; ++b)
    for (std::size_t s = 0; s < r.space; ++s) {
      double along = 0;
      for (std::size_t c = 0; c < r.classes; ++c) along += (*g)[r.at(b, c, s)] * r.p[r.at(b, c, s)];
      for (std::size_t c = 0; c < r.classes; ++c) {
        double& v = (*g)[r.at(b, c, s)];
        v = r.p[r.at(b, c, s)] * (v - along);
      }
    }
}

struct Overlap {
  double score = 0;
  double d_intersection = 0;  // Of the score by the intersection and by the cardinality.
  double d_cardinality = 0;
};

Overlap Dice(double i, double c, double smooth, double eps) {
  const double bottom = std::max(c + smooth, eps);
  const double flows = c + smooth >= eps ? 1.0 : 0.0;
  const double score = (2.0 * i + smooth) / bottom;
  return {score, 2.0 / bottom, -score / bottom * flows};
}

Overlap Jaccard(double i, double c, double smooth, double eps) {
  const double bottom = std::max(c - i + smooth, eps);
  const double flows = c - i + smooth >= eps ? 1.0 : 0.0;
  const double score = (i + smooth) / bottom;
  return {score, 1.0 / bottom + score / bottom * flows, -score / bottom * flows};
}

using Score = Overlap (*)(double, double, double, double);

Result<std::vector<std::size_t>> SelectedClasses(const json::Value& o, const Region& r) {
  std::vector<std::size_t> selected;
  const json::Value* list = o.Find("classes");
  if (list == nullptr || list->is_null()) {
    for (std::size_t c = 0; c < r.classes; ++c) selected.push_back(c);
    return selected;
  }
  if (r.mode == "binary")
    return Error(Code::kInvalidArgument, "masking classes is not supported with mode=binary");
  for (const json::Value& v : list->items()) {
    const std::int64_t c = v.AsInt().value_or(-1);
    if (c < 0 || c >= static_cast<std::int64_t>(r.classes))
      return Error(Code::kInvalidArgument, "classes has " + v.Dump() + ": not a class");
    selected.push_back(static_cast<std::size_t>(c));
  }
  if (selected.empty()) return Error(Code::kInvalidArgument, "classes is empty");
  return selected;
}

LossResult RegionLoss(const json::Value& o, const LossInput& in, Score score) {
  MALMOI_TRY(const Region r, ReadRegion(o, in));
  MALMOI_TRY(const std::vector<std::size_t> selected, SelectedClasses(o, r));
  const double smooth = o.GetDouble("label_smooth", 0.0);
  const double eps = o.GetDouble("eps", 1e-6);
  const bool log_loss = o.GetBool("log_loss", false);
  const auto share = 1.0 / static_cast<double>(selected.size());
  std::vector<double> gradient(r.p.size());
  double total = 0;
  for (const std::size_t c : selected) {
    double both = 0;
    double all = 0;
    double truth = 0;
    for (std::size_t b = 0; b < r.batch; ++b)
      for (std::size_t s = 0; s < r.space; ++s) {
        const std::size_t i = r.at(b, c, s);
        const double p = r.p[i] * r.alive[i];
        both += p * r.y[i];
        all += p + r.y[i];
        truth += r.y[i];
      }
    if (!(truth > 0)) continue;
    const Overlap v = score(both, all, smooth, eps);
    total += log_loss ? -std::log(std::max(v.score, eps)) : 1.0 - v.score;
    double slope = -share;
    if (log_loss) slope = v.score >= eps ? -share / v.score : 0;
    for (std::size_t b = 0; b < r.batch; ++b)
      for (std::size_t s = 0; s < r.space; ++s) {
        const std::size_t i = r.at(b, c, s);
        gradient[i] += slope * (v.d_intersection * r.y[i] + v.d_cardinality) * r.alive[i];
      }
  }
  ThroughActivation(o, r, &gradient);
  return Scalar(total * share, std::move(gradient));
}

}  // namespace

LossResult DiceLoss(const json::Value& o, const LossInput& in) {
  return RegionLoss(o, in, Dice);
}

LossResult JaccardLoss(const json::Value& o, const LossInput& in) {
  return RegionLoss(o, in, Jaccard);
}

}  // namespace malmoi::optim
