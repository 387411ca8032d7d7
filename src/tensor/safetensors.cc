#include "tensor/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "json/value.h"
#include "os/mmap.h"
#include "os/vfs.h"

namespace malmoi::tensor {
namespace {

// The reference implementation's own limit; a real header is some hundred bytes a tensor.
constexpr std::uint64_t kHeaderMax = 100'000'000;
constexpr std::size_t kRankMax = 16;

struct DTypeEntry {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
constexpr DTypeEntry kDTypes[] = {{DType::kF64, "F64", 8}, {DType::kF32, "F32", 4},
                                  {DType::kF16, "F16", 2}, {DType::kBf16, "BF16", 2},
                                  {DType::kI64, "I64", 8}, {DType::kI32, "I32", 4},
                                  {DType::kI16, "I16", 2}, {DType::kI8, "I8", 1},
                                  {DType::kU8, "U8", 1},   {DType::kBool, "BOOL", 1}};

std::string KnownTypes() {
  std::string out;
  for (const DTypeEntry& d : kDTypes) out += (out.empty() ? "" : ", ") + std::string(d.name);
  return out;
}

Error Corrupt(std::string message) {
  return Error(Code::kCorruption, std::move(message));
}

// Without branches, so that lanes of it are computed side by side.
float WidenF16(std::uint16_t h) {
  const auto magnitude = static_cast<std::int32_t>(static_cast<std::uint32_t>(h & 0x7fffu) << 13);
  constexpr std::int32_t kBias = 112 << 23, kOne = 1 << 23;  // 127 - 15.
  // Zero and denormals: fraction * 2^-24, as what 2^-14 with that fraction has above 2^-14.
  const auto tiny =
      std::bit_cast<std::int32_t>(std::bit_cast<float>(magnitude + kBias + kOne) - 0x1p-14f);
  const std::int32_t finite = magnitude < kOne ? tiny : magnitude + kBias;
  const std::int32_t bits = magnitude < 31 * kOne ? finite : magnitude + 2 * kBias;
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) |
                              static_cast<std::uint32_t>(h & 0x8000u) << 16);
}

void WidenF16s(const char* from, std::span<float> out) {
  constexpr std::size_t kBlock = 16;  // Of a fixed length, which compilers turn into lanes.
  std::size_t i = 0;
  for (; i + kBlock <= out.size(); i += kBlock) {
    std::uint16_t h[kBlock];
    std::memcpy(h, from + 2 * i, sizeof(h));
    for (std::size_t j = 0; j < kBlock; ++j) out[i + j] = WidenF16(h[j]);
  }
  for (; i < out.size(); ++i) out[i] = WidenF16(Load<std::uint16_t>(from + 2 * i));
}

// The header's entry for one tensor, checked against the `size` bytes of data that follow it.
Result<TensorView> ReadEntry(const std::string& name, const json::Value& entry,
                             std::string_view data) {
  const std::string where = "tensor '" + name + "'";
  TensorView view;
  const std::string_view type = entry.GetString("dtype");
  const auto* known = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                   [&](const DTypeEntry& d) { return d.name == type; });
  if (known == std::end(kDTypes)) {
    return Corrupt(where + ": unknown dtype '" + std::string(type) + "'; known are " +
                   KnownTypes());
  }
  view.dtype = known->dtype;

  const json::Value* shape = entry.Find("shape");
  if (shape == nullptr || !shape->is_array() || shape->items().size() > kRankMax) {
    return Corrupt(where + ": shape is missing or has more than 16 dimensions");
  }
  std::uint64_t bytes = known->size;
  for (const json::Value& item : shape->items()) {
    const auto dim = item.AsUint();
    if (!dim || __builtin_mul_overflow(bytes, *dim, &bytes)) {
      return Corrupt(where + ": shape has a dimension that is no size or overflows");
    }
    view.shape.push_back(static_cast<std::int64_t>(*dim));
  }

  const json::Value* offsets = entry.Find("data_offsets");
  if (offsets == nullptr || offsets->items().size() != 2) {
    return Corrupt(where + ": data_offsets is not a pair");
  }
  const auto begin = offsets->items()[0].AsUint();
  const auto end = offsets->items()[1].AsUint();
  if (!begin || !end || *begin > *end || *end > data.size()) {
    return Corrupt(where + ": data_offsets " + offsets->Dump() + " lie outside the " +
                   std::to_string(data.size()) + " bytes of data");
  }
  if (*end - *begin != bytes) {
    return Corrupt(where + ": " + std::to_string(*end - *begin) + " bytes at offset " +
                   std::to_string(*begin) + ", but its shape and dtype need " +
                   std::to_string(bytes));
  }
  view.bytes = data.substr(*begin, bytes);
  return view;
}

// Of a file whose first bytes hold it, and all of which is there.
Result<std::size_t> HeaderLength(std::string_view file) {
  if (file.starts_with("version https://git-lfs")) {
    return Corrupt("file is Git LFS's pointer to the weights; fetch them with: git lfs pull");
  }
  if (file.size() < 8) {
    return Corrupt("file has " + std::to_string(file.size()) + " bytes, a header needs 8");
  }
  const auto length = Load<std::uint64_t>(file.data());
  if (length > kHeaderMax || length > file.size() - 8) {
    return Corrupt("header of " + std::to_string(length) + " bytes, of which there are " +
                   std::to_string(file.size() - 8) + " and at most " + std::to_string(kHeaderMax) +
                   " are allowed: the file is cut off or in another format; fetch it again");
  }
  return static_cast<std::size_t>(length);
}

class MappedTensors final : public SafeTensors {
 public:
  const TensorView* Find(std::string_view name) const override {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : &it->second;
  }
  std::vector<std::string> Names() const override {
    std::vector<std::string> out;
    for (const auto& [name, view] : tensors_) out.push_back(name);
    return out;
  }

  std::string Metadata(std::string_view key) const override {
    const auto it = metadata_.find(key);
    return it == metadata_.end() ? std::string() : it->second;
  }

  // Maps one file and adds its tensors.
  Status Add(const std::string& path) {
    MALMOI_TRY(auto map, os::Mmap::Open(path));
    const std::string_view file = map.bytes();
    MALMOI_TRY(const std::size_t length, HeaderLength(file));
    auto header = json::Parse(file.substr(8, length));
    if (!header.ok()) return Corrupt("header: " + header.error().message());
    if (!header.value().is_object()) return Corrupt("header is no JSON object");
    MALMOI_TRY(AddEntries(header.value(), file.substr(8 + length)));
    maps_.push_back(std::move(map));
    return Ok();
  }

 private:
  Status AddEntries(const json::Value& header, std::string_view data) {
    std::vector<std::pair<std::string_view, std::string>> used;
    for (const auto& [name, entry] : header.members()) {
      if (name == "__metadata__") {
        for (const auto& [key, value] : entry.members()) {
          metadata_[key] = std::string(value.AsString().value_or(""));
        }
        continue;
      }
      MALMOI_TRY(auto view, ReadEntry(name, entry, data));
      if (!view.bytes.empty()) used.emplace_back(view.bytes, name);
      if (!tensors_.emplace(name, std::move(view)).second) {
        return Corrupt("tensor '" + name + "' is there twice");
      }
    }
    std::sort(used.begin(), used.end(),
              [](const auto& a, const auto& b) { return a.first.data() < b.first.data(); });
    for (std::size_t i = 1; i < used.size(); ++i) {
      if (used[i - 1].first.data() + used[i - 1].first.size() > used[i].first.data()) {
        return Corrupt("tensors '" + used[i - 1].second + "' and '" + used[i].second +
                       "' overlap at offset " + std::to_string(used[i].first.data() - data.data()));
      }
    }
    return Ok();
  }

  std::vector<os::Mmap> maps_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

// The files that an index names, each once.
Result<std::vector<std::string>> Shards(const std::string& index_path) {
  MALMOI_TRY(auto text, os::ReadFile(os::PosixVfs(), index_path));
  auto index = json::Parse(text);
  if (!index.ok()) return Corrupt("index: " + index.error().message());
  const json::Value* map = index.value().Find("weight_map");
  if (map == nullptr || !map->is_object()) return Corrupt("index has no weight_map");
  std::vector<std::string> files;
  for (const auto& [name, file] : map->members()) {
    const auto s = file.AsString();
    if (!s || s->empty() || s->find('/') != std::string_view::npos) {
      return Corrupt("index: tensor '" + name + "' is in no file beside it");
    }
    files.emplace_back(*s);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

Result<std::vector<std::string>> FilesOf(const std::string& path) {
  MALMOI_TRY(auto info, os::PosixVfs().Stat(path));
  if (!info.is_directory) return std::vector<std::string>{path};
  const std::string single = os::JoinPath(path, "model.safetensors");
  const std::string index = single + ".index.json";
  if (os::PosixVfs().Stat(single).ok()) return std::vector<std::string>{single};
  if (!os::PosixVfs().Stat(index).ok()) {
    return Error(Code::kNotFound, "'" + path + "' has neither model.safetensors nor its index");
  }
  MALMOI_TRY(auto files, Shards(index).With(index));
  for (std::string& file : files) file = os::JoinPath(path, file);
  return files;
}

}  // namespace

std::size_t DTypeSize(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)].size;
}

std::string_view DTypeName(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)].name;
}

std::size_t TensorView::elements() const {
  return bytes.size() / DTypeSize(dtype);
}

Result<std::shared_ptr<const SafeTensors>> SafeTensors::Open(const std::string& path) {
  MALMOI_TRY(auto files, FilesOf(path));
  auto out = std::make_shared<MappedTensors>();
  for (const std::string& file : files) MALMOI_TRY(out->Add(file).With("open '" + file + "'"));
  return std::shared_ptr<const SafeTensors>(std::move(out));
}

bool IsFloating(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBf16 ||
         dtype == DType::kF64;
}

void WidenF32(const TensorView& view, std::size_t begin, std::span<float> out) {
  const char* from = view.bytes.data() + begin * DTypeSize(view.dtype);
  switch (view.dtype) {
    case DType::kF16:
      WidenF16s(from, out);
      return;
    case DType::kBf16:
      for (std::size_t i = 0; i < out.size(); ++i) {
        const std::uint32_t high = Load<std::uint16_t>(from + 2 * i);
        out[i] = std::bit_cast<float>(high << 16);
      }
      return;
    case DType::kF64:
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<float>(Load<double>(from + 8 * i));
      }
      return;
    default:
      if (!out.empty()) std::memcpy(out.data(), from, out.size_bytes());
  }
}

Result<const TensorView*> FindFloating(const SafeTensors& file, std::string_view name,
                                       const std::vector<std::int64_t>& shape) {
  const TensorView* view = file.Find(name);
  const std::string where = "tensor '" + std::string(name) + "'";
  if (view == nullptr) return Error(Code::kNotFound, where + " is not in the weights");
  if (!IsFloating(view->dtype)) {
    return Error(Code::kInvalidArgument, where + " is " + std::string(DTypeName(view->dtype)) +
                                             ", not F64, F32, F16 or BF16");
  }
  if (view->shape != shape) {
    const auto text = [](const std::vector<std::int64_t>& s) {
      std::string out = "[";
      for (const std::int64_t d : s) out += (out.size() > 1 ? ", " : "") + std::to_string(d);
      return out + "]";
    };
    return Error(Code::kInvalidArgument,
                 where + " has shape " + text(view->shape) + ", not " + text(shape));
  }
  return view;
}

Result<Buffer<float>> LoadF32(const SafeTensors& file, std::string_view name,
                              const std::vector<std::int64_t>& shape) {
  MALMOI_TRY(const TensorView* view, FindFloating(file, name, shape));
  Buffer<float> out(view->elements());
  WidenF32(*view, 0, out.span());
  return out;
}

}  // namespace malmoi::tensor
