#include "optim/matrix/register.h"

#include "optim/matrix/blas_internal.h"
#include "optim/matrix/lorarite.h"
#include "optim/matrix/matrix.h"
#include "optim/polar.h"
#include "optim/registry.h"

namespace malmoi::optim::matrix {

#define OPTIM_ROW(Class) extern const RuleRow k##Class##Row;
#include "optim/matrix/rules/table.inc"
#undef OPTIM_ROW

namespace {

Result<std::vector<double>> Polar(const std::vector<double>& values, std::size_t rows,
                                  std::size_t cols) {
  MALMOI_TRY(LoadBlas());
  MALMOI_TRY(const auto svd, SingularValues(Matrix<double>(rows, cols, values.data())));
  const Numbers<double> polar = Multiply(svd.u, svd.vt).data;
  return std::vector<double>(polar.begin(), polar.end());
}

}  // namespace

void Register() {
  ProvidePolar(Polar);
  static constexpr const RuleRow* kRows[] = {
#define OPTIM_ROW(Class) &k##Class##Row,
#include "optim/matrix/rules/table.inc"
#undef OPTIM_ROW
  };
  AddRuleRows(kRows, []() -> Status {
    MALMOI_TRY(LoadBlas());
    return Ok();
  });
  static constexpr FactoryRow kFactories[] = {
      {"lorarite", "LoRARite", MakeLoRARite, LoRARiteDefaults}};
  AddFactoryRows(kFactories);
}

}  // namespace malmoi::optim::matrix
