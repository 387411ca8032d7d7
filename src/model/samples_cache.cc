#include <cstring>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "model/samples_cache_internal.h"
#include "os/cpu_info.h"
#include "os/vfs.h"

namespace malmoi::model {
namespace {

constexpr std::string_view kMagic = "malmoi-samples 1\n";
constexpr InputSamples LayerInputs::*kProducts[] = {&LayerInputs::qkv, &LayerInputs::out,
                                                    &LayerInputs::up, &LayerInputs::down};

std::string PathOf(const std::string& folder, const std::string& key) {
  return os::JoinPath(folder, key + ".samples");
}

void PutFloats(std::string* out, const Buffer<float>& floats, std::size_t count) {
  out->append(reinterpret_cast<const char*>(floats.data()), count * sizeof(float));
}

Buffer<float> GetFloats(ByteReader* in, std::size_t count) {
  const std::string_view bytes = in->Take(count * sizeof(float));
  if (!in->ok()) return {};
  Buffer<float> out(count);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

InputSamples GetProduct(ByteReader* in) {
  InputSamples out;
  out.count = in->Get<std::uint32_t>();
  const std::size_t k = in->Get<std::uint32_t>();
  out.smooth = in->Get<std::uint8_t>() != 0;
  out.means = GetFloats(in, out.count * k);  // Of two u32: no overflow.
  out.spread = GetFloats(in, k);
  out.most = GetFloats(in, k);
  return out;
}

}  // namespace

std::string SamplesKey(const json::Value& config, const tensor::SafeTensors& file,
                       const std::vector<std::vector<std::int32_t>>& texts) {
  std::string all(os::CpuLevelName(os::ActiveCpuLevel()));
  PutString(&all, config.Dump());
  for (const auto& text : texts) {
    PutString(&all, {reinterpret_cast<const char*>(text.data()), text.size() * sizeof(text[0])});
  }
  for (const std::string& name : file.Names()) {
    const tensor::TensorView& view = *file.Find(name);
    PutString(&all, name);
    PutString(&all, tensor::DTypeName(view.dtype));
    for (const std::int64_t dim : view.shape) Put(&all, dim);
    const bool layer = name.find("layer.") != std::string::npos;
    Put(&all, Hash64(layer ? view.bytes : view.bytes.substr(0, 4096)));
  }
  Sha256 hash;
  hash.Update(all);
  return hash.HexDigest();
}

std::optional<std::vector<LayerInputs>> ReadSamples(const std::string& folder,
                                                    const std::string& key) {
  const auto bytes = os::ReadFile(os::PosixVfs(), PathOf(folder, key));
  if (!bytes.ok() || bytes.value().size() < sizeof(std::uint64_t)) return std::nullopt;
  const std::string_view all = bytes.value();
  const std::string_view body = all.substr(0, all.size() - sizeof(std::uint64_t));
  if (Load<std::uint64_t>(body.data() + body.size()) != Hash64(body)) return std::nullopt;
  ByteReader in(body);
  if (in.Take(kMagic.size()) != kMagic || in.GetString() != key) return std::nullopt;
  const auto layers = in.Get<std::uint32_t>();
  std::vector<LayerInputs> out;
  for (std::uint32_t l = 0; l < layers && in.ok(); ++l) {
    LayerInputs& layer = out.emplace_back();
    for (const auto product : kProducts) layer.*product = GetProduct(&in);
  }
  if (!in.ok() || in.left() > 0 || out.empty()) return std::nullopt;
  return out;
}

void WriteSamples(const std::string& folder, const std::string& key,
                  const std::vector<LayerInputs>& inputs) {
  std::string out(kMagic);
  PutString(&out, key);
  Put(&out, static_cast<std::uint32_t>(inputs.size()));
  for (const LayerInputs& layer : inputs) {
    for (const auto product : kProducts) {
      const InputSamples& samples = layer.*product;
      const std::size_t k = samples.spread.size();
      Put(&out, static_cast<std::uint32_t>(samples.count));
      Put(&out, static_cast<std::uint32_t>(k));
      Put(&out, static_cast<std::uint8_t>(samples.smooth));
      PutFloats(&out, samples.means, samples.count * k);
      PutFloats(&out, samples.spread, k);
      PutFloats(&out, samples.most, k);
    }
  }
  Put(&out, Hash64(out));
  os::Vfs& vfs = os::PosixVfs();
  if (!vfs.MakeDirs(folder).ok()) return;
  (void)os::WriteAtomically(vfs, PathOf(folder, key), out).ok();  // See above: it costs time only.
}

}  // namespace malmoi::model
