#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/buffer.h"
#include "optim/check/replay_internal.h"
#include "optim/storage.h"

namespace malmoi::optim {
namespace {

// The recorder seeds torch's generator with this, plus the step before each.
constexpr std::uint64_t kSeed = 7;

struct Slot {
  std::string name;
  Shape shape;
  Buffer<unsigned char> data, grad, hessian;
};

Storage StorageOf(const std::string& dtype) {
  return dtype == "f64" ? Storage::kF64 : dtype == "bf16" ? Storage::kBf16 : Storage::kF32;
}

// An F32 tensor of the problem, as torch's .to(dtype) gives it.
Result<Buffer<unsigned char>> Fetch(const tensor::SafeTensors& problem, const std::string& name,
                                    Storage storage) {
  const tensor::TensorView* view = problem.Find(name);
  if (view == nullptr || view->dtype != tensor::DType::kF32) {
    return Error(Code::kCorruption, "problem.safetensors has no F32 tensor '" + name + "'");
  }
  const std::size_t n = view->bytes.size() / 4;
  Buffer<float> values(n);
  if (n > 0) std::memcpy(values.data(), view->bytes.data(), n * 4);
  Buffer<unsigned char> out(StorageBytes(storage, n));
  for (std::size_t i = 0; storage == Storage::kF64 && i < n; ++i) {
    reinterpret_cast<double*>(out.data())[i] = static_cast<double>(values[i]);
  }
  if (storage == Storage::kF32 && n > 0) std::memcpy(out.data(), values.data(), n * 4);
  if (storage == Storage::kBf16) {
    ToBf16(values.data(), reinterpret_cast<std::uint16_t*>(out.data()), n);
  }
  return out;
}

double Read(const Buffer<unsigned char>& b, Storage storage, std::size_t i) {
  if (storage == Storage::kF64) return reinterpret_cast<const double*>(b.data())[i];
  float v = reinterpret_cast<const float*>(b.data())[storage == Storage::kF32 ? i : 0];
  if (storage == Storage::kBf16) {
    FromBf16(reinterpret_cast<const std::uint16_t*>(b.data()) + i, &v, 1);
  }
  return static_cast<double>(v);
}
// Rounds to the storage after every operation, as torch does.
double Rounded(double v, Storage storage) {
  if (storage == Storage::kF64) return v;
  float f = static_cast<float>(v);
  if (storage == Storage::kBf16) {
    std::uint16_t b;
    ToBf16(&f, &b, 1);
    FromBf16(&b, &f, 1);
  }
  return static_cast<double>(f);
}
void Put(Buffer<unsigned char>* b, Storage storage, std::size_t i, double v) {
  const auto f = static_cast<float>(v);
  if (storage == Storage::kF64) reinterpret_cast<double*>(b->data())[i] = v;
  if (storage == Storage::kF32) reinterpret_cast<float*>(b->data())[i] = f;
  if (storage == Storage::kBf16) ToBf16(&f, reinterpret_cast<std::uint16_t*>(b->data()) + i, 1);
}

class Player {
 public:
  Player(const GoldenDirectory& directory, const Series& series)
      : directory_(directory),
        series_(series),
        storage_(StorageOf(series.dtype)),
        problem_(std::string(series.entry.GetString("problem", "std"))),
        mode_(series.entry.GetString("grad_mode", "given")) {}

  Status Start();
  Status Run(const std::function<void(const Snapshot&)>& sink);

 private:
  Status ReadParameters();
  Status LoadGradients(std::int64_t step);
  Status Quadratic(double* loss);
  bool Recorded(std::int64_t step) const;
  void Emit(const std::string& label, const std::function<void(const Snapshot&)>& sink) const;

  const GoldenDirectory& directory_;
  const Series& series_;
  const Storage storage_;
  const std::string problem_;
  const std::string mode_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> order_;  // Parameter i of the optimizer is slot order_[i].
  std::unique_ptr<Optimizer> optimizer_;
};

Status Player::ReadParameters() {
  const std::string prefix = problem_ + "/init/";
  std::vector<std::pair<const char*, std::string>> found;  // In the order of the file's data.
  for (const std::string& name : directory_.problem->Names()) {
    if (name.compare(0, prefix.size(), prefix) != 0) continue;
    found.emplace_back(directory_.problem->Find(name)->bytes.data(), name.substr(prefix.size()));
  }
  std::sort(found.begin(), found.end());
  if (found.empty()) {
    return Error(Code::kCorruption, "problem.safetensors has no problem '" + problem_ + "'");
  }
  for (const auto& [at, name] : found) {
    Slot slot;
    slot.name = name;
    slot.shape = directory_.problem->Find(prefix + name)->shape;
    MALMOI_TRY(slot.data, Fetch(*directory_.problem, prefix + name, storage_));
    slot.grad = Buffer<unsigned char>(slot.data.size());
    slots_.push_back(std::move(slot));
  }
  return Ok();
}

Status Player::Start() {
  MALMOI_TRY(ReadParameters());
  json::Value options = series_.variant.Find("hyper") == nullptr ? json::Value::Object({})
                                                                 : *series_.variant.Find("hyper");
  std::vector<Shape> shapes;
  std::vector<std::string> names;
  for (const Slot& s : slots_) shapes.push_back(s.shape), names.push_back(s.name);
  std::vector<Group> groups;
  for (PlannedGroup& plan : PlanGroups(series_.optimizer, shapes, names, &options)) {
    Group group;
    group.options = std::move(plan.options);
    for (const std::size_t i : plan.parameters) {
      Slot& s = slots_[i];
      group.parameters.push_back({.name = s.name,
                                  .storage = storage_,
                                  .shape = s.shape,
                                  .data = s.data.data(),
                                  .grad = s.grad.data(),
                                  .grad_storage = storage_});
      order_.push_back(i);
    }
    groups.push_back(std::move(group));
  }
  EngineOptions engine;
  engine.threads = series_.threads;
  engine.seed = kSeed;
  MALMOI_TRY(optimizer_, Optimizer::Create(series_.optimizer, std::move(groups), options, engine));
  return Ok();
}

Status Player::LoadGradients(std::int64_t step) {
  const std::string prefix = problem_ + "/grad/s" + std::to_string(step) + "/";
  for (Slot& slot : slots_) {
    MALMOI_TRY(const auto grad, Fetch(*directory_.problem, prefix + slot.name, storage_));
    std::memcpy(slot.grad.data(), grad.data(), grad.size());
  }
  return Ok();
}

// loss = 0.5 * sum a (x - c)^2 at the parameters as they are; grad = a (x - c).
Status Player::Quadratic(double* loss) {
  double total = 0;
  for (Slot& slot : slots_) {
    MALMOI_TRY(const auto a,
               Fetch(*directory_.problem, problem_ + "/quad_a/" + slot.name, storage_));
    MALMOI_TRY(const auto c,
               Fetch(*directory_.problem, problem_ + "/quad_c/" + slot.name, storage_));
    double sum = 0;
    for (std::size_t i = 0; i < Elements(slot.shape); ++i) {
      const double ai = Read(a, storage_, i);
      const double d = Rounded(Read(slot.data, storage_, i) - Read(c, storage_, i), storage_);
      Put(&slot.grad, storage_, i, ai * d);
      sum += Rounded(ai * Rounded(d * d, storage_), storage_);
    }
    total += 0.5 * sum;
  }
  *loss = total;
  return Ok();
}

bool Player::Recorded(std::int64_t step) const {
  if (series_.dtype == "f32") return true;
  return std::find(directory_.f64_steps.begin(), directory_.f64_steps.end(), step) !=
         directory_.f64_steps.end();
}

void Player::Emit(const std::string& label,
                  const std::function<void(const Snapshot&)>& sink) const {
  for (const Slot& s : slots_) {
    sink({label, s.name, storage_, s.shape,
          std::string(reinterpret_cast<const char*>(s.data.data()),
                      StorageBytes(storage_, Elements(s.shape)))});
  }
}

Status Player::Run(const std::function<void(const Snapshot&)>& sink) {
  if (mode_ == "given+hessian") {
    for (Slot& slot : slots_) {
      MALMOI_TRY(slot.hessian,
                 Fetch(*directory_.problem, problem_ + "/hess/" + slot.name, storage_));
    }
  }
  for (std::int64_t step = 1; step <= directory_.steps; ++step) {
    StepInputs inputs;
    inputs.seed = kSeed + static_cast<std::uint64_t>(step);
    inputs.has_seed = true;
    Status closure_status = Ok();
    if (mode_ == "quadratic") {
      inputs.closure = [&]() -> double {
        double loss = 0;
        if (auto ok = Quadratic(&loss); !ok.ok()) closure_status = std::move(ok);
        return loss;
      };
      double unused = 0;
      MALMOI_TRY(Quadratic(&unused));
    } else {
      MALMOI_TRY(LoadGradients(step));
    }
    if (mode_ == "given+loss") {
      inputs.loss = Rounded(1.0 / static_cast<double>(step), storage_);
      inputs.has_loss = true;
    }
    if (mode_ == "given+hessian") {
      for (const std::size_t i : order_) inputs.hessian.push_back(slots_[i].hessian.data());
    }
    MALMOI_TRY(optimizer_->Step(inputs));
    MALMOI_TRY(std::move(closure_status));
    if (Recorded(step)) Emit("s" + std::to_string(step), sink);
  }
  if (series_.dtype == "f32" && series_.optimizer.find("schedulefree") != std::string::npos) {
    MALMOI_TRY(optimizer_->Eval());
    Emit("eval", sink);
  }
  return Ok();
}

}  // namespace

Status Replay(const GoldenDirectory& directory, const Series& series,
              const std::function<void(const Snapshot&)>& sink) {
  Player player(directory, series);
  MALMOI_TRY(player.Start());
  return player.Run(sink);
}

}  // namespace malmoi::optim
