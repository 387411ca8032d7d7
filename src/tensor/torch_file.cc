#include "tensor/torch_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "os/mmap.h"
#include "tensor/pickle_internal.h"

namespace malmoi::tensor {
namespace {

// APPNOTE 6.3.10: end of central directory (22 bytes), central header (46), local header (30).
constexpr std::uint32_t kEnd = 0x06054b50, kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr std::size_t kCommentMax = 65535;

Error Corrupt(const std::string& what) {
  return Error(Code::kCorruption, "torch file: " + what);
}

using Entries = std::map<std::string, std::string_view, std::less<>>;

// A stored entry's bytes, by its central header at `at`.
Result<std::string_view> EntryBytes(std::string_view file, std::size_t at) {
  const auto method = Load<std::uint16_t>(file.data() + at + 10);
  const auto size = Load<std::uint32_t>(file.data() + at + 24);
  const auto local = Load<std::uint32_t>(file.data() + at + 42);
  if (method != 0 || size == 0xffffffff || local == 0xffffffff) {
    return Error(Code::kUnsupported,
                 "torch file: compressed entries and ZIP64 are not read: save the weights as "
                 "safetensors");
  }
  if (local > file.size() || file.size() - local < 30 ||
      Load<std::uint32_t>(file.data() + local) != kLocal) {
    return Corrupt("an entry's header is not at offset " + std::to_string(local));
  }
  const std::uint64_t begin = std::uint64_t{local} + 30 +
                              Load<std::uint16_t>(file.data() + local + 26) +
                              Load<std::uint16_t>(file.data() + local + 28);
  if (begin + size > file.size()) return Corrupt("an entry is longer than the file");
  return file.substr(begin, size);
}

// Names without the archive's own folder: "data.pkl", "data/0".
Result<Entries> ReadZip(std::string_view file) {
  std::size_t end = std::string_view::npos;
  for (std::size_t back = 22; back <= file.size() && back <= 22 + kCommentMax; ++back) {
    if (Load<std::uint32_t>(file.data() + file.size() - back) == kEnd) {
      end = file.size() - back;
      break;
    }
  }
  if (end == std::string_view::npos) return Corrupt("no ZIP archive (torch before 1.6?)");
  const auto count = Load<std::uint16_t>(file.data() + end + 10);
  std::size_t at = Load<std::uint32_t>(file.data() + end + 16);
  Entries out;
  for (std::size_t i = 0; i < count; ++i) {
    if (at > end || end - at < 46 || Load<std::uint32_t>(file.data() + at) != kCentral) {
      return Corrupt("the directory ends after " + std::to_string(i) + " entries");
    }
    const auto name = Load<std::uint16_t>(file.data() + at + 28);
    const std::size_t rest = std::size_t{name} + Load<std::uint16_t>(file.data() + at + 30) +
                             Load<std::uint16_t>(file.data() + at + 32);
    if (end - at - 46 < rest) return Corrupt("the directory's last entry is cut");
    const std::string_view path = file.substr(at + 46, name);
    MALMOI_TRY(const std::string_view bytes, EntryBytes(file, at));
    out.emplace(path.substr(path.find('/') + 1), bytes);
    at += 46 + rest;
  }
  return out;
}

class TorchTensors final : public SafeTensors {
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

  Status Read(const std::string& path) {
    MALMOI_TRY(map_, os::Mmap::Open(path));
    MALMOI_TRY(const Entries entries, ReadZip(map_.bytes()));
    const auto pickle = entries.find("data.pkl");
    if (pickle == entries.end()) return Corrupt("the archive has no data.pkl");
    MALMOI_TRY(const auto tensors, ReadPickle(pickle->second));
    for (const PickledTensor& tensor : tensors) {
      const auto storage = entries.find("data/" + tensor.storage);
      if (storage == entries.end()) {
        return Corrupt("tensor '" + tensor.name + "': no storage " + tensor.storage);
      }
      MALMOI_TRY(Add(tensor, storage->second));
    }
    return Ok();
  }

 private:
  Status Add(const PickledTensor& tensor, std::string_view storage) {
    const std::uint64_t size = DTypeSize(tensor.dtype);
    std::uint64_t bytes = size;
    std::uint64_t begin = 0;
    bool overflow = __builtin_mul_overflow(tensor.offset, size, &begin);
    for (const std::int64_t dim : tensor.shape) {
      overflow |= __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes);
    }
    if (overflow || begin > storage.size() || bytes > storage.size() - begin) {
      return Corrupt("tensor '" + tensor.name + "' is longer than its storage of " +
                     std::to_string(storage.size()) + " bytes");
    }
    tensors_[tensor.name] = {tensor.dtype, tensor.shape, storage.substr(begin, bytes)};
    return Ok();
  }

  os::Mmap map_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace

Result<std::shared_ptr<const SafeTensors>> OpenTorch(const std::string& path) {
  auto out = std::make_shared<TorchTensors>();
  MALMOI_TRY(out->Read(path).With("open '" + path + "'"));
  return std::shared_ptr<const SafeTensors>(std::move(out));
}

}  // namespace malmoi::tensor
