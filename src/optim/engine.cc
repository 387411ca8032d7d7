#include "optim/engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "base/check.h"
#include "optim/builtin_kernels.h"
#include "optim/storage.h"
#include "optim/whole_tensor.h"

namespace malmoi::optim {
namespace {

// Tensors at least this long are shared by the threads, shorter ones each go to one thread.
constexpr std::size_t kShared = std::size_t{1} << 18;
constexpr std::size_t kUnit = 4096;  // Recorded jobs are dealt out in units of this many elements.

Error Invalid(const std::string& message) {
  return Error(Code::kInvalidArgument, message);
}

Storage GradStorage(const Parameter& p) {
  return p.storage == Storage::kF64 ? Storage::kF64 : p.grad_storage;
}

Status CheckParameter(const Parameter& p) {
  if (p.storage == Storage::kQ8) {
    return Invalid("parameter '" + p.name + "' is 8-bit; parameters are f32, bf16 or f64");
  }
  if (p.shape.size() > 16) return Invalid("parameter '" + p.name + "' has more than 16 dimensions");
  std::size_t n = 1;
  for (const auto d : p.shape) {
    if (d < 0) return Invalid("parameter '" + p.name + "' has a negative dimension");
    if (d != 0 && n > (std::size_t{1} << 46) / static_cast<std::size_t>(d)) {
      return Invalid("parameter '" + p.name + "' has more than 2^46 elements");
    }
    n *= static_cast<std::size_t>(d);
  }
  if (p.data == nullptr && n > 0) return Invalid("parameter '" + p.name + "' has no data");
  return Ok();
}

Status CheckOverlap(std::span<Parameter* const> parameters) {
  std::vector<std::pair<const char*, const Parameter*>> spans;
  for (const Parameter* p : parameters) {
    if (Elements(p->shape) > 0) spans.emplace_back(static_cast<const char*>(p->data), p);
  }
  std::sort(spans.begin(), spans.end(),
            [](const auto& a, const auto& b) { return std::less<>()(a.first, b.first); });
  for (std::size_t i = 1; i < spans.size(); ++i) {
    const Parameter& before = *spans[i - 1].second;
    if (spans[i - 1].first + StorageBytes(before.storage, Elements(before.shape)) >
        spans[i].first) {
      return Invalid("parameters '" + before.name + "' and '" + spans[i].second->name +
                     "' overlap in memory; pass shared parameters once");
    }
  }
  return Ok();
}

Status SetOptions(Rule* rule, const json::Value& options) {
  if (options.is_null()) return Ok();
  if (!options.is_object())
    return Invalid("options are " + options.Dump() + ": expected an object");
  Fields fields;
  rule->BindAll(fields);
  for (const auto& [name, value] : options.members()) MALMOI_TRY(fields.Set(name, value));
  return Ok();
}

}  // namespace

Result<std::unique_ptr<Optimizer>> Engine::Make(const RuleRow& row, std::vector<Group> groups,
                                                const json::Value& options,
                                                const EngineOptions& engine) {
  if (engine.threads == 0 || engine.threads > 1024) {
    return Invalid("threads = " + std::to_string(engine.threads) + ": expected 1 to 1024");
  }
  std::unique_ptr<Engine> out(new Engine(engine));
  for (Group& group : groups) {
    auto rule = row.make();
    MALMOI_TRY(SetOptions(rule.get(), options).With(row.name));
    rule->Constructed();
    MALMOI_TRY(SetOptions(rule.get(), group.options).With(row.name));
    MALMOI_TRY(rule->CheckAll().With(row.name));
    for (Parameter& p : group.parameters) {
      MALMOI_TRY(CheckParameter(p));
      auto tensor = std::make_unique<Tensor>();
      tensor->parameter = std::move(p);
      tensor->group = out->rules_.size();
      tensor->step.index_ = out->tensors_.size();
      for (const std::string& part : engine.no_decay) {
        if (tensor->parameter.name.find(part) != std::string::npos) tensor->no_decay = true;
      }
      out->pointers_.push_back(&tensor->parameter);
      out->tensors_.push_back(std::move(tensor));
    }
    out->rules_.push_back(std::move(rule));
  }
  if (out->rules_.empty()) return Invalid(std::string(row.name) + ": no parameter groups");
  MALMOI_TRY(CheckOverlap(out->pointers_));
  out->visited_.resize(out->tensors_.size());
  std::vector<const Shape*> shapes;
  for (const auto& tensor : out->tensors_) shapes.push_back(&tensor->parameter.shape);
  for (auto& rule : out->rules_) {
    TorchGenerator random(engine.seed);
    rule->Draw(random, shapes);
  }
  return std::unique_ptr<Optimizer>(std::move(out));
}

Engine::Traffic Engine::LastTraffic() const {
  Traffic traffic;
  double elements = 0;
  const auto bytes = [](const PassJob::Source& s) {
    return s.storage == Storage::kQ8 ? 1.0 + 4.0 / kQ8Block
                                     : static_cast<double>(StorageBytes(s.storage, 1));
  };
  for (const auto& t : tensors_) {
    if (t->parameter.grad == nullptr) continue;
    const TensorStep& s = t->step;
    const auto n = static_cast<double>(s.n_);
    elements += n;
    traffic.one_pass = traffic.one_pass && OneSweep(*rules_[t->group]);
    const auto add = [&](std::uint64_t bit, double each) {
      if ((s.streams_in_ & bit) != 0) traffic.read += each * n;
      if ((s.streams_out_ & bit) != 0) traffic.written += each * n;
    };
    add(1, bytes(s.p_));
    add(2, bytes(s.raw_g_));
    for (std::size_t i = 0; i < t->state.streams.size(); ++i) {
      const Stream& stream = t->state.streams[i];
      if (!stream.full) continue;
      add(std::uint64_t{8} << std::min<std::size_t>(i, 60),
          bytes({nullptr, stream.storage, nullptr, false}));
    }
  }
  if (elements > 0) traffic.read /= elements, traffic.written /= elements;
  return traffic;
}

bool Engine::OneSweep(const Rule& rule) {
  return rule.OnePass() && !rule.cautious && !rule.adanorm && !rule.use_gc;
}

int Engine::Phases() const {
  int phases = 1;
  for (const auto& rule : rules_) phases = std::max(phases, rule->phases());
  return phases;
}

Status Engine::CheckInputs(const StepInputs& inputs) const {
  if (!inputs.hessian.empty() && inputs.hessian.size() != tensors_.size()) {
    return Invalid("hessian for " + std::to_string(inputs.hessian.size()) + " parameters of " +
                   std::to_string(tensors_.size()));
  }
  for (const auto& t : tensors_) {
    const Parameter& p = t->parameter;
    if (p.grad != nullptr && p.grad == p.data && Elements(p.shape) > 0) {
      return Invalid("gradient of '" + p.name + "' is the parameter itself");
    }
    if (p.storage != Storage::kF64 && p.grad != nullptr && p.grad_storage != Storage::kF32 &&
        p.grad_storage != Storage::kBf16) {
      return Invalid("gradient of '" + p.name + "' is neither f32 nor bf16");
    }
  }
  return Ok();
}

double Engine::SumOverGradients(const Kernel& kernel) {
  std::vector<double> sums(tensors_.size());
  std::vector<std::size_t> sizes;
  for (const auto& t : tensors_) {
    sizes.push_back(t->parameter.grad == nullptr ? 0 : Elements(t->parameter.shape));
  }
  Spread(sizes, [&](std::size_t i, std::size_t) {
    const Parameter& p = tensors_[i]->parameter;
    PassJob job;
    job.kernel = &kernel;
    job.f64 = p.storage == Storage::kF64;
    job.source[1] = {const_cast<void*>(p.grad), GradStorage(p), nullptr, false};
    job.n = sizes[i];
    PassSums sum;
    RunRange(job, 0, job.n, &sum);
    sums[i] = sum.sum[0];
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

bool Engine::AllFinite() {
  // A sum of squares may overflow; a product with zero is NaN for all that is not finite.
  return SumOverGradients(SumOfZeroTimesGradient) == 0;
}

double Engine::GradientNorm() {
  return std::sqrt(SumOverGradients(NormOfGradient));
}

Status Engine::Prepare(const StepInputs& inputs, StepReport* report) {
  if (open_) return Invalid("a step is open: call EndStep first");
  if (eval_) return Invalid("the parameters are at the averaged point: call Train first");
  MALMOI_TRY(CheckInputs(inputs));
  inputs_ = &inputs;
  if (inputs.has_seed) generator_ = TorchGenerator(inputs.seed);
  scale_ = inputs.grad_scale;
  if (inputs.check_inf && !AllFinite()) {
    report->skipped = true;
    return Ok();
  }
  for (auto& rule : rules_) MALMOI_TRY(rule->Accept(inputs));
  if (options_.clip_norm > 0) {
    report->grad_norm = std::fabs(inputs.grad_scale) * GradientNorm();
    if (report->grad_norm > options_.clip_norm) {
      scale_ *= options_.clip_norm / (report->grad_norm + 1e-6);
    }
  }
  for (auto& rule : rules_) {
    ++rule->step_count;
    rule->Begin();
  }
  std::vector<Rule*> rules;
  for (auto& rule : rules_) rules.push_back(rule.get());
  rules[0]->Start(rules);
  return Ok();
}

void Engine::InitState(Tensor& t) {
  StateList list;
  const Rule& rule = *rules_[t.group];
  rule.DeclareNamed(list, t.parameter.shape, t.parameter.name);
  const bool f64 = t.parameter.storage == Storage::kF64;
  const std::size_t n = Elements(t.parameter.shape);
  t.state = {};
  for (auto& item : list.items) {
    Stream s;
    s.name = std::move(item.name);
    s.full = item.full;
    s.non_negative = item.non_negative;
    s.shape = item.full ? t.parameter.shape : item.shape;
    s.n = item.full ? n : Elements(item.shape);
    s.storage = f64 ? Storage::kF64 : Storage::kF32;
    if (!f64 && item.full && !item.exact) {
      if (options_.state_storage != Storage::kF32) {
        const bool coarse = options_.state_storage == Storage::kQ8 && item.half;
        s.storage = coarse ? Storage::kBf16 : options_.state_storage;
      } else if (t.parameter.storage == Storage::kBf16 && !options_.f32_states) {
        s.storage = Storage::kBf16;
        s.nearest = true;
      }
    }
    if (item.bf16) s.storage = Storage::kBf16, s.nearest = true;
    s.bytes = Buffer<unsigned char>(StorageBytes(s.storage, s.n));
    if (s.storage == Storage::kQ8) s.scales = Buffer<float>((s.n + kQ8Block - 1) / kQ8Block);
    t.state.streams.push_back(std::move(s));
  }
  t.state.scalars = std::move(list.scalars);
  if (rule.adanorm) {
    t.state.scalars.push_back({"exp_grad_adanorm", ScalarKind::kTensor1, 0});
  }
  t.state.initialized = true;
  if ((options_.kahan || rule.Kahan()) && t.parameter.storage == Storage::kBf16) {
    t.kahan = Buffer<unsigned char>(n * 2);
  }
}

void Engine::Open(Tensor& t, int phase) {
  TensorStep& s = t.step;
  const Rule& rule = *rules_[t.group];
  const Parameter& p = t.parameter;
  s.first_ = phase == 0 ? !t.state.initialized : s.first_;
  if (!t.state.initialized) InitState(t);
  s.n_ = Elements(p.shape);
  s.shape_ = &p.shape;
  s.name_ = &p.name;
  s.state_ = &t.state;
  s.p_ = {p.data, p.storage, nullptr, false};
  s.g_ = {const_cast<void*>(p.grad), GradStorage(p), nullptr, false};
  s.raw_g_ = s.g_;
  s.f64_ = p.storage == Storage::kF64;
  s.phase_ = phase;
  s.adanorm_ = rule.adanorm;
  s.cautious_ = rule.cautious;
  s.adanorm_r_ = rule.adanorm_r;
  s.kahan_ = t.kahan.empty() ? nullptr : t.kahan.data();
  // By the steps that the group has taken, which a checkpoint restores.
  s.key_ = (options_.seed + 1) * 0xd1342543de82ef95ull +
           static_cast<std::uint64_t>(rule.step_count) * 0x2545f4914f6cdd1dull +
           s.index_ * 0x9e3779b97f4a7c15ull;
  if (options_.stochastic_rounding) s.p_.key = s.key_;
  s.grad_scale = rule.maximize ? -scale_ : scale_;
  s.l2 = 0;
  s.decay = 1;
  s.post_decay = 1;
  s.no_decay_ = t.no_decay;
  s.bf16_products_ = options_.bf16_products;
  for (std::size_t k = 0; k < kStateSlots; ++k) s.slots[k] = static_cast<int>(k);
  s.out.fill(0);
  if (phase == 0) s.streams_in_ = s.streams_out_ = 0;
  s.extra = nullptr;
  const bool given = inputs_ != nullptr && inputs_->generator != nullptr;
  s.random = given ? inputs_->generator : &generator_;
  if (inputs_ != nullptr && !inputs_->hessian.empty()) s.extra = inputs_->hessian[s.index_];
}

// g -= its mean over all dimensions but the first, into a copy that the passes then read.
void Engine::CentralizeGradient(Tensor& t, Workspace* workspace) {
  TensorStep& s = t.step;
  const Parameter& p = t.parameter;
  if (p.shape.size() < rules_[t.group]->CenterFrom() || s.n_ == 0) return;
  const std::size_t rows = s.rows(), cols = s.cols();
  if (cols >= TensorStep::kGridCols) {
    s.CenterGradient();
    return;
  }
  const auto center = [&](auto* g) {
    for (std::size_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (std::size_t c = 0; c < cols; ++c) sum += static_cast<double>(g[r * cols + c]);
      const auto mean =
          static_cast<std::remove_reference_t<decltype(*g)>>(sum / static_cast<double>(cols));
      for (std::size_t c = 0; c < cols; ++c) g[r * cols + c] -= mean;
    }
  };
  void* copy =
      workspace->Get(kCenterBuffer, StorageBytes(s.f64_ ? Storage::kF64 : Storage::kF32, s.n_));
  if (s.f64_) {
    std::memcpy(copy, p.grad, s.n_ * 8);
    center(static_cast<double*>(copy));
  } else {
    if (s.g_.storage == Storage::kBf16) {
      FromBf16(static_cast<const std::uint16_t*>(p.grad), static_cast<float*>(copy), s.n_);
    } else {
      std::memcpy(copy, p.grad, s.n_ * 4);
    }
    center(static_cast<float*>(copy));
  }
  s.g_ = {copy, s.f64_ ? Storage::kF64 : Storage::kF32, nullptr, false};
}

void Engine::Visit(const Rule& rule, Tensor& t, Workspace* workspace, os::ThreadPool* pool,
                   std::vector<PassJob>* recorder) {
  TensorStep& s = t.step;
  s.workspace_ = workspace;
  s.pool_ = pool;
  s.recorder_ = recorder;
  if (rule.use_gc) CentralizeGradient(t, workspace);
  rule.Step(s);
  if (recorder == nullptr) s.Flush();
}

void Engine::VisitAll(int phase) {
  std::vector<PassJob> recorded;
  std::vector<Tensor*> others;
  for (auto& t : tensors_) {
    if (t->parameter.grad == nullptr || Elements(t->parameter.shape) == 0) continue;
    const Rule& rule = *rules_[t->group];
    Open(*t, phase);
    if (OneSweep(rule) && (!t->step.first_ || rule.FreshOnePass())) {
      Visit(rule, *t, &workspaces_[0], nullptr, &recorded);
    } else if (rule.Draws()) {
      Visit(rule, *t, &workspaces_[0], &pool_, nullptr);
    } else {
      others.push_back(t.get());
    }
  }
  RunRecorded(recorded);
  VisitEach(std::move(others));
}

// A tensor stays with one thread, and so in its cache from pass to pass, unless it is more than the
// thread's share of what is left: then all threads take it together.
void Engine::VisitEach(std::vector<Tensor*> tensors) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const Tensor* a, const Tensor* b) { return a->step.n_ > b->step.n_; });
  std::size_t left = 0;
  for (const Tensor* t : tensors) left += t->step.n_;
  auto first = tensors.begin();
  for (; first != tensors.end(); ++first) {
    Tensor& t = **first;
    const Rule& rule = *rules_[t.group];
    const bool whole = dynamic_cast<const WholeTensor*>(&rule) != nullptr;
    if (whole || t.step.n_ < kShared || t.step.n_ <= left / pool_.threads()) break;
    left -= t.step.n_;
    Visit(rule, t, &workspaces_[0], &pool_, nullptr);
  }
  tensors.erase(tensors.begin(), first);
  std::vector<std::size_t> sizes;
  for (const Tensor* t : tensors) sizes.push_back(t->step.n_);
  Spread(sizes, [&](std::size_t i, std::size_t part) {
    Visit(*rules_[tensors[i]->group], *tensors[i], &workspaces_[part], nullptr, nullptr);
  });
}

void Engine::Spread(std::span<const std::size_t> sizes,
                    const std::function<void(std::size_t, std::size_t)>& work) {
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  std::atomic<std::size_t> next{0};
  pool_.ParallelFor(std::min(pool_.threads(), sizes.size()),
                    [&](std::size_t part, std::size_t, std::size_t) {
                      for (std::size_t i = next++; i < order.size(); i = next++) {
                        work(order[i], part);
                      }
                    });
}

void Engine::RunRecorded(const std::vector<PassJob>& jobs) {
  std::vector<std::size_t> start = {0};
  for (const PassJob& job : jobs) start.push_back(start.back() + (job.n + kUnit - 1) / kUnit);
  const auto run = [&](std::size_t begin, std::size_t end) {
    auto j = static_cast<std::size_t>(std::upper_bound(start.begin(), start.end(), begin) -
                                      start.begin() - 1);
    PassSums unused;
    for (; j < jobs.size() && start[j] < end; ++j) {
      const std::size_t from = (std::max(begin, start[j]) - start[j]) * kUnit;
      const std::size_t to = std::min(jobs[j].n, (std::min(end, start[j + 1]) - start[j]) * kUnit);
      if (from < to) RunRange(jobs[j], from, to, &unused);
    }
  };
  // By the piece, so that a thread that the machine holds up does not hold up the others.
  const std::size_t piece = std::clamp<std::size_t>(start.back() / pool_.threads() / 8, 1, 64);
  std::atomic<std::size_t> next{0};
  pool_.ParallelFor(std::min(pool_.threads(), (start.back() + piece - 1) / piece),
                    [&](std::size_t, std::size_t, std::size_t) {
                      for (std::size_t i = next.fetch_add(piece); i < start.back();
                           i = next.fetch_add(piece)) {
                        run(i, std::min(i + piece, start.back()));
                      }
                    });
}

void Engine::Between(int phase) {
  for (auto& rule : rules_) rule->totals().fill(0);
  for (auto& t : tensors_) {
    if (t->parameter.grad == nullptr || Elements(t->parameter.shape) == 0) continue;
    auto& totals = rules_[t->group]->totals();
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += t->step.out[i];
    rules_[t->group]->Visited(t->step);
  }
  if (phase == 0) {
    std::array<double, 8> sum{};
    for (auto& t : tensors_) {
      if (t->parameter.grad == nullptr || Elements(t->parameter.shape) == 0) continue;
      t->step.own = t->step.out;
      t->step.before = sum;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += t->step.out[i];
    }
    for (auto& t : tensors_) t->step.total = sum;
  }
  std::vector<Rule*> rules;
  for (auto& rule : rules_) rules.push_back(rule.get());
  rules[0]->Between(phase, rules);
}

// A closure may leave its gradients elsewhere in memory than the step began with; or none, which
// counts as zero.
void Engine::FollowGradients() {
  for (auto& t : tensors_) {
    TensorStep& s = t->step;
    if (s.raw_g_.data == nullptr || s.raw_g_.data == t->parameter.grad) continue;
    const bool own = s.g_.data == s.raw_g_.data;
    s.raw_g_ = {const_cast<void*>(t->parameter.grad), GradStorage(t->parameter), nullptr, false};
    if (t->parameter.grad == nullptr) {
      if (no_gradient_.empty()) {
        std::size_t most = 0;
        for (const auto& other : tensors_) {
          most = std::max(most, Elements(other->parameter.shape));
        }
        no_gradient_ = Buffer<unsigned char>(most * sizeof(double));
      }
      s.raw_g_.data = no_gradient_.data();
    }
    if (own) s.g_ = s.raw_g_;
  }
}

Result<StepReport> Engine::Step(const StepInputs& given) {
  StepInputs inputs = given;
  if (given.closure) {
    inputs.closure = [&] {
      const double loss = given.closure();
      FollowGradients();
      return loss;
    };
  }
  StepReport report;
  MALMOI_TRY(Prepare(inputs, &report));
  if (!report.skipped) {
    const int phases = Phases();
    for (int phase = 0; phase < phases; ++phase) {
      VisitAll(phase);
      Between(phase);
    }
  }
  inputs_ = nullptr;
  return report;
}

Status Engine::BeginStep(const StepInputs& inputs) {
  if (!inputs.hessian.empty() || inputs.closure) {
    return Error(Code::kUnsupported, "a step in pieces takes no closure and no hessian");
  }
  if (options_.clip_norm > 0) {
    return Error(Code::kUnsupported,
                 "a step in pieces cannot clip: the norm of all gradients is not known yet");
  }
  StepReport report;
  MALMOI_TRY(Prepare(inputs, &report));
  inputs_ = nullptr;
  open_ = true;
  visited_.assign(tensors_.size(), false);
  return Ok();
}

Status Engine::StepParam(std::size_t parameter) {
  if (!open_) return Invalid("no step is open: call BeginStep first");
  if (parameter >= tensors_.size()) {
    return Invalid("parameter " + std::to_string(parameter) + " of " +
                   std::to_string(tensors_.size()));
  }
  Tensor& t = *tensors_[parameter];
  if (visited_[parameter]) return Invalid("parameter '" + t.parameter.name + "' has had its step");
  if (t.parameter.grad == nullptr) {
    return Invalid("parameter '" + t.parameter.name + "' has no gradient");
  }
  visited_[parameter] = true;
  if (Elements(t.parameter.shape) == 0) return Ok();
  Open(t, 0);
  Visit(*rules_[t.group], t, &workspaces_[0], &pool_, nullptr);
  return Ok();
}

Status Engine::EndStep() {
  if (!open_) return Invalid("no step is open: call BeginStep first");
  open_ = false;
  const int phases = Phases();
  // Parameters that were not stepped sit this one out.
  std::vector<const void*> kept;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    kept.push_back(tensors_[i]->parameter.grad);
    if (!visited_[i]) tensors_[i]->parameter.grad = nullptr;
  }
  Between(0);
  for (int phase = 1; phase < phases; ++phase) {
    VisitAll(phase);
    Between(phase);
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i]->parameter.grad = kept[i];
  return Ok();
}

void Engine::SwitchAll(bool to_eval) {
  for (auto& t : tensors_) {
    if (!t->state.initialized || Elements(t->parameter.shape) == 0) continue;
    Open(*t, 0);
    t->step.workspace_ = &workspaces_[0];
    t->step.pool_ = &pool_;
    t->step.recorder_ = nullptr;
    rules_[t->group]->Switch(t->step, to_eval);
    t->step.Flush();
  }
}

Status Engine::Eval() {
  if (!eval_) SwitchAll(true);
  eval_ = true;
  return Ok();
}

Status Engine::Train() {
  if (eval_) SwitchAll(false);
  eval_ = false;
  return Ok();
}

}  // namespace malmoi::optim
