// Goal: samples that were kept are read bit for bit, and anything else counts as absent.
// Method: random samples; another key, every byte flipped, every length cut, no folder.
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "model/samples_cache_internal.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {

model::InputSamples Product(std::size_t count, std::size_t k, bool smooth, unsigned seed) {
  std::mt19937 rng(seed);
  model::InputSamples out{.count = count,
                          .means = Buffer<float>(count * k),
                          .spread = Buffer<float>(k),
                          .most = Buffer<float>(k),
                          .smooth = smooth};
  for (Buffer<float>* floats : {&out.means, &out.spread, &out.most}) {
    for (float& x : floats->span()) x = static_cast<float>(rng()) * 1e-9f - 1;
  }
  return out;
}

bool Same(const Buffer<float>& a, const Buffer<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool Same(const model::InputSamples& a, const model::InputSamples& b) {
  return a.count == b.count && a.smooth == b.smooth && Same(a.means, b.means) &&
         Same(a.spread, b.spread) && Same(a.most, b.most);
}

}  // namespace

TEST_CASE("kept samples come back, damaged and foreign ones do not") {
  const os::ScratchDir dir;
  const std::string folder = os::JoinPath(dir.path(), "deep/samples");
  std::vector<model::LayerInputs> layers;
  for (unsigned l = 0; l < 2; ++l) {
    layers.push_back({Product(3, 8, true, l), Product(3, 8, false, l + 10),
                      Product(2, 5, false, l + 20), Product(1, 7, false, l + 30)});
  }
  CHECK(!model::ReadSamples(folder, "k"));
  model::WriteSamples(folder, "k", layers);
  const auto got = model::ReadSamples(folder, "k");
  REQUIRE(got);
  REQUIRE(got->size() == layers.size());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    CHECK(Same((*got)[l].qkv, layers[l].qkv));
    CHECK(Same((*got)[l].out, layers[l].out));
    CHECK(Same((*got)[l].up, layers[l].up));
    CHECK(Same((*got)[l].down, layers[l].down));
  }
  auto& vfs = os::PosixVfs();
  const std::string path = os::JoinPath(folder, "k.samples");
  const std::string whole = os::ReadFile(vfs, path).value();
  std::size_t read = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    REQUIRE(os::WriteAtomically(vfs, path, damaged).ok());
    read += model::ReadSamples(folder, "k") ? 1 : 0;
    REQUIRE(os::WriteAtomically(vfs, path, whole.substr(0, at)).ok());
    read += model::ReadSamples(folder, "k") ? 1 : 0;
  }
  CHECK(read == 0);
  // A file that is whole, under another model's name.
  REQUIRE(os::WriteAtomically(vfs, os::JoinPath(folder, "other.samples"), whole).ok());
  CHECK(!model::ReadSamples(folder, "other"));
}
