#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "model/linear.h"
#include "model/norm.h"
#include "tensor/safetensors.h"

namespace malmoi::model {

// A folder's *.safetensors, else its pytorch_model.bin. Errors: those of SafeTensors and OpenTorch.
Result<std::shared_ptr<const tensor::SafeTensors>> OpenWeights(const std::string& folder);

// Reads a model's tensors by the names of its family. Below `prefix` ("", "bert.", "model.": what
// the checkpoint was saved from). A tensor that is missing, of another shape than the
// configuration's, or has values that are no finite numbers is kCorruption, naming it.
class WeightReader {
 public:
  // `precision` is what products below the model's prefix are packed for; what At reads (heads) and
  // Named ones are f32: they are few, and their results are what is compared.
  explicit WeightReader(std::shared_ptr<const tensor::SafeTensors> file,
                        kernels::Precision precision = kernels::Precision::kFloat32)
      : file_(std::move(file)), precision_(precision) {}

  // Takes the first prefix under which `name` exists; the first one where none has it.
  void ChoosePrefix(const std::vector<std::string>& prefixes, const std::string& name);
  WeightReader At(const std::string& prefix) const;  // Below an absolute prefix.

  kernels::Precision precision() const { return precision_; }
  bool Has(const std::string& name) const { return file_->Find(prefix_ + name) != nullptr; }
  const std::shared_ptr<const tensor::SafeTensors>& file() const { return file_; }

  // Not checked for finite values: tables stay mapped.
  Result<const tensor::TensorView*> Find(const std::string& name,
                                         const std::vector<std::int64_t>& shape) const;
  Result<Buffer<float>> Load(const std::string& name, const std::vector<std::int64_t>& shape) const;
  // name.weight and, where it exists, name.bias (gamma and beta: TensorFlow's names).
  Result<Norm> LayerNorm(const std::string& name, std::size_t dim, float eps) const;
  // gamma = offset + weight.
  Result<Norm> RmsNorm(const std::string& name, std::size_t dim, float eps, float offset = 0) const;
  // Layers of equal input stacked over their outputs: W = [W1; W2; ...], rows of each. Biases
  // where they exist.
  struct Part {
    std::string name;
    std::size_t rows;
    std::size_t first = 0;  // Where only rows first .. first + rows of it are wanted,
    std::size_t whole = 0;  // how many it has; 0: `rows`.
  };
  Result<Linear> Stacked(const std::vector<Part>& parts, std::size_t k) const {
    return Stacked(parts, k, precision_);
  }
  // `inputs`: for int8, see Smooth and RoundForMeans.
  Result<Linear> Stacked(const std::vector<Part>& parts, std::size_t k,
                         kernels::Precision precision, const InputSamples& inputs = {}) const;
  Result<Linear> One(const std::string& name, std::size_t n, std::size_t k) const {
    return Stacked({{name, n}}, k);
  }
  // The feed-forward part's second product: in int8 with its widest inputs apart.
  Result<Linear> Down(const std::string& name, std::size_t n, std::size_t k,
                      const InputSamples& inputs = {}) const;
  // A gated product whose file has the activated half last: [2 rows, k] with the halves exchanged.
  Result<Linear> Swapped(const std::string& name, std::size_t rows, std::size_t k) const;
  // A product whose weight has a name of its own (tied tables) and an optional bias.
  Result<Linear> Named(const std::string& weight, const std::string& bias, std::size_t n,
                       std::size_t k) const;

 private:
  std::shared_ptr<const tensor::SafeTensors> file_;
  kernels::Precision precision_;
  std::string prefix_;
};

}  // namespace malmoi::model
