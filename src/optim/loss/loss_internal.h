#pragma once

#include <cmath>
#include <string>

#include "optim/loss/loss.h"

namespace malmoi::optim {

using LossResult = Result<LossOutput>;

// Losses over single elements (element.cc), rows of classes (rows.cc), regions (region.cc) and
// tempered logits (tempered.cc).
LossResult BceLoss(const json::Value& o, const LossInput& in);
LossResult BceFocalLoss(const json::Value& o, const LossInput& in);
LossResult FocalLoss(const json::Value& o, const LossInput& in);
LossResult SoftF1Loss(const json::Value& o, const LossInput& in);
LossResult TverskyLoss(const json::Value& o, const LossInput& in);
LossResult FocalTverskyLoss(const json::Value& o, const LossInput& in);
LossResult FocalCosineLoss(const json::Value& o, const LossInput& in);
LossResult LdamLoss(const json::Value& o, const LossInput& in);
LossResult LovaszHingeLoss(const json::Value& o, const LossInput& in);
LossResult DiceLoss(const json::Value& o, const LossInput& in);
LossResult JaccardLoss(const json::Value& o, const LossInput& in);
LossResult BiTemperedLoss(const json::Value& o, const LossInput& in);
LossResult BinaryBiTemperedLoss(const json::Value& o, const LossInput& in);

enum class Reduction : unsigned char { kMean, kSum, kNone };
Result<Reduction> ReadReduction(const json::Value& o);

// Turns per-item losses and their own gradients into the reduced output. `items` values, each with
// gradient.size() / items predictions.
LossOutput Reduce(Reduction how, std::vector<std::int64_t> shape, std::vector<double> items,
                  std::vector<double> gradient);
LossOutput Scalar(double value, std::vector<double> gradient);

Status NeedValues(const LossInput& in);  // Targets of the predictions' shape.
Status NeedClasses(const LossInput& in, std::size_t rows, std::int64_t classes);

inline double RoundAs(bool single, double x) {
  return single ? static_cast<double>(static_cast<float>(x)) : x;
}
inline double Sigmoid(double x) {
  return x >= 0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x));
}

}  // namespace malmoi::optim
