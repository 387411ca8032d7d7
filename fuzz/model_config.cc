// A hostile config.json and modules.json beside sound weights of some family: a model that opens
// must encode a few tokens, and whatever does not is an error. The first byte chooses the family
// (a folder of tests/golden/encoder/families, in order), modules.json follows config.json after a
// zero byte.
#include <fstream>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "model/encoder.h"
#include "os/scratch_dir.h"
#include "os/thread_pool.h"
#include "os/vfs.h"

namespace {

const char kFamilies[] = MALMOI_SOURCE_DIR "/tests/golden/encoder/families";

// Copies of the families' folders.
struct Folders {
  malmoi::os::ScratchDir scratch;
  std::vector<std::string> names;

  Folders() {
    auto& vfs = malmoi::os::PosixVfs();
    const auto families = vfs.List(kFamilies);
    Expect(families.ok());
    for (const std::string& name : families.value()) {
      const std::string from = malmoi::os::JoinPath(kFamilies, name);
      const auto files = vfs.List(from);
      if (!files.ok()) continue;
      names.push_back(name);
      for (const std::string& file : files.value()) {
        const auto bytes = malmoi::os::ReadFile(vfs, malmoi::os::JoinPath(from, file));
        if (bytes.ok()) scratch.Write(name + "/" + file, bytes.value());
      }
    }
    Expect(!names.empty());
  }
};

// Without a sync, which would be nearly all the time.
void Replace(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void Use(const malmoi::model::Encoder& encoder) {
  static malmoi::os::ThreadPool pool(1, "fuzz");
  malmoi::model::PackedBatch batch;
  batch.starts = {0};
  const std::size_t most = encoder.config().max_tokens;
  for (std::size_t i = 0; i < 5 && i < most; ++i) batch.ids.push_back(static_cast<int>(i));
  if (batch.ids.empty()) return;
  batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
  malmoi::model::Wanted wanted;
  wanted.vectors = true;
  wanted.logits = !encoder.config().labels.empty();
  wanted.sparse = encoder.config().has_sparse;
  const auto out = encoder.Run(batch, wanted, pool, nullptr);
  if (out.ok()) Expect(out.value().vectors.size() == encoder.config().dim);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folders folders;
  if (size < 2) return 0;
  const std::string& name = folders.names[data[0] % folders.names.size()];
  const std::string_view all = FuzzInput(data + 1, size - 1);
  const std::size_t zero = all.find('\0');
  Replace(folders.scratch.At(name + "/config.json"), all.substr(0, zero));
  const std::string modules = folders.scratch.At(name + "/modules.json");
  static_cast<void>(malmoi::os::PosixVfs().Remove(modules));
  if (zero != all.npos) Replace(modules, all.substr(zero + 1));
  malmoi::model::OpenOptions options;
  if (data[0] >= 128) options.precision = malmoi::kernels::Precision::kInt8;
  const auto encoder = malmoi::model::Encoder::Open(folders.scratch.At(name), options);
  if (encoder.ok()) Use(*encoder.value());
  return 0;
}
