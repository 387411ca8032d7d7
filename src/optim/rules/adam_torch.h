// Adam and AdamW as torch.optim has them: a step count a tensor, decay coupled or decoupled.
#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"

namespace malmoi::optim {

// Kingma and Ba 2015 (arXiv:1412.6980), as torch.optim.Adam.
struct Adam : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8;
  bool amsgrad = false, decoupled_weight_decay = false;
  Adam() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("eps", eps)("weight_decay", weight_decay)("amsgrad", amsgrad);
    f("maximize", maximize)("decoupled_weight_decay", decoupled_weight_decay);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("step", ScalarKind::kTensor0);
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (amsgrad) s.Square("max_exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    const double k = (t.scalar(0) += 1);
    if (decoupled_weight_decay || weight_decouple) {
      if (t.decays()) t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : lr);
    } else {
      t.l2 = t.decays() ? weight_decay : 0.0;
    }
    const double c1 = 1.0 - std::pow(betas[0], k), c2 = 1.0 - std::pow(betas[1], k);
    t.Update(amsgrad ? AmsgradDirection : AdamDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 / std::sqrt(c2), eps, t.AdaNorm()},
             AdamDebias(lr, c1));
  }
};
OPTIM_RULE(Adam, "adam");

// Loshchilov and Hutter 2019 (arXiv:1711.05101), as torch.optim.AdamW: the learning rate
// multiplies the decay, which the paper's does not.
struct AdamW : Adam {
  AdamW() { weight_decay = 1e-2, weight_decouple = true; }
};
OPTIM_RULE(AdamW, "adamw");

}  // namespace malmoi::optim
#endif
