// Goal: a state dict saved by torch is read as what it holds; hostile and cut files are errors.
// Method: the files in the golden models (torch.save), each cut at every length and with each byte
// changed: an error or a dict, never more.
#include "tensor/torch_file.h"

#include <doctest/doctest.h>

#include <string>

#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "tensor/pickle_internal.h"

using namespace malmoi;

namespace {

const std::string kModels = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/families/";

Code CodeOf(const std::string& pickle) {
  const auto read = tensor::ReadPickle(pickle);
  REQUIRE(!read.ok());
  return read.error().code();
}

}  // namespace

TEST_CASE("torch.save's dicts of tensors are read") {
  const auto file = tensor::OpenTorch(kModels + "bge-m3/colbert_linear.pt");
  REQUIRE(file.ok());
  CHECK(file.value()->Names() == std::vector<std::string>{"bias", "weight"});
  const auto weight = tensor::LoadF32(*file.value(), "weight", {24, 36});
  REQUIRE(weight.ok());
  double sum = 0;
  for (const float v : weight.value().span()) sum += static_cast<double>(v) * v;
  CHECK(sum / 864 == doctest::Approx(0.25).epsilon(0.1));  // 0.5 times a normal distribution.
}

TEST_CASE("cut and changed torch files are errors or dicts") {
  const std::string good =
      os::ReadFile(os::PosixVfs(), kModels + "bge-m3/sparse_linear.pt").value();
  const os::ScratchDir dir;
  std::size_t failed = 0;
  const auto open = [&](const std::string& bytes) {
    const auto file = tensor::OpenTorch(dir.Write("bad.pt", bytes));
    if (!file.ok()) ++failed;
  };
  for (std::size_t size = 0; size < good.size(); size += 37) open(good.substr(0, size));
  CHECK(failed == (good.size() + 36) / 37);  // Each of them: the directory is at the end.
  for (std::size_t i = 0; i < good.size(); i += 11) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x5a);
    open(bad);
  }
}

TEST_CASE("pickles that run code, recurse or end early are errors") {
  CHECK(CodeOf("") == Code::kCorruption);
  CHECK(CodeOf(".") == Code::kCorruption);
  CHECK(CodeOf("\x80\x02}") == Code::kCorruption);
  CHECK(CodeOf("cos\nsystem\nX\x02\0\0\0id\x85R.") == Code::kCorruption);
  const std::string call = std::string("cos\nsystem\n(X\x02\0\0\0idtR.", 22);
  CHECK(CodeOf(call) == Code::kUnsupported);
  CHECK(CodeOf("\xff.") == Code::kUnsupported);
  CHECK(CodeOf("h\x05.") == Code::kCorruption);
  const std::string nested(100'000, '(');
  CHECK(CodeOf(nested + ".") == Code::kCorruption);
  std::string tuples = ")";
  for (int i = 0; i < 100'000; ++i) tuples += '\x85';
  CHECK(CodeOf(tuples + ".") == Code::kUnsupported);
  // A dict that holds itself, many times over.
  std::string own("}q\0(", 4);
  for (int i = 0; i < 100; ++i) own += std::string("X\x01\0\0\0ah\0", 8);
  CHECK(CodeOf(own + "u.") == Code::kUnsupported);
}
