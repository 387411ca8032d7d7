#include "model/golden_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "model/encoder.h"
#include "os/vfs.h"
#include "tensor/safetensors.h"

namespace malmoi::model {
namespace {

Result<std::vector<std::int64_t>> Integers(const tensor::SafeTensors& file,
                                           const std::string& name) {
  const tensor::TensorView* view = file.Find(name);
  std::vector<std::int64_t> out;
  if (view == nullptr) return out;
  const bool wide = view->dtype == tensor::DType::kI64;
  if (!wide && view->dtype != tensor::DType::kI32) {
    return Error(Code::kCorruption, "tensor '" + name + "' is not I32 or I64");
  }
  for (std::size_t i = 0; i < view->elements(); ++i) {
    out.push_back(wide ? Load<std::int64_t>(view->bytes.data() + 8 * i)
                       : Load<std::int32_t>(view->bytes.data() + 4 * i));
  }
  return out;
}

Result<PackedBatch> ReadBatch(const tensor::SafeTensors& file) {
  PackedBatch batch;
  MALMOI_TRY(const auto ids, Integers(file, "ids"));
  MALMOI_TRY(const auto starts, Integers(file, "starts"));
  MALMOI_TRY(const auto types, Integers(file, "type_ids"));
  for (const std::int64_t id : ids) batch.ids.push_back(static_cast<std::int32_t>(id));
  for (const std::int64_t type : types) batch.type_ids.push_back(static_cast<std::int32_t>(type));
  for (const std::int64_t start : starts) {
    batch.starts.push_back(static_cast<std::uint32_t>(start));
  }
  if (!batch.starts.empty()) return batch;
  return Error(Code::kCorruption, "expected.safetensors has no ids and starts");
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  if (aa == 0 && bb == 0) return 1;
  return ab / std::sqrt(aa * bb);
}

class Checker {
 public:
  Checker(std::shared_ptr<const Encoder> encoder, std::shared_ptr<const tensor::SafeTensors> file,
          os::ThreadPool* pool)
      : encoder_(std::move(encoder)), file_(std::move(file)), pool_(*pool) {}

  Result<std::vector<Deviation>> Run() {
    MALMOI_TRY(batch_, ReadBatch(*file_));
    if (file_->Find("states.0") != nullptr) {
      MALMOI_TRY(const auto states, encoder_->LayerStates(batch_, pool_));
      for (std::size_t i = 0; i < states.size(); ++i) {
        MALMOI_TRY(Compare("states." + std::to_string(i), states[i].span()));
      }
    }
    if (file_->Find("hidden") != nullptr) {
      MALMOI_TRY(const auto hidden, encoder_->HiddenStates(batch_, pool_));
      MALMOI_TRY(Compare("hidden", hidden.span()));
    }
    MALMOI_TRY(const Outputs out, encoder_->Run(batch_,
                                                {.vectors = file_->Find("pooled") != nullptr,
                                                 .logits = file_->Find("logits") != nullptr,
                                                 .sparse = file_->Find("sparse") != nullptr,
                                                 .tokens = file_->Find("tokens") != nullptr},
                                                pool_));
    MALMOI_TRY(Compare("pooled", out.vectors.span()));
    MALMOI_TRY(Compare("logits", out.logits.span()));
    MALMOI_TRY(Compare("sparse", Dense(out.sparse).span()));
    MALMOI_TRY(Compare("tokens", out.tokens.values.span()));
    return std::move(deviations_);
  }

 private:
  Buffer<float> Dense(const std::vector<SparseRow>& rows) const {
    const auto width = static_cast<std::size_t>(encoder_->config().vocabulary);
    Buffer<float> out(rows.size() * width);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (std::size_t i = 0; i < rows[r].ids.size(); ++i) {
        out[r * width + rows[r].ids[i]] = rows[r].weights[i];
      }
    }
    return out;
  }

  Status Compare(const std::string& name, std::span<const float> got) {
    const tensor::TensorView* view = file_->Find(name);
    if (view == nullptr) return Ok();
    MALMOI_TRY(const auto want, tensor::LoadF32(*file_, name, view->shape));
    Deviation d{.output = name, .values = want.size()};
    if (got.size() != want.size() || view->shape.size() != 2) {
      d.largest = std::numeric_limits<double>::infinity();
      d.cosine = -1;
      deviations_.push_back(std::move(d));
      return Ok();
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double difference = std::fabs(static_cast<double>(got[i]) - want[i]);
      d.largest = difference <= d.largest ? d.largest : difference;  // NaN wins.
    }
    const auto width = static_cast<std::size_t>(view->shape[1]);
    for (std::size_t row = 0; row < got.size(); row += width) {
      d.cosine =
          std::min(d.cosine, Cosine(got.subspan(row, width), want.span().subspan(row, width)));
    }
    deviations_.push_back(std::move(d));
    return Ok();
  }

  const std::shared_ptr<const Encoder> encoder_;
  const std::shared_ptr<const tensor::SafeTensors> file_;
  os::ThreadPool& pool_;
  PackedBatch batch_;
  std::vector<Deviation> deviations_;
};

}  // namespace

Result<std::vector<Deviation>> CheckGolden(const std::string& directory, os::ThreadPool& pool) {
  MALMOI_TRY(auto file, tensor::SafeTensors::Open(os::JoinPath(directory, "expected.safetensors")));
  MALMOI_TRY(auto encoder, Encoder::Open(directory));
  if (file->Find("sparse") != nullptr && !encoder->config().has_sparse) {
    MALMOI_TRY(encoder, Encoder::Open(directory, {.task = Task::kSparse}));
  }
  if (file->Find("logits") != nullptr && encoder->config().labels.empty()) {
    MALMOI_TRY(encoder, Encoder::Open(directory, {.task = Task::kClassification}));
  }
  return Checker(std::move(encoder), std::move(file), &pool).Run();
}

}  // namespace malmoi::model
