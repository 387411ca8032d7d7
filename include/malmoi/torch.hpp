// malmoi's optimizers for LibTorch: one header over malmoi/optim.h, compiled with the user's torch.
//
//   malmoi::TorchOptimizer optimizer("adamp", model->parameters(),
//                                    malmoi::TorchOptions(1e-3).json(R"({"weight_decay": 0.1})"));
//   loss.backward();
//   optimizer.step();
//
// Parameters are dense f32, f64 or bf16 tensors on the CPU, contiguous; anything else is refused by
// name with c10::Error. torch's learning-rate schedulers work through get_lr and set_lr.
// torch::save and torch::load carry everything a step depends on.
#ifndef MALMOI_TORCH_HPP_
#define MALMOI_TORCH_HPP_

#include <torch/torch.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "malmoi/optim.h"

namespace malmoi {

struct TorchOptions : torch::optim::OptimizerCloneableOptions<TorchOptions> {
  explicit TorchOptions(double lr = 1e-3) : lr_(lr) {}
  // Further options of the optimizer, a JSON object with the reference's names.
  TorchOptions& json(std::string text) {
    json_ = std::move(text);
    return *this;
  }
  TorchOptions& threads(int n) {
    threads_ = n;
    return *this;
  }
  const std::string& json() const { return json_; }
  int threads() const { return threads_; }
  double get_lr() const override { return lr_; }
  void set_lr(const double lr) override { lr_ = lr; }

 private:
  double lr_;
  std::string json_ = "{}";
  int threads_ = 1;
};

class TorchOptimizer : public torch::optim::Optimizer {
 public:
  TorchOptimizer(std::string name, std::vector<torch::Tensor> parameters,
                 TorchOptions options = TorchOptions())
      : TorchOptimizer(std::move(name), {torch::optim::OptimizerParamGroup(std::move(parameters))},
                       options) {}
  TorchOptimizer(std::string name, std::vector<torch::optim::OptimizerParamGroup> groups,
                 TorchOptions options = TorchOptions())
      : Optimizer(std::move(groups), std::make_unique<TorchOptions>(options)),
        name_(std::move(name)),
        options_(options) {
    Open();
  }

  torch::Tensor step(LossClosure closure = nullptr) override {
    torch::NoGradGuard no_grad;
    torch::Tensor loss;
    malmoi_step step{};
    step.grad_scale = 1;
    if (closure != nullptr) {
      at::AutoGradMode grad(true);
      loss = closure();
      step.loss = loss.item<double>();
      step.has_loss = 1;
    }
    PushRates();
    Bind();
    Check(malmoi_optim_step(handle_.get(), &step));
    return loss;
  }

  void save(torch::serialize::OutputArchive& archive) const override {
    archive.write("malmoi_optimizer", Bytes(name_));
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const malmoi_state_entry* entries = nullptr;
      std::int64_t count = 0;
      const char* scalars = nullptr;
      Check(malmoi_optim_state(handle_.get(), static_cast<std::int64_t>(i), &entries, &count,
                               &scalars));
      const std::string prefix = "p" + std::to_string(i) + "_";
      archive.write(prefix + "scalars", Bytes(scalars));
      archive.write(prefix + "count", torch::tensor(count));
      for (std::int64_t k = 0; k < count; ++k) {
        const auto& e = entries[k];
        auto t = torch::empty({e.shape, e.shape + e.rank}, Type(e.dtype));
        if (e.bytes > 0) std::memcpy(t.data_ptr(), e.data, static_cast<std::size_t>(e.bytes));
        archive.write(prefix + "name" + std::to_string(k), Bytes(e.name));
        archive.write(prefix + "state" + std::to_string(k), t);
      }
    }
    for (std::size_t g = 0; g < param_groups().size(); ++g) {
      char* state = malmoi_optim_group_state(handle_.get(), static_cast<std::int64_t>(g));
      archive.write("g" + std::to_string(g), Bytes(state == nullptr ? "{}" : state));
      malmoi_free(state);
    }
  }

  void load(torch::serialize::InputArchive& archive) override {
    const std::string saved = Text(archive, "malmoi_optimizer");
    TORCH_CHECK(saved == name_, "the archive holds ", saved, ", not ", name_);
    for (std::size_t i = 0; i < tensors_.size(); ++i) LoadState(archive, i);
    for (std::size_t g = 0; g < param_groups().size(); ++g)
      Check(malmoi_optim_set_group_state(handle_.get(), static_cast<std::int64_t>(g),
                                         Text(archive, "g" + std::to_string(g)).c_str()));
  }

 private:
  struct Destroy {
    void operator()(malmoi_optimizer* o) const { malmoi_optim_destroy(o); }
  };
  static void Check(int code) { TORCH_CHECK(code == MALMOI_OK, malmoi_last_error()); }
  static torch::Tensor Bytes(const std::string& text) {
    auto t = torch::empty({static_cast<std::int64_t>(text.size())}, torch::kUInt8);
    if (!text.empty()) std::memcpy(t.data_ptr(), text.data(), text.size());
    return t;
  }
  static std::string Text(torch::serialize::InputArchive& archive, const std::string& key) {
    torch::Tensor t;
    archive.read(key, t);
    return std::string(static_cast<const char*>(t.data_ptr()), static_cast<std::size_t>(t.numel()));
  }
  static torch::Dtype Type(std::int32_t dtype) {
    return dtype == MALMOI_F64 ? torch::kFloat64
                               : (dtype == MALMOI_BF16 ? torch::kBFloat16 : torch::kFloat32);
  }
  static std::int32_t Code(const torch::Tensor& t) {
    TORCH_CHECK(t.is_contiguous() && t.device().is_cpu() && !t.is_sparse(),
                "a parameter or gradient is not a contiguous dense tensor on the CPU");
    if (t.scalar_type() == torch::kFloat64) return MALMOI_F64;
    if (t.scalar_type() == torch::kBFloat16) return MALMOI_BF16;
    TORCH_CHECK(t.scalar_type() == torch::kFloat32, "a parameter has dtype ", t.dtype(),
                ": expected float32, float64 or bfloat16");
    return MALMOI_F32;
  }
  static double Rate(const torch::optim::OptimizerParamGroup& group) {
    return group.options().get_lr();
  }

  void Open() {
    std::vector<malmoi_tensor> table;
    std::string groups;
    for (std::size_t g = 0; g < param_groups().size(); ++g) {
      rates_.push_back(Rate(param_groups()[g]));
      groups += (g == 0 ? "" : ",") + LrObject(rates_.back());
      for (auto& p : param_groups()[g].params()) {
        tensors_.push_back(p);
        const std::int32_t dtype = Code(p);
        table.push_back({nullptr, dtype, dtype, static_cast<std::int64_t>(g), p.dim(),
                         p.sizes().data(), p.data_ptr(), nullptr});
      }
    }
    const std::string config = "{\"options\":" + options_.json() + ",\"groups\":[" + groups +
                               "],\"engine\":{\"threads\":" + std::to_string(options_.threads()) +
                               "}}";
    handle_.reset(malmoi_optim_create(name_.c_str(), table.data(),
                                      static_cast<std::int64_t>(table.size()), config.c_str()));
    TORCH_CHECK(handle_ != nullptr, malmoi_last_error());
  }
  static std::string LrObject(double lr) {
    char text[48];
    std::snprintf(text, sizeof(text), "{\"lr\":%.17g}", lr);
    return text;
  }
  void PushRates() {
    for (std::size_t g = 0; g < rates_.size(); ++g) {
      const double lr = Rate(param_groups()[g]);
      if (lr == rates_[g]) continue;
      Check(malmoi_optim_set_options(handle_.get(), static_cast<std::int64_t>(g),
                                     LrObject(lr).c_str()));
      rates_[g] = lr;
    }
  }
  void Bind() {
    std::vector<void*> data;
    std::vector<const void*> grads;
    for (auto& p : tensors_) {
      data.push_back(p.data_ptr());
      const torch::Tensor g = p.grad();
      if (g.defined())
        TORCH_CHECK(Code(g) == Code(p), "a gradient has another dtype than its parameter");
      grads.push_back(g.defined() ? g.data_ptr() : nullptr);
    }
    Check(malmoi_optim_bind(handle_.get(), data.data(), grads.data(),
                            static_cast<std::int64_t>(data.size())));
  }
  void LoadState(torch::serialize::InputArchive& archive, std::size_t i) {
    const std::string prefix = "p" + std::to_string(i) + "_";
    torch::Tensor count;
    archive.read(prefix + "count", count);
    std::vector<malmoi_state_entry> entries;
    std::vector<std::string> names;
    std::vector<torch::Tensor> kept;
    for (std::int64_t k = 0; k < count.item<std::int64_t>(); ++k) {
      torch::Tensor t;
      archive.read(prefix + "state" + std::to_string(k), t);
      names.push_back(Text(archive, prefix + "name" + std::to_string(k)));
      kept.push_back(t.contiguous());
    }
    for (std::size_t k = 0; k < kept.size(); ++k) {
      const auto& t = kept[k];
      entries.push_back({names[k].c_str(), Code(t), t.dim(), t.sizes().data(), t.data_ptr(),
                         static_cast<std::int64_t>(t.nbytes())});
    }
    if (entries.empty()) return;
    Check(malmoi_optim_set_state(handle_.get(), static_cast<std::int64_t>(i), entries.data(),
                                 static_cast<std::int64_t>(entries.size()),
                                 Text(archive, prefix + "scalars").c_str()));
  }

  std::string name_;
  TorchOptions options_;
  std::vector<torch::Tensor> tensors_;
  std::vector<double> rates_;
  std::unique_ptr<malmoi_optimizer, Destroy> handle_;
};

}  // namespace malmoi

#endif  // MALMOI_TORCH_HPP_
