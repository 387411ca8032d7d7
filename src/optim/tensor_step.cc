#include "optim/tensor_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "optim/builtin_kernels.h"
#include "optim/range.h"
#include "optim/storage.h"
#include "os/thread_pool.h"

namespace malmoi::optim {
namespace {

// Elements whose sums are added up as one; fixed, so that threads cannot change a result.
constexpr std::size_t kChunk = std::size_t{1} << 16;

}  // namespace

std::size_t Elements(const Shape& shape) {
  std::size_t n = 1;
  for (const auto d : shape) n *= static_cast<std::size_t>(d);
  return n;
}

std::size_t StorageBytes(Storage storage, std::size_t n) {
  switch (storage) {
    case Storage::kF64:
      return n * 8;
    case Storage::kBf16:
      return n * 2;
    case Storage::kQ8:
      return n;
    case Storage::kF32:
      break;
  }
  return n * 4;
}

float RoundBf16(float v) {
  std::uint16_t b;
  ToBf16(&v, &b, 1);
  FromBf16(&b, &v, 1);
  return v;
}
double RoundBf16(double v) {
  return static_cast<double>(RoundBf16(static_cast<float>(v)));
}

Stream* TensorState::Find(std::string_view name) {
  for (Stream& s : streams) {
    if (s.name == name) return &s;
  }
  return nullptr;
}
ScalarState* TensorState::FindScalar(std::string_view name) {
  for (ScalarState& s : scalars) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

void* Workspace::Get(int i, std::size_t bytes) {
  const auto at = static_cast<std::size_t>(i);
  if (buffer.size() <= at) buffer.resize(at + 1);
  if (buffer[at].size() < bytes) buffer[at] = Buffer<unsigned char>(bytes + bytes / 8);
  return buffer[at].data();
}

void TensorStep::Slots(std::initializer_list<int> states) {
  std::size_t k = 0;
  for (const int s : states) slots[k++] = s;
}

int TensorStep::SlotOf(std::string_view state) const {
  for (std::size_t i = 0; i < state_->streams.size(); ++i) {
    if (state_->streams[i].name == state) return static_cast<int>(i);
  }
  return -1;
}

PassJob::Source TensorStep::StateSource(std::size_t i) const {
  Stream& s = state_->streams[i];
  return {s.bytes.data(), s.storage, s.scales.data(), s.non_negative, s.nearest ? 0 : key_};
}

PassJob TensorStep::Job(const Kernel& kernel, std::initializer_list<double> constants,
                        unsigned skip) {
  MALMOI_CHECK(constants.size() <= kConstants);
  PassJob job;
  job.kernel = &kernel;
  job.source[0] = p_;
  job.source[1] = g_;
  const unsigned used = (kernel.reads | kernel.writes) & ~skip;
  for (int k = 0; k < kStateSlots; ++k) {
    if ((used >> (3 + k) & 1) == 0) continue;
    const int i = slots[static_cast<std::size_t>(k)];
    MALMOI_CHECK(i >= 0 && i < static_cast<int>(state_->streams.size()));
    Stream& s = state_->streams[static_cast<std::size_t>(i)];
    MALMOI_CHECK(s.full);
    const std::uint64_t bit = std::uint64_t{8} << std::min(i, 60);
    if ((kernel.reads >> (3 + k) & 1) != 0) streams_in_ |= bit;
    if ((kernel.writes >> (3 + k) & 1) != 0) streams_out_ |= bit;
    job.source[3 + k] = StateSource(static_cast<std::size_t>(i));
  }
  if ((used & kU) != 0) {
    job.source[2] = {nullptr, f64_ ? Storage::kF64 : Storage::kF32, nullptr, false};
  }
  std::copy(constants.begin(), constants.end(), job.constant);
  job.grad_scale = grad_scale;
  job.l2 = l2;
  job.decay = decay;
  job.f64 = f64_;
  job.n = n_;
  job.kahan = kahan_;
  streams_in_ |= kernel.reads & (kP | kG);
  if ((kernel.writes & (kP | kU)) != 0) streams_in_ |= kP, streams_out_ |= kP;
  return job;
}

PassSums TensorStep::RunNow(const PassJob& job) {
  const std::size_t chunks = (n_ + kChunk - 1) / kChunk;
  std::vector<PassSums> parts(chunks);
  const auto run = [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c) {
      RunRange(job, c * kChunk, std::min(n_, (c + 1) * kChunk), &parts[c]);
    }
  };
  if (pool_ != nullptr && chunks > 1) {
    pool_->ParallelFor(chunks, run);
  } else {
    run(0, 0, chunks);
  }
  PassSums sums;
  for (const PassSums& part : parts) {
    for (std::size_t i = 0; i < kSums; ++i) sums.sum[i] += part.sum[i];
    for (std::size_t i = 0; i < kTops; ++i) {
      if (!(part.top[i] <= sums.top[i])) sums.top[i] = part.top[i];
    }
  }
  return sums;
}

bool TensorStep::GridFits() const {
  if (shape_->size() < 2 || static_cast<std::size_t>(shape_->back()) < kGridCols) return false;
  for (const Stream& s : state_->streams) {
    if (s.full && s.storage == Storage::kQ8) return false;
  }
  return true;
}

// Cut into blocks of whole rows whose sums are added up in order, as chunks are.
template <class T>
PassSums TensorStep::ReduceGrid(const Kernel& kernel, std::initializer_list<double> constants,
                                const Grid<T>& grid) {
  MALMOI_CHECK(recorder_ == nullptr && grid.cols >= kGridCols);
  unsigned of_grid = 0;
  for (int k = 0; k < kGridFactors; ++k) {
    if (grid.col[k] != nullptr) of_grid |= kS4 << k;
  }
  PassJob job = Job(kernel, constants, of_grid);
  KeepDirection(kernel, &job);
  const std::size_t rows = std::max<std::size_t>(1, kChunk / grid.cols);
  const std::size_t blocks = (grid.rows + rows - 1) / rows;
  const std::size_t width = (grid.cols + kMostLanes) / kMostLanes * kMostLanes + kMostLanes;
  std::vector<PassSums> parts(grid.batch * blocks);
  std::vector<double> down[2];
  for (int k = 0; k < 2; ++k) {
    if (grid.down[k] != nullptr) down[k].resize(parts.size() * width);
  }
  const auto run = [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c) {
      const std::size_t row = c % blocks * rows;
      double* to[2];
      for (int k = 0; k < 2; ++k) to[k] = down[k].empty() ? nullptr : &down[k][c * width];
      RunRows<T>(job, grid, c / blocks, row, std::min(grid.rows, row + rows), to, &parts[c]);
    }
  };
  if (pool_ != nullptr && parts.size() > 1) {
    pool_->ParallelFor(parts.size(), run);
  } else {
    run(0, 0, parts.size());
  }
  PassSums sums;
  for (std::size_t c = 0; c < parts.size(); ++c) {
    for (std::size_t i = 0; i < kSums; ++i) sums.sum[i] += parts[c].sum[i];
    for (int k = 0; k < 2; ++k) {
      if (down[k].empty()) continue;
      double* to = grid.down[k] + c / blocks * grid.cols;
      const double* from = &down[k][c * width];
      if (c % blocks == 0) std::fill(to, to + grid.cols, 0.0);
      for (std::size_t i = 0; i < grid.cols; ++i) {
        to[i] = grid.down_tops ? (to[i] >= from[i] ? to[i] : from[i]) : to[i] + from[i];
      }
    }
  }
  return sums;
}
template PassSums TensorStep::ReduceGrid<float>(const Kernel&, std::initializer_list<double>,
                                                const Grid<float>&);
template PassSums TensorStep::ReduceGrid<double>(const Kernel&, std::initializer_list<double>,
                                                 const Grid<double>&);

PassSums TensorStep::Reduce(const Kernel& kernel, std::initializer_list<double> constants) {
  MALMOI_CHECK(recorder_ == nullptr);
  PassJob job = Job(kernel, constants);
  KeepDirection(kernel, &job);
  return RunNow(job);
}

void TensorStep::KeepDirection(const Kernel& kernel, PassJob* job) {
  if (((kernel.reads | kernel.writes) & kU) == 0) return;
  job->keep_u = true;
  job->source[2].data = workspace_->Get(kept_buffer_, StorageBytes(job->source[2].storage, n_));
}

template <class T>
void TensorStep::CenterRows() {
  Grid<T> grid;
  grid.rows = rows(), grid.cols = cols();
  std::vector<double> sum(grid.rows);
  grid.across[0] = sum.data();
  ReduceGrid(SumOfGradient, {}, grid);
  std::vector<T> mean;
  for (const double s : sum) mean.push_back(static_cast<T>(s / static_cast<double>(grid.cols)));
  grid.across[0] = nullptr;
  grid.row[3] = mean.data();
  ReduceGrid(CenteredGradient, {}, grid);
}
void TensorStep::CenterGradient() {
  const double kept_scale = grad_scale, kept_l2 = l2;
  grad_scale = 1, l2 = 0;
  kept_buffer_ = kCenterBuffer;
  f64_ ? CenterRows<double>() : CenterRows<float>();
  kept_buffer_ = kKeptBuffer;
  grad_scale = kept_scale, l2 = kept_l2;
  const Storage wide = f64_ ? Storage::kF64 : Storage::kF32;
  g_ = {workspace_->Get(kCenterBuffer, StorageBytes(wide, n_)), wide};
}

void TensorStep::Apply(const Kernel& kernel, std::initializer_list<double> constants) {
  PassJob job = Job(kernel, constants);
  if (((kernel.reads | kernel.writes) & kU) != 0) {
    MALMOI_CHECK(recorder_ == nullptr);
    job.keep_u = (kernel.writes & kU) != 0;
    job.source[2].data = workspace_->Get(kKeptBuffer, StorageBytes(job.source[2].storage, n_));
  }
  if (recorder_ != nullptr) {
    recorder_->push_back(job);
  } else {
    RunNow(job);
  }
}

void TensorStep::Update(const Kernel& kernel, std::initializer_list<double> constants,
                        double step) {
  if (cautious_) {
    Reduce(kernel, constants);
    const double agree = Reduce(CountAgreement).sum[0];
    const double factor = static_cast<double>(n_) / (agree + 1.0);
    Apply(SubtractAgreeing, {step, factor, post_decay});
    return;
  }
  UpdatePlain(kernel, constants, step);
}

void TensorStep::UpdatePlain(const Kernel& kernel, std::initializer_list<double> constants,
                             double step) {
  PassJob job = Job(kernel, constants);
  job.step = step;
  job.post_decay = post_decay;
  if (recorder_ != nullptr) {
    recorder_->push_back(job);
  } else {
    RunNow(job);
  }
}

double TensorStep::AdaNorm() {
  if (!adanorm_) return 1.0;
  const double norm = std::sqrt(Reduce(NormOfGradient).sum[0]);
  double& kept = state_->scalars.back().value;
  kept = adanorm_r_ * kept + (1.0 - adanorm_r_) * norm;
  return norm > 0 && kept > norm ? kept / norm : 1.0;
}

void TensorStep::CopyP(int i) {
  const std::array<int, kStateSlots> kept = slots;
  const double kept_decay = decay;
  decay = 1;
  slots[0] = i;
  Reduce(CopyParameter);
  slots = kept;
  decay = kept_decay;
}

void TensorStep::CopyRawGradient(int i, double factor) {
  const std::array<int, kStateSlots> kept = slots;
  const double kept_scale = grad_scale, kept_l2 = l2;
  const PassJob::Source kept_g = g_;
  g_ = raw_g_;
  grad_scale = factor;
  l2 = 0;
  slots[0] = i;
  Reduce(CopyGradient);
  slots = kept;
  grad_scale = kept_scale;
  l2 = kept_l2;
  g_ = kept_g;
}

void TensorStep::CopyExtra(int i) {
  const PassJob::Source kept = raw_g_;
  raw_g_ = {const_cast<void*>(extra), p_.storage, nullptr, false};
  CopyRawGradient(i);
  raw_g_ = kept;
}

PassSums TensorStep::ReduceRaw(const Kernel& kernel) {
  const PassJob::Source kept = g_;
  g_ = raw_g_;
  const PassSums sums = Reduce(kernel);
  g_ = kept;
  return sums;
}

void TensorStep::CoupleNow() {
  if (l2 == 0) return;
  const auto couple = [&](auto* g, auto p) {
    using T = std::remove_pointer_t<decltype(g)>;
    for (std::size_t i = 0; i < n_; ++i) {
      g[i] += static_cast<T>(l2) * (p[i] * static_cast<T>(decay));
    }
  };
  void* copy = nullptr;
  if (f64_) {
    couple(G<double>().data(), P<double>());
    copy = whole_[1];
  } else {
    couple(G<float>().data(), P<float>());
    copy = whole_[1];
  }
  g_ = {copy, f64_ ? Storage::kF64 : Storage::kF32, nullptr, false};
  grad_scale = 1, l2 = 0;
  Flush();
}

void* TensorStep::WholeBytes(int stream) {
  MALMOI_CHECK(recorder_ == nullptr);
  const Storage compute = f64_ ? Storage::kF64 : Storage::kF32;
  PassJob::Source source;
  std::size_t n = n_;
  streams_in_ |= std::uint64_t{1} << std::min(stream, 63);
  if (stream != 1) streams_out_ |= std::uint64_t{1} << std::min(stream, 63);
  if (stream == 0) source = p_;
  if (stream == 1) source = g_;
  if (stream >= 3) {
    const auto i = static_cast<std::size_t>(stream - 3);
    source = StateSource(i);
    n = state_->streams[i].n;
  }
  if (source.storage == compute && stream != 1) return source.data;
  const auto at = static_cast<std::size_t>(stream);
  if (whole_.size() <= at) whole_.resize(at + 1, nullptr);
  if (whole_[at] != nullptr) return whole_[at];
  void* wide = workspace_->Get(kWholeBuffer + stream, StorageBytes(compute, n));
  whole_[at] = wide;
  if (source.data == wide) return wide;  // What CoupleNow made.
  if (source.storage == compute) {
    std::memcpy(wide, source.data, StorageBytes(compute, n));
  } else if (f64_) {
    LoadStage(source, 0, n, static_cast<double*>(wide));
  } else {
    LoadStage(source, 0, n, static_cast<float*>(wide));
    if (stream == 0 && kahan_ != nullptr) {
      PassJob job;
      job.kahan = kahan_;
      for (std::size_t i = 0; i < n; i += kStage) {
        LoadKahan(job, i, std::min(kStage, n - i), static_cast<float*>(wide) + i);
      }
    }
  }
  return wide;
}

template <class T>
std::span<T> TensorStep::P() {
  return {static_cast<T*>(WholeBytes(0)), n_};
}
template <class T>
std::span<T> TensorStep::G() {
  const bool fresh = whole_.size() < 2 || whole_[1] == nullptr;
  T* g = static_cast<T*>(WholeBytes(1));
  if (fresh) {
    for (std::size_t i = 0; i < n_; ++i) g[i] *= static_cast<T>(grad_scale);
  }
  return {g, n_};
}
template <class T>
std::span<T> TensorStep::State(int i) {
  return {static_cast<T*>(WholeBytes(3 + i)), state_->streams[static_cast<std::size_t>(i)].n};
}
template <class T>
std::span<T> TensorStep::Scratch(int i) {
  MALMOI_CHECK(i >= 0 && i < 3);
  return {static_cast<T*>(workspace_->Get(kScratchBuffer + i, n_ * sizeof(T))), n_};
}
template std::span<float> TensorStep::P<float>();
template std::span<double> TensorStep::P<double>();
template std::span<float> TensorStep::G<float>();
template std::span<double> TensorStep::G<double>();
template std::span<float> TensorStep::State<float>(int);
template std::span<double> TensorStep::State<double>(int);
template std::span<float> TensorStep::Scratch<float>(int);
template std::span<double> TensorStep::Scratch<double>(int);

void TensorStep::Flush() {
  for (std::size_t s = 0; s < whole_.size(); ++s) {
    if (whole_[s] == nullptr || s == 1 || s == 2) continue;
    if (s == 0 && !f64_) {
      PassJob job;
      job.source[0] = p_;
      job.kahan = kahan_;
      for (std::size_t i = 0; i < n_; i += kStage) {
        StoreP(job, i, std::min(kStage, n_ - i), static_cast<float*>(whole_[0]) + i);
      }
      continue;
    }
    if (s < 3) continue;
    Stream& stream = state_->streams[s - 3];
    const PassJob::Source source = StateSource(s - 3);
    if (f64_) {
      StoreStage(source, 0, stream.n, static_cast<const double*>(whole_[s]));
    } else {
      StoreStage(source, 0, stream.n, static_cast<const float*>(whole_[s]));
    }
  }
  whole_.clear();
}

}  // namespace malmoi::optim
