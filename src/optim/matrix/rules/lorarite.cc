// LoRA-RITE (Yen et al. 2024, arXiv:2410.20625): the two factors of a low-rank adapter are one
// tensor of two pieces, so that the update does not depend on how the product is factored.
#include "optim/matrix/lorarite.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/matrix/blas_internal.h"
#include "optim/matrix/matrix.h"
#include "optim/wrappers/wrapper.h"

namespace malmoi::optim::matrix {
namespace {

using M = Matrix<double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// torch.nan_to_num for numbers that are kept in f32 or f64.
double Finite(double v, bool f64) {
  const double top = f64 ? std::numeric_limits<double>::max()
                         : static_cast<double>(std::numeric_limits<float>::max());
  return std::isnan(v) ? 0 : std::clamp(v, -top, top);
}
// The larger, NaN where one is: torch.maximum.
double Larger(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b);
}
M Symmetric(const M& a) {
  M out(a.rows, a.cols);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) out(i, j) = 0.5 * (a(i, j) + a(j, i));
  return out;
}
M TransposeTimes(const M& a, const M& b) {
  return Multiply(a, Op::kTranspose, b, Op::kNone);
}
M TimesTranspose(const M& a, const M& b) {
  return Multiply(a, Op::kNone, b, Op::kTranspose);
}
M Blend(M update, const M& old, double decay) {
  for (std::size_t i = 0; i < update.size(); ++i)
    update.data[i] = update.data[i] * (1.0 - decay) + old.data[i] * decay;
  return update;
}
double Rms(const M& a, bool inf_to_nan) {
  double sum = 0;
  for (const double v : a.data) sum += v * v;
  const double rms = std::sqrt(sum / static_cast<double>(a.size()));
  return inf_to_nan && std::isinf(rms) ? kNan : rms;
}
double Trace(const M& a) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rows; ++i) sum += a(i, i);
  return sum;
}

// Moore and Penrose's inverse, with torch's limit for singular values that count as zero.
Result<M> PseudoInverse(const M& a, bool f64) {
  MALMOI_TRY(auto svd, SingularValues(a));
  const double eps = f64 ? std::numeric_limits<double>::epsilon()
                         : static_cast<double>(std::numeric_limits<float>::epsilon());
  const double limit = static_cast<double>(std::max(a.rows, a.cols)) * eps * svd.values[0];
  for (std::size_t k = 0; k < svd.values.size(); ++k) {
    const double inverse = svd.values[k] > limit ? 1.0 / svd.values[k] : 0.0;
    for (std::size_t i = 0; i < svd.u.rows; ++i) svd.u(i, k) *= inverse;
  }
  return Multiply(svd.vt, Op::kTranspose, svd.u, Op::kTranspose);
}

// Dimension `dim` of a row-major array last, the others as rows.
struct Layout {
  std::size_t before = 1, dim = 1, after = 1;

  Layout(const Shape& shape, std::int64_t which) {
    if (shape.empty()) return;
    const auto rank = static_cast<std::int64_t>(shape.size());
    const auto at = static_cast<std::size_t>(which < 0 ? which + rank : which);
    for (std::size_t i = 0; i < shape.size(); ++i)
      (i < at ? before : i == at ? dim : after) *= static_cast<std::size_t>(shape[i]);
  }
  std::size_t Source(std::size_t row, std::size_t column) const {
    return ((row / after) * dim + column) * after + row % after;
  }
  M Take(const Values& v) const {
    M out(before * after, dim);
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t j = 0; j < dim; ++j) out(i, j) = v[Source(i, j)];
    return out;
  }
  void Add(const M& update, Values* v) const {
    for (std::size_t i = 0; i < update.rows; ++i)
      for (std::size_t j = 0; j < dim; ++j) (*v)[Source(i, j)] += update(i, j);
  }
};

struct Options {
  double lr = 1e-3;
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-6;
  bool relative_epsilon = false;
  double clip_unmagnified_grad = 1.0, update_capping = 0, update_skipping = 1.0, weight_decay = 0;
  bool apply_escape = false;
  std::int64_t lora_l_dim = 0, lora_r_dim = -1;
  bool maybe_inf_to_nan = true, balance_param = false, maximize = false;
  std::int64_t step = 0;

  void Bind(Fields& f) {
    f("lr", lr)("betas", betas)("eps", eps)("relative_epsilon", relative_epsilon);
    f("clip_unmagnified_grad", clip_unmagnified_grad)("update_capping", update_capping);
    f("update_skipping", update_skipping)("weight_decay", weight_decay);
    f("apply_escape", apply_escape)("lora_l_dim", lora_l_dim)("lora_r_dim", lora_r_dim);
    f("maybe_inf_to_nan", maybe_inf_to_nan)("balance_param", balance_param);
    f("maximize", maximize);
  }
  Status Check() const {
    const std::pair<const char*, double> numbers[] = {
        {"lr", lr},
        {"eps", eps},
        {"clip_unmagnified_grad", clip_unmagnified_grad},
        {"update_capping", update_capping},
        {"update_skipping", update_skipping},
        {"weight_decay", weight_decay}};
    for (const auto& [name, value] : numbers)
      if (!(value >= 0))
        return Error(Code::kInvalidArgument, std::string("option '") + name + "' = " +
                                                 std::to_string(value) + ": expected >= 0");
    for (const double b : betas)
      if (!(b >= 0 && b < 1))
        return Error(Code::kInvalidArgument,
                     "option 'betas' holds " + std::to_string(b) + ": expected [0, 1)");
    return Ok();
  }
};

// One factor's half of a pair: what the reference keeps under v_l, m_l ... or v_r, m_r ...
struct Side {
  M v, m, basis;
  double escape = 0;
};
// A factor during one step.
struct Now {
  M p, basis, inverse, update, projection;
};
struct Pair {
  std::size_t left = 0, right = 0, group = 0;  // Indices of parameters; the group.
  std::int64_t step = -1;                      // -1: no state yet.
  Side l, r;
};

class LoRARite final : public Optimizer {
 public:
  static Result<std::unique_ptr<Optimizer>> Make(std::vector<Group> groups,
                                                 const json::Value& options,
                                                 const EngineOptions& engine);
  std::span<Parameter* const> parameters() override { return pointers_; }
  std::size_t parameter_count() const override { return pointers_.size(); }
  Result<StepReport> Step(const StepInputs& inputs) override;
  Status BeginStep(const StepInputs&) override { return NotInPieces(); }
  Status StepParam(std::size_t) override { return NotInPieces(); }
  Status EndStep() override { return NotInPieces(); }
  std::size_t groups() const override { return options_.size(); }
  Result<json::Value> Option(std::size_t group, std::string_view name) const override;
  Status SetOption(std::size_t group, std::string_view name, const json::Value& value) override;
  json::Value GroupState(std::size_t group) const override;
  Status SetGroupState(std::size_t group, const json::Value& values) override;
  Result<ParameterState> State(std::size_t parameter) const override;
  Status SetState(std::size_t parameter, const ParameterState& state) override;

 private:
  static Status NotInPieces() {
    return Error(Code::kUnsupported, "lorarite couples all tensors: step it as a whole");
  }
  struct Work {
    Pair* pair;
    Now l, r;
    Side new_l, new_r;
    Values p_l, p_r;
  };
  Values Gradient(const Parameter& p, double scale, bool inf_to_nan) const;
  Status Open(Pair* pair, double scale, Work* work) const;
  Status Apply(double grad_norm, Work* work) const;
  Status Precondition(const Options& o, std::int64_t step, bool f64, const Side& old, double clip,
                      const Now& now, Side* next) const;
  double Scale(const StepInputs& inputs, StepReport* report) const;

  std::vector<std::unique_ptr<Parameter>> owned_;
  std::vector<Parameter*> pointers_;
  std::vector<Pair> pairs_;
  std::vector<Options> options_;
  double clip_norm_ = 0;
};

Result<std::unique_ptr<Optimizer>> LoRARite::Make(std::vector<Group> groups,
                                                  const json::Value& options,
                                                  const EngineOptions& engine) {
  MALMOI_TRY(LoadBlas());
  std::unique_ptr<LoRARite> out(new LoRARite);
  out->clip_norm_ = engine.clip_norm;
  for (Group& group : groups) {
    Options o;
    Fields fields;
    o.Bind(fields);
    for (const json::Value* from : {&options, static_cast<const json::Value*>(&group.options)})
      if (from->is_object())
        for (const auto& [name, value] : from->members())
          MALMOI_TRY(fields.Set(name, value).With("lorarite"));
    MALMOI_TRY(o.Check().With("lorarite"));
    const std::size_t first = out->owned_.size();
    for (Parameter& p : group.parameters) {
      if (p.data == nullptr && Elements(p.shape) > 0)
        return Error(Code::kInvalidArgument, "parameter '" + p.name + "' has no data");
      const auto rank = std::max<std::int64_t>(1, static_cast<std::int64_t>(p.shape.size()));
      for (const std::int64_t d : {o.lora_l_dim, o.lora_r_dim})
        if (d < -rank || d >= rank)
          return Error(Code::kInvalidArgument, "parameter '" + p.name + "' has " +
                                                   std::to_string(rank) + " dimensions, not " +
                                                   std::to_string(d));
      out->owned_.push_back(std::make_unique<Parameter>(std::move(p)));
      out->pointers_.push_back(out->owned_.back().get());
    }
    for (std::size_t i = first; i + 1 < out->owned_.size(); i += 2) {
      Pair pair;
      pair.left = i, pair.right = i + 1, pair.group = out->options_.size();
      out->pairs_.push_back(std::move(pair));
    }
    out->options_.push_back(std::move(o));
  }
  if (out->options_.empty()) return Error(Code::kInvalidArgument, "lorarite: no parameter groups");
  return std::unique_ptr<Optimizer>(std::move(out));
}

Values LoRARite::Gradient(const Parameter& p, double scale, bool inf_to_nan) const {
  Values g = LoadValues(p.grad, p.storage == Storage::kF64 ? Storage::kF64 : p.grad_storage,
                        Elements(p.shape));
  for (double& v : g) {
    v *= scale;
    if (inf_to_nan && std::isinf(v)) v = kNan;
  }
  return g;
}

// The bases of both factors as they are, and the gradients without the other factor's magnitude.
Status LoRARite::Open(Pair* pair, double scale, Work* work) const {
  const Options& o = options_[pair->group];
  const Parameter& pl = *pointers_[pair->left];
  const Parameter& pr = *pointers_[pair->right];
  const bool f64 = pl.storage == Storage::kF64;
  const Layout left(pl.shape, o.lora_l_dim), right(pr.shape, o.lora_r_dim);
  work->pair = pair;
  work->p_l = LoadValues(pl.data, pl.storage, Elements(pl.shape));
  work->p_r = LoadValues(pr.data, pr.storage, Elements(pr.shape));
  work->l.p = left.Take(work->p_l);
  work->r.p = right.Take(work->p_r);
  if (work->l.p.cols != work->r.p.cols)
    return Error(Code::kInvalidArgument, "lorarite: parameters '" + pl.name + "' and '" + pr.name +
                                             "' have ranks " + std::to_string(work->l.p.cols) +
                                             " and " + std::to_string(work->r.p.cols) +
                                             "; factors come in pairs of one rank");
  const double sign = o.maximize ? -scale : scale;
  M g_l = left.Take(Gradient(pl, sign, o.maybe_inf_to_nan));
  M g_r = right.Take(Gradient(pr, sign, o.maybe_inf_to_nan));
  for (Now* now : {&work->l, &work->r}) {
    MALMOI_TRY(auto qr, QrReduced(now->p).With("lorarite"));
    MALMOI_TRY(now->inverse, PseudoInverse(qr.r, f64).With("lorarite"));
    now->basis = std::move(qr.q);
  }
  if (pair->step < 0) {
    const auto fresh = [](const M& p) {
      return Side{M(p.cols, p.cols), M(p.rows, p.cols), M(p.rows, p.cols), 0};
    };
    pair->l = fresh(work->l.p), pair->r = fresh(work->r.p);
    pair->step = 0;
  }
  work->l.projection = TransposeTimes(work->r.basis, pair->r.basis);
  work->r.projection = TransposeTimes(work->l.basis, pair->l.basis);
  work->l.update = Multiply(g_l, work->r.inverse);
  work->r.update = Multiply(g_r, work->l.inverse);
  for (Now* now : {&work->l, &work->r})
    if (o.update_skipping > 0 && Rms(now->update, o.maybe_inf_to_nan) > o.update_skipping)
      std::fill(now->update.data.begin(), now->update.data.end(), 0.0);
  return Ok();
}

// Both moments of one factor in its new basis. next->m is the direction in that basis.
Status LoRARite::Precondition(const Options& o, std::int64_t step, bool f64, const Side& old,
                              double clip, const Now& now, Side* next) const {
  const auto decay = [step](double beta) {
    const auto n = static_cast<double>(step + 1);
    return beta * (1.0 - std::pow(beta, n - 1.0)) / (1.0 - std::pow(beta, n));
  };
  M update = now.update;
  for (double& v : update.data) v *= clip;
  M second = Symmetric(TransposeTimes(update, update));
  for (double& v : second.data) v /= static_cast<double>(update.rows);
  M moved = Symmetric(TimesTranspose(Multiply(now.projection, old.v), now.projection));
  for (double& v : moved.data) v = Finite(v, f64);
  next->escape = 0;
  if (o.apply_escape) {
    // What the old basis held and the new one does not: moments that moving has lost.
    MALMOI_TRY(const auto now_values, EigenSymmetric(moved).With("lorarite"));
    MALMOI_TRY(const auto old_values, EigenSymmetric(old.v).With("lorarite"));
    if (now_values.values.size() != old_values.values.size())
      return Error(Code::kInvalidArgument,
                   "lorarite: apply_escape needs factors that are longer "
                   "than their rank");
    double eigen = 0;
    for (std::size_t i = 0; i < old_values.values.size(); ++i)
      eigen = std::max(eigen, old_values.values[i] - now_values.values[i]);
    const double trace = Larger(Trace(old.v) - Trace(moved), 0.0);
    next->escape = (std::min(eigen, trace) + old.escape) * decay(o.betas[1]);
  }
  next->v = Blend(std::move(second), moved, decay(o.betas[1]));
  MALMOI_TRY(const auto eigen, EigenSymmetric(Symmetric(next->v)).With("lorarite"));
  const double root = o.eps * o.eps;
  const double shift = o.relative_epsilon ? std::max(eigen.values.back(), 0.0) * root : root;
  M scaled = eigen.vectors;
  for (std::size_t j = 0; j < scaled.cols; ++j) {
    const double value = std::max(eigen.values[j], 0.0) + next->escape + shift;
    for (std::size_t i = 0; i < scaled.rows; ++i) scaled(i, j) *= 1.0 / (std::sqrt(value) + o.eps);
  }
  M direction = Multiply(update, Symmetric(TimesTranspose(scaled, eigen.vectors)));
  for (double& v : direction.data) v = Finite(v, f64);
  next->m = Blend(std::move(direction), TimesTranspose(old.m, now.projection), decay(o.betas[0]));
  if (o.update_capping > 0) {
    const double by = Larger(1.0, Rms(next->m, o.maybe_inf_to_nan) / o.update_capping);
    for (double& v : next->m.data) v /= by;
  }
  next->basis = now.basis;
  return Ok();
}

Status LoRARite::Apply(double grad_norm, Work* work) const {
  Pair& pair = *work->pair;
  const Options& o = options_[pair.group];
  const Parameter& pl = *pointers_[pair.left];
  const Parameter& pr = *pointers_[pair.right];
  const bool f64 = pl.storage == Storage::kF64;
  double clip = 1;
  if (o.clip_unmagnified_grad > 0) {
    clip = o.clip_unmagnified_grad / grad_norm;
    if (clip > 1) clip = 1;
  }
  MALMOI_TRY(Precondition(o, pair.step, f64, pair.l, clip, work->l, &work->new_l));
  MALMOI_TRY(Precondition(o, pair.step, f64, pair.r, clip, work->r, &work->new_r));
  M left = TimesTranspose(work->new_l.m, work->r.inverse);
  M right = TimesTranspose(work->new_r.m, work->l.inverse);
  double norm_l = 0, norm_r = 0;
  const auto finish = [&o](M* update, const M& p, double* norm) {
    for (std::size_t i = 0; i < update->size(); ++i) {
      double& u = update->data[i];
      u = -o.lr * (u + o.weight_decay * p.data[i]);
      *norm += (p.data[i] + u) * (p.data[i] + u);
    }
    *norm = std::sqrt(*norm) + 1e-6;
  };
  finish(&left, work->l.p, &norm_l);
  finish(&right, work->r.p, &norm_r);
  if (o.balance_param) {
    const double balanced = std::sqrt(norm_l * norm_r);
    const auto balance = [](M* update, const M& p, double by) {
      for (std::size_t i = 0; i < update->size(); ++i)
        update->data[i] = update->data[i] * by + p.data[i] * (by - 1.0);
    };
    balance(&left, work->l.p, balanced / norm_l);
    balance(&right, work->r.p, balanced / norm_r);
  }
  Layout(pl.shape, o.lora_l_dim).Add(left, &work->p_l);
  Layout(pr.shape, o.lora_r_dim).Add(right, &work->p_r);
  if (f64) return Ok();
  for (Side* side : {&work->new_l, &work->new_r}) {  // States are kept in f32.
    for (M* m : {&side->v, &side->m, &side->basis})
      for (double& v : m->data) v = static_cast<double>(static_cast<float>(v));
    side->escape = static_cast<double>(static_cast<float>(side->escape));
  }
  return Ok();
}

double LoRARite::Scale(const StepInputs& inputs, StepReport* report) const {
  double scale = inputs.grad_scale;
  if (!inputs.check_inf && clip_norm_ <= 0) return scale;
  double sum = 0;
  for (const Parameter* p : pointers_) {
    if (p->grad == nullptr) continue;
    for (const double v : Gradient(*p, scale, false)) sum += v * v;
  }
  if (inputs.check_inf && !std::isfinite(sum)) report->skipped = true;
  if (clip_norm_ > 0) {
    report->grad_norm = std::sqrt(sum);
    if (report->grad_norm > clip_norm_) scale *= clip_norm_ / report->grad_norm;
  }
  return scale;
}

Result<StepReport> LoRARite::Step(const StepInputs& inputs) {
  StepReport report;
  const double scale = Scale(inputs, &report);
  if (report.skipped) return report;
  std::vector<Work> all;
  double sum = 0;
  for (Pair& pair : pairs_) {
    if (pointers_[pair.left]->grad == nullptr || pointers_[pair.right]->grad == nullptr) continue;
    Work work;
    MALMOI_TRY(Open(&pair, scale, &work));
    for (const M* u : {&work.l.update, &work.r.update})
      for (const double v : u->data) sum += v * v;
    all.push_back(std::move(work));
  }
  for (Work& work : all) MALMOI_TRY(Apply(std::sqrt(sum), &work));
  for (Work& work : all) {
    const Parameter& pl = *pointers_[work.pair->left];
    const Parameter& pr = *pointers_[work.pair->right];
    StoreValues(work.p_l, pl.data, pl.storage);
    StoreValues(work.p_r, pr.data, pr.storage);
    work.pair->l = std::move(work.new_l), work.pair->r = std::move(work.new_r);
    ++work.pair->step;
  }
  for (Options& o : options_) ++o.step;
  return report;
}

Result<json::Value> LoRARite::Option(std::size_t group, std::string_view name) const {
  if (group >= options_.size())
    return Error(Code::kInvalidArgument, "no group " + std::to_string(group));
  Options o = options_[group];
  Fields fields;
  o.Bind(fields);
  if (!fields.Has(name))
    return Error(Code::kInvalidArgument, "no option '" + std::string(name) + "'");
  return fields.Get(name);
}

Status LoRARite::SetOption(std::size_t group, std::string_view name, const json::Value& value) {
  return SetGroupState(group, json::Value::Object({{std::string(name), value}}));
}

json::Value LoRARite::GroupState(std::size_t group) const {
  if (group >= options_.size()) return json::Value::Object({});
  Options o = options_[group];
  Fields fields;
  o.Bind(fields);
  fields("step", o.step);
  return fields.All();
}

Status LoRARite::SetGroupState(std::size_t group, const json::Value& values) {
  if (group >= options_.size())
    return Error(Code::kInvalidArgument, "no group " + std::to_string(group));
  Options o = options_[group];
  Fields fields;
  o.Bind(fields);
  fields("step", o.step);
  for (const auto& [name, value] : values.members())
    if (fields.Has(name)) MALMOI_TRY(fields.Set(name, value));
  MALMOI_TRY(o.Check());
  options_[group] = o;
  return Ok();
}

Result<ParameterState> LoRARite::State(std::size_t parameter) const {
  if (parameter >= pointers_.size())
    return Error(Code::kInvalidArgument, "no parameter " + std::to_string(parameter));
  ParameterState out;
  out.scalars = json::Value::Object({});
  for (const Pair& pair : pairs_) {
    if (pair.left != parameter || pair.step < 0) continue;
    const Storage storage =
        pointers_[parameter]->storage == Storage::kF64 ? Storage::kF64 : Storage::kF32;
    const auto add = [&](const std::string& name, const Shape& shape, const Values& values) {
      Buffer<unsigned char> bytes(StorageBytes(storage, values.size()));
      StoreValues(values, bytes.data(), storage);
      out.tensors.push_back({name, storage, shape, {bytes.data(), bytes.size()}});
      out.owned.push_back(std::move(bytes));
    };
    for (const auto& [side, end] : {std::pair{&pair.l, "_l"}, {&pair.r, "_r"}}) {
      for (const auto& [name, m] :
           {std::pair{"v", &side->v}, {"m", &side->m}, {"basis", &side->basis}})
        add(std::string(name) + end,
            {static_cast<std::int64_t>(m->rows), static_cast<std::int64_t>(m->cols)},
            Values(m->data.begin(), m->data.end()));
      add(std::string("escape") + end, {}, {side->escape});
    }
    out.scalars = json::Value::Object({{"step", json::Value::Int(pair.step)}});
  }
  return out;
}

Status LoRARite::SetState(std::size_t parameter, const ParameterState& state) {
  if (parameter >= pointers_.size())
    return Error(Code::kInvalidArgument, "no parameter " + std::to_string(parameter));
  const bool empty = state.tensors.empty() && state.scalars.members().empty();
  const auto found = std::find_if(pairs_.begin(), pairs_.end(),
                                  [&](const Pair& p) { return p.left == parameter; });
  if (found == pairs_.end()) {
    if (empty) return Ok();
    return Error(Code::kInvalidArgument,
                 "lorarite keeps no state for parameter '" + pointers_[parameter]->name + "'");
  }
  Pair next = *found;
  next.l = {}, next.r = {}, next.step = empty ? -1 : state.scalars.GetInt("step", 0);
  std::size_t seen = 0;
  for (const StateTensor& t : state.tensors) {
    const bool left = t.name.ends_with("_l");
    if ((!left && !t.name.ends_with("_r")) ||
        t.bytes.size() != StorageBytes(t.storage, Elements(t.shape)) || t.storage == Storage::kQ8)
      return Error(Code::kInvalidArgument, "lorarite keeps no state '" + t.name + "'");
    const std::string name = t.name.substr(0, t.name.size() - 2);
    Side& side = left ? next.l : next.r;
    const Values values = LoadValues(t.bytes.data(), t.storage, Elements(t.shape));
    M* to = name == "v" ? &side.v : name == "m" ? &side.m : name == "basis" ? &side.basis : nullptr;
    if (to != nullptr && t.shape.size() == 2) {
      *to = M(static_cast<std::size_t>(t.shape[0]), static_cast<std::size_t>(t.shape[1]),
              values.data());
    } else if (name == "escape" && values.size() == 1) {
      side.escape = values[0];
    } else {
      return Error(Code::kInvalidArgument,
                   "lorarite keeps no state '" + t.name + "' of that shape");
    }
    ++seen;
  }
  if (!empty && seen != 8)
    return Error(Code::kInvalidArgument, "parameter '" + pointers_[parameter]->name +
                                             "': " + std::to_string(seen) + " of 8 states given");
  if (!empty) {
    const Options& o = options_[next.group];
    const Layout l(pointers_[next.left]->shape, o.lora_l_dim);
    const Layout r(pointers_[next.right]->shape, o.lora_r_dim);
    const auto fits = [](const Side& s, const Layout& at) {
      const std::size_t rows = at.before * at.after;
      const std::size_t rank = std::min(rows, at.dim);
      return s.m.rows == rows && s.basis.rows == rows && s.v.rows == s.v.cols &&
             s.v.rows == s.m.cols && s.m.cols >= rank && s.m.cols <= at.dim &&
             s.basis.cols >= rank && s.basis.cols <= at.dim;
    };
    if (!fits(next.l, l) || !fits(next.r, r))
      return Error(Code::kInvalidArgument, "parameter '" + pointers_[parameter]->name +
                                               "': a state has another shape than the pair needs");
  }
  *found = std::move(next);
  return Ok();
}

}  // namespace

json::Value LoRARiteDefaults() {
  Options o;
  Fields fields;
  o.Bind(fields);
  return fields.All();
}

Result<std::unique_ptr<Optimizer>> MakeLoRARite(std::vector<Group> groups,
                                                const json::Value& options,
                                                const EngineOptions& engine) {
  return LoRARite::Make(std::move(groups), options, engine);
}

}  // namespace malmoi::optim::matrix
