#include "optim/loss/loss.h"

#include <algorithm>

#include "base/strings.h"
#include "optim/loss/loss_internal.h"

namespace malmoi::optim {
namespace {

struct Entry {
  std::string_view name;
  LossResult (*evaluate)(const json::Value&, const LossInput&);
};
constexpr Entry kEntries[] = {
    {"bcefocalloss", BceFocalLoss},
    {"bceloss", BceLoss},
    {"binarybitemperedlogisticloss", BinaryBiTemperedLoss},
    {"bitemperedlogisticloss", BiTemperedLoss},
    {"diceloss", DiceLoss},
    {"focalcosineloss", FocalCosineLoss},
    {"focalloss", FocalLoss},
    {"focaltverskyloss", FocalTverskyLoss},
    {"jaccardloss", JaccardLoss},
    {"ldamloss", LdamLoss},
    {"lovaszhingeloss", LovaszHingeLoss},
    {"softf1loss", SoftF1Loss},
    {"tverskyloss", TverskyLoss},
};

std::size_t Elements(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t d : shape) n *= static_cast<std::size_t>(std::max<std::int64_t>(d, 0));
  return n;
}

}  // namespace

const std::vector<std::string_view>& LossNames() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const Entry& e : kEntries) all.push_back(e.name);
    return all;
  }();
  return names;
}

Result<LossOutput> EvaluateLoss(std::string_view name, const json::Value& options,
                                const LossInput& input) {
  const std::size_t targets = input.classes.empty() ? input.target.size() : input.classes.size();
  if (input.prediction.empty() || Elements(input.shape) != input.prediction.size() ||
      Elements(input.target_shape) != targets)
    return Error(Code::kInvalidArgument, "loss " + std::string(name) + ": " +
                                             std::to_string(input.prediction.size()) +
                                             " predictions and " + std::to_string(targets) +
                                             " targets do not fill their shapes");
  for (const Entry& e : kEntries)
    if (EqualsIgnoreCase(e.name, name))
      return e.evaluate(options, input).With("loss " + std::string(e.name));
  return Error(Code::kNotFound,
               "loss \"" + std::string(name) + "\" is not one of the thirteen of LossNames()");
}

Result<Reduction> ReadReduction(const json::Value& o) {
  const std::string_view text = o.GetString("reduction", "mean");
  if (text == "mean") return Reduction::kMean;
  if (text == "sum") return Reduction::kSum;
  if (text == "none") return Reduction::kNone;
  return Error(Code::kInvalidArgument,
               "reduction is \"" + std::string(text) + "\": it must be mean, sum or none");
}

LossOutput Scalar(double value, std::vector<double> gradient) {
  return {{}, {value}, std::move(gradient)};
}

LossOutput Reduce(Reduction how, std::vector<std::int64_t> shape, std::vector<double> items,
                  std::vector<double> gradient) {
  if (how == Reduction::kNone) return {std::move(shape), std::move(items), std::move(gradient)};
  double sum = 0;
  for (const double v : items) sum += v;
  if (how == Reduction::kSum) return Scalar(sum, std::move(gradient));
  const auto n = static_cast<double>(items.size());
  for (double& g : gradient) g /= n;
  return Scalar(sum / n, std::move(gradient));
}

Status NeedValues(const LossInput& in) {
  if (in.target.size() != in.prediction.size())
    return Error(Code::kInvalidArgument, std::to_string(in.target.size()) + " target values for " +
                                             std::to_string(in.prediction.size()) +
                                             " predictions: both must have one shape");
  return Ok();
}

Status NeedClasses(const LossInput& in, std::size_t rows, std::int64_t classes) {
  if (in.classes.size() != rows)
    return Error(Code::kInvalidArgument, std::to_string(in.classes.size()) + " class numbers for " +
                                             std::to_string(rows) + " items");
  for (const std::int64_t c : in.classes)
    if (c < 0 || c >= classes)
      return Error(Code::kInvalidArgument,
                   "class " + std::to_string(c) + " is not in 0 .. " + std::to_string(classes - 1));
  return Ok();
}

}  // namespace malmoi::optim
