// Scalable Shampoo (Anil et al. 2020, arXiv:2002.09018): blocks, grafting, Schur-Newton roots.
#include "optim/matrix/roots.h"
#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {
namespace {

enum Graft : std::int64_t { kNoGraft, kSgd, kAdagrad, kRmsprop, kSign };
enum Which : std::int64_t { kAll, kInput, kOutput };

// A box of the (merged) tensor: where it begins and how long it is in each dimension.
struct Block {
  std::vector<std::size_t> begin;
  Shape size;
};

std::vector<Block> CutIntoBlocks(const Shape& shape, std::int64_t block_size) {
  std::vector<Block> blocks{{{}, {}}};
  for (const std::int64_t dim : shape) {
    const std::int64_t piece = block_size <= 0 || block_size >= dim ? dim : block_size;
    std::vector<Block> next;
    for (const Block& b : blocks)
      for (std::int64_t at = 0; at < std::max<std::int64_t>(dim, 1);
           at += std::max<std::int64_t>(piece, 1)) {
        Block c = b;
        c.begin.push_back(static_cast<std::size_t>(at));
        c.size.push_back(std::min(piece, dim - at));
        next.push_back(std::move(c));
      }
    blocks = std::move(next);
  }
  return blocks;
}

// Calls f(offset in the tensor, offset in the block, length) for each contiguous run of a block.
template <class F>
void ForRuns(const Shape& shape, const Block& block, F f) {
  const std::size_t rank = shape.size();
  std::vector<std::size_t> at(rank, 0);
  const auto run = static_cast<std::size_t>(block.size[rank - 1]);
  std::size_t inside = 0;
  for (;;) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < rank; ++i)
      offset = offset * static_cast<std::size_t>(shape[i]) + block.begin[i] + at[i];
    f(offset, inside, run);
    inside += run;
    std::size_t i = rank - 1;
    for (;;) {
      if (i == 0) return;
      --i;
      if (++at[i] < static_cast<std::size_t>(block.size[i])) break;
      at[i] = 0;
    }
  }
}

}  // namespace

struct ScalableShampoo : DenseRule<ScalableShampoo> {
  std::vector<double> betas{0.9, 0.999};
  bool moving_average_for_momentum = false;
  bool decoupled_weight_decay = false;
  bool decoupled_learning_rate = true;
  std::int64_t inverse_exponent_override = 0;
  std::int64_t start_preconditioning_step = 25;
  std::int64_t preconditioning_compute_steps = 1000;
  std::int64_t statistics_compute_steps = 1;
  std::int64_t block_size = 512;
  std::int64_t skip_preconditioning_rank_lt = 1;
  std::int64_t no_preconditioning_for_layers_with_dim_gt = 8192;
  bool shape_interpretation = true;
  std::int64_t graft_type = kSgd;
  std::int64_t pre_conditioner_type = kAll;
  bool nesterov = true;
  double diagonal_eps = 1e-10;
  double matrix_eps = 1e-6;
  bool use_svd = false;

  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("moving_average_for_momentum", moving_average_for_momentum);
    f("weight_decay", weight_decay)("decoupled_weight_decay", decoupled_weight_decay);
    f("decoupled_learning_rate", decoupled_learning_rate);
    f("inverse_exponent_override", inverse_exponent_override);
    f("start_preconditioning_step", start_preconditioning_step);
    f("preconditioning_compute_steps", preconditioning_compute_steps);
    f("statistics_compute_steps", statistics_compute_steps)("block_size", block_size);
    f("skip_preconditioning_rank_lt", skip_preconditioning_rank_lt);
    f("no_preconditioning_for_layers_with_dim_gt", no_preconditioning_for_layers_with_dim_gt);
    f("shape_interpretation", shape_interpretation)("graft_type", graft_type);
    f("pre_conditioner_type", pre_conditioner_type)("nesterov", nesterov);
    f("diagonal_eps", diagonal_eps)("matrix_eps", matrix_eps)("use_svd", use_svd);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (start_preconditioning_step < 1 || preconditioning_compute_steps < 1 ||
        statistics_compute_steps < 1)
      return Error(Code::kInvalidArgument,
                   "start_preconditioning_step, "
                   "preconditioning_compute_steps and "
                   "statistics_compute_steps must be at least 1");
    if (graft_type < kNoGraft || graft_type > kSign || pre_conditioner_type < kAll ||
        pre_conditioner_type > kOutput)
      return Error(Code::kInvalidArgument,
                   "graft_type must be 0 to 4 and pre_conditioner_type 0 to 2");
    return Ok();
  }

  // How one tensor is preconditioned; empty blocks: not at all.
  struct Plan {
    Shape shape;
    std::vector<Block> blocks;
    std::vector<bool> selected;  // Dimensions.
    std::size_t rank = 0;
    int exponent = 1;
  };
  Plan PlanFor(const Shape& original) const {
    Plan plan;
    plan.shape = shape_interpretation ? MergeSmall(original, block_size) : original;
    const std::size_t rank = plan.shape.size();
    plan.selected.assign(rank, true);
    if (rank > 1 && pre_conditioner_type == kInput) plan.selected.back() = false;
    if (rank > 1 && pre_conditioner_type == kOutput)
      std::fill(plan.selected.begin(), plan.selected.end() - 1, false);
    plan.rank =
        static_cast<std::size_t>(std::count(plan.selected.begin(), plan.selected.end(), true));
    plan.exponent = inverse_exponent_override > 0 ? static_cast<int>(inverse_exponent_override)
                                                  : 2 * static_cast<int>(plan.rank);
    const bool skip = static_cast<std::int64_t>(original.size()) < skip_preconditioning_rank_lt ||
                      std::any_of(original.begin(), original.end(), [this](std::int64_t d) {
                        return d > no_preconditioning_for_layers_with_dim_gt;
                      });
    if (rank > 1 && !skip && Elements(plan.shape) == Elements(original))
      plan.blocks = CutIntoBlocks(plan.shape, block_size);
    return plan;
  }
  bool Accumulates() const { return graft_type == kAdagrad || graft_type == kRmsprop; }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("momentum");
    s.Like("graft.momentum");
    if (Accumulates()) s.Square("graft.statistics");
    const Plan plan = PlanFor(shape);
    std::size_t k = 0;
    for (const Block& b : plan.blocks)
      for (std::size_t i = 0; i < plan.shape.size(); ++i) {
        if (!plan.selected[i]) continue;
        const std::string n = std::to_string(k++);
        s.Sized("pre_conditioner.statistics." + n, {b.size[i], b.size[i]});
        s.Sized("pre_conditioner.pre_conditioners." + n, {b.size[i], b.size[i]});
      }
  }
  int Base() const { return Accumulates() ? 3 : 2; }

  template <class T>
  void AddStatistics(TensorStep& t, const Plan& plan, std::span<const T> g) const {
    const T keep = static_cast<T>(betas[1]);
    const T add = static_cast<T>(betas[1] == 1.0 ? 1.0 : 1.0 - betas[1]);
    int slot = Base();
    for (const Block& b : plan.blocks) {
      std::vector<T> part(Elements(b.size));
      ForRuns(plan.shape, b, [&](std::size_t from, std::size_t to, std::size_t n) {
        std::copy_n(&g[from], n, &part[to]);
      });
      for (std::size_t i = 0; i < plan.shape.size(); ++i) {
        if (!plan.selected[i]) continue;
        const Matrix<T> outer = Gram(Unfold<T>(part, b.size, i));
        const std::span<T> statistic = t.State<T>(slot);
        for (std::size_t j = 0; j < outer.size(); ++j)
          statistic[j] = keep * statistic[j] + add * outer.data[j];
        slot += 2;
      }
    }
  }
  template <class T>
  void ComputeRoots(TensorStep& t, const Plan& plan) const {
    int slot = Base();
    for (const Block& b : plan.blocks)
      for (std::size_t i = 0; i < plan.shape.size(); ++i) {
        if (!plan.selected[i]) continue;
        const auto dim = static_cast<std::size_t>(b.size[i]);
        const Matrix<T> a = AsMatrix(Const(t.State<T>(slot)), dim);
        if (use_svd) {
          auto root = InverseRootSvd(a, plan.exponent);
          if (root.ok()) CopyTo(root.value().data, t.State<T>(slot + 1));
        } else {
          SchurNewtonOptions o;
          o.ridge = matrix_eps;
          CopyTo(InverseRoot<T>(a, plan.exponent, StartVector<T>(dim), o).data,
                 t.State<T>(slot + 1));
        }
        slot += 2;
      }
  }
  template <class T>
  void Precondition(TensorStep& t, const Plan& plan, std::span<T> g) const {
    int slot = Base();
    for (const Block& b : plan.blocks) {
      Matrix<T> x(1, Elements(b.size));
      ForRuns(plan.shape, b, [&](std::size_t from, std::size_t to, std::size_t n) {
        std::copy_n(&g[from], n, &x.data[to]);
      });
      for (std::size_t i = 0; i < plan.shape.size(); ++i) {
        const auto dim = static_cast<std::size_t>(b.size[i]);
        if (!plan.selected[i]) {
          x = RotateMode<T>(x, dim, nullptr, Op::kNone);
          continue;
        }
        const Matrix<T> root = AsMatrix(Const(t.State<T>(slot + 1)), dim);
        x = RotateMode(x, dim, &root, Op::kNone);
        slot += 2;
      }
      ForRuns(plan.shape, b, [&](std::size_t to, std::size_t from, std::size_t n) {
        std::copy_n(&x.data[from], n, &g[to]);
      });
    }
  }
  template <class T>
  void GraftDirection(TensorStep& t, std::span<const T> g, std::span<T> out) const {
    if (Accumulates()) {
      const std::span<T> s = t.State<T>(2);
      if (graft_type == kRmsprop) Scale(s, betas[1]);
      const T w = graft_type == kRmsprop ? static_cast<T>(1.0 - betas[1]) : T(1);
      for (std::size_t i = 0; i < s.size(); ++i) {
        s[i] += w * g[i] * g[i];
        out[i] = g[i] / (std::sqrt(s[i]) + static_cast<T>(diagonal_eps));
      }
    } else if (graft_type == kSign) {
      for (std::size_t i = 0; i < g.size(); ++i)
        out[i] = g[i] > T(0) ? T(1) : (g[i] < T(0) ? T(-1) : T(0));
    } else {
      std::copy(g.begin(), g.end(), out.begin());
    }
  }
  template <class T>
  void Start(TensorStep& t, const Plan& plan) const {
    int slot = Base();
    for (const Block& b : plan.blocks)
      for (std::size_t i = 0; i < plan.shape.size(); ++i) {
        if (!plan.selected[i]) continue;
        Matrix<T> id = Identity<T>(static_cast<std::size_t>(b.size[i]));
        CopyTo(id.data, t.State<T>(slot + 1));
        for (T& x : id.data) x *= static_cast<T>(matrix_eps);
        CopyTo(id.data, t.State<T>(slot));
        slot += 2;
      }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const Plan plan = PlanFor(t.shape());
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    if (t.first()) Start<T>(t, plan);
    const std::span<T> graft = t.Scratch<T>(0);
    GraftDirection<T>(t, g, graft);
    if (step_count % statistics_compute_steps == 0) AddStatistics<T>(t, plan, g);
    if (step_count % preconditioning_compute_steps == 0) ComputeRoots<T>(t, plan);
    const double before = decoupled_learning_rate ? 1.0 : lr;
    Scale(graft, before);
    if (plan.blocks.empty()) {
      std::copy(graft.begin(), graft.end(), g.begin());
    } else {
      Precondition(t, plan, g);
      Scale(g, before);
    }
    if (graft_type != kNoGraft) {
      const T factor = Norm(Const(graft)) / (Norm(Const(g)) + static_cast<T>(1e-16));
      for (T& x : g) x *= factor;
    }
    if (decoupled_weight_decay) {
      ApplyDecay(t, p, {}, lr, weight_decay, true, false);
    } else {
      ApplyDecay(t, p, graft, lr, weight_decay, false, false);
      ApplyDecay(t, p, g, lr, weight_decay, false, false);
    }
    Move(t, p, g, graft);
  }
  // Both momenta go on; the step takes the one of its phase.
  template <class T>
  void Move(TensorStep& t, std::span<T> p, std::span<T> g, std::span<T> graft) const {
    const double beta1 = betas[0];
    const double w = moving_average_for_momentum ? 1.0 - beta1 : 1.0;
    const std::span<T> m = t.State<T>(0);
    const std::span<T> graft_m = t.State<T>(1);
    if (moving_average_for_momentum) {
      LerpInto(m, Const(g), w);
    } else {
      Scale(m, beta1);
      AddScaled(m, g, 1.0);
    }
    Scale(graft_m, beta1);
    AddScaled(graft_m, graft, w);
    const bool started = step_count >= start_preconditioning_step;
    const std::span<T> chosen = started ? m : graft_m;
    const std::span<T> direction = started ? g : graft;
    std::vector<T> u(chosen.begin(), chosen.end());
    if (nesterov && moving_average_for_momentum) {
      LerpInto<T>(u, direction, w);
    } else if (nesterov) {
      Scale<T>(u, beta1);
      AddScaled<T>(u, direction, 1.0);
    }
    AddScaled(p, u, decoupled_learning_rate ? -lr : -1.0);
  }
};
OPTIM_RULE(ScalableShampoo, "scalableshampoo");

}  // namespace malmoi::optim::matrix
