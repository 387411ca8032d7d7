#include "optim/matrix/register.h"

#include "optim/registry.h"

namespace malmoi::optim::matrix {

#define OPTIM_ROW(Class) extern const RuleRow k##Class##Row;
#include "optim/matrix/rules/table.inc"
#undef OPTIM_ROW

void Register() {
  static constexpr const RuleRow* kRows[] = {
#define OPTIM_ROW(Class) &k##Class##Row,
#include "optim/matrix/rules/table.inc"
#undef OPTIM_ROW
  };
  AddRuleRows(kRows);
}

}  // namespace malmoi::optim::matrix
