// Goal: good files give their values; a hostile header is an error, never a crash or a wild read.
// Method: files built byte by byte; every prefix of a good file; each rule broken alone.
#include "tensor/safetensors.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <string>

#include "base/bytes.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {

std::string File(const std::string& header, const std::string& data) {
  std::string out;
  Put<std::uint64_t>(&out, header.size());
  return out + header + data;
}

std::string Floats(std::initializer_list<float> values) {
  std::string out;
  for (const float v : values) Put(&out, v);
  return out;
}

std::string Halves(std::initializer_list<std::uint16_t> values) {
  std::string out;
  for (const std::uint16_t v : values) Put(&out, v);
  return out;
}

constexpr const char* kGood =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
    R"("h":{"dtype":"F16","shape":[5],"data_offsets":[16,26]},)"
    R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[26,30]},)"
    R"("e":{"dtype":"F32","shape":[0,3],"data_offsets":[30,30]},)"
    R"("i":{"dtype":"I8","shape":[1],"data_offsets":[30,31]}} )";

std::string Good() {
  return File(kGood, Floats({1, 2, 3, -4.5f}) + Halves({0x3c00, 0xc500, 0x0001, 0x7c00, 0x8000}) +
                         Halves({0x3f80, 0xc0a0}) + std::string(1, '\x07'));
}

}  // namespace

TEST_CASE("a good file gives its tensors, widened exactly") {
  const os::ScratchDir dir;
  const auto file = tensor::SafeTensors::Open(dir.Write("model.safetensors", Good()));
  REQUIRE(file.ok());
  const auto& f = *file.value();
  CHECK(f.Names() == std::vector<std::string>{"a", "b", "e", "h", "i"});
  const auto a = tensor::LoadF32(f, "a", {2, 2});
  REQUIRE(a.ok());
  CHECK(a.value()[3] == -4.5f);
  const auto h = tensor::LoadF32(f, "h", {5});
  REQUIRE(h.ok());
  CHECK(h.value()[0] == 1.0f);
  CHECK(h.value()[1] == -5.0f);
  CHECK(h.value()[2] == 0x1p-24f);
  CHECK(std::isinf(h.value()[3]));
  CHECK(std::signbit(h.value()[4]));
  const auto b = tensor::LoadF32(f, "b", {2});
  REQUIRE(b.ok());
  CHECK(b.value()[1] == -5.0f);
  CHECK(f.Find("e")->elements() == 0);
  float row[2];
  tensor::WidenF32(*f.Find("a"), 2, row);
  CHECK(row[0] == 3.0f);
  CHECK(tensor::LoadF32(f, "none", {1}).error().code() == Code::kNotFound);
  CHECK(tensor::LoadF32(f, "a", {4}).error().code() == Code::kInvalidArgument);
  CHECK(tensor::LoadF32(f, "i", {1}).error().code() == Code::kInvalidArgument);
}

TEST_CASE("every f16 bit pattern widens as IEEE 754 says") {
  const os::ScratchDir dir;
  std::string data;
  for (std::uint32_t i = 0; i < 65536; ++i) Put(&data, static_cast<std::uint16_t>(i));
  const auto file = tensor::SafeTensors::Open(
      dir.Write("h.safetensors",
                File(R"({"h":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}})", data)));
  REQUIRE(file.ok());
  const auto h = tensor::LoadF32(*file.value(), "h", {65536});
  REQUIRE(h.ok());
  std::size_t wrong = 0;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const int exponent = static_cast<int>(i >> 10 & 31);
    const int fraction = static_cast<int>(i & 1023);
    double want =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if ((i & 0x8000u) != 0) want = -want;
    const float got = h.value()[i];
    if (exponent == 31) {
      wrong += fraction == 0 ? !std::isinf(got) : !std::isnan(got);
    } else {
      wrong += got != want;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("every truncation of a good file is corruption") {
  const os::ScratchDir dir;
  const std::string good = Good();
  for (std::size_t n = 0; n < good.size(); ++n) {
    CAPTURE(n);
    const auto file = tensor::SafeTensors::Open(dir.Write("cut.safetensors", good.substr(0, n)));
    REQUIRE(!file.ok());
    CHECK(file.error().code() == Code::kCorruption);
  }
}

TEST_CASE("hostile headers are corruption, with the reason") {
  const os::ScratchDir dir;
  const std::string data(32, 'x');
  const std::pair<std::string, std::string> cases[] = {
      {R"([1])", "no JSON object"},
      {R"({"a":)", "header: "},
      {R"({"a":1})", "unknown dtype ''"},
      {R"({"a":{"dtype":"Q4","shape":[8],"data_offsets":[0,32]}})",
       "unknown dtype 'Q4'; known are F64, F32, F16, BF16"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,32]}})", "shape is missing"},
      {R"({"a":{"dtype":"F32","shape":[-8],"data_offsets":[0,32]}})", "no size"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,32]}})", "no size"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})",
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[8]}})", "not a pair"},
      {R"({"a":{"dtype":"F32","shape":[8],"data_offsets":[0]}})", "not a pair"},
      {R"({"a":{"dtype":"F32","shape":[8],"data_offsets":[32,0]}})", "outside"},
      {R"({"a":{"dtype":"F32","shape":[8],"data_offsets":[1,33]}})", "outside"},
      {R"({"a":{"dtype":"F32","shape":[8],"data_offsets":[-1,31]}})", "outside"},
      {R"({"a":{"dtype":"F32","shape":[8],"data_offsets":[0,18446744073709551615]}})", "outside"},
      {R"({"a":{"dtype":"F32","shape":[7],"data_offsets":[0,32]}})", "need 28"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
       R"("b":{"dtype":"F32","shape":[4],"data_offsets":[12,28]}})",
       "overlap at offset 12"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
       R"("a":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}})",
       "twice"},
  };
  for (const auto& [header, reason] : cases) {
    CAPTURE(header);
    const auto file = tensor::SafeTensors::Open(dir.Write("bad.safetensors", File(header, data)));
    REQUIRE(!file.ok());
    CHECK(file.error().code() == Code::kCorruption);
    CHECK(file.error().message().find(reason) != std::string::npos);
  }
  for (const std::uint64_t length :
       {std::uint64_t{33}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::string bytes;
    Put(&bytes, length);
    const auto file = tensor::SafeTensors::Open(dir.Write("bad.safetensors", bytes + data));
    REQUIRE(!file.ok());
    CHECK(file.error().code() == Code::kCorruption);
    CHECK(file.error().message().find("header of " + std::to_string(length) +
                                      " bytes, of which there are 32") != std::string::npos);
  }
}

TEST_CASE("a pointer of Git LFS in place of the weights says how to fetch them") {
  const os::ScratchDir dir;
  const auto file = tensor::SafeTensors::Open(
      dir.Write("model.safetensors",
                "version https://git-lfs.github.com/spec/v1\noid sha256:53aa51\nsize 90868376\n"));
  REQUIRE(!file.ok());
  CHECK(file.error().code() == Code::kCorruption);
  CHECK(file.error().message().find("git lfs pull") != std::string::npos);
}

TEST_CASE("a directory: single file, shards, nothing") {
  const os::ScratchDir dir;
  CHECK(tensor::SafeTensors::Open(dir.path()).error().code() == Code::kNotFound);
  CHECK(tensor::SafeTensors::Open(dir.path() + "/none").error().code() == Code::kNotFound);
  dir.Write("s1", File(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", Floats({5})));
  dir.Write("s2", File(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", Floats({6})));
  dir.Write("model.safetensors.index.json", R"({"weight_map":{"a":"s1","b":"s2"}})");
  const auto file = tensor::SafeTensors::Open(dir.path());
  REQUIRE(file.ok());
  CHECK(tensor::LoadF32(*file.value(), "b", {1}).value()[0] == 6.0f);
  dir.Write("model.safetensors.index.json", R"({"weight_map":{"a":"../s1"}})");
  CHECK(tensor::SafeTensors::Open(dir.path()).error().code() == Code::kCorruption);
}
