// Header lengths, offsets and shapes are hostile; what opens can be read to its end.
#include "tensor/safetensors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuzz/input.h"

namespace {

void ReadAll(const malmoi::tensor::SafeTensors& file) {
  for (const std::string& name : file.Names()) {
    const auto* view = file.Find(name);
    Expect(view != nullptr);
    const auto floats = malmoi::tensor::LoadF32(file, name, view->shape);
    Expect(floats.ok() == malmoi::tensor::IsFloating(view->dtype));
  }
}

}  // namespace

// The first 8 bytes of the format, the header's length, are put in front where the first byte says
// so: else nearly no input would get further.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string bytes(FuzzInput(data + 1, size - 1));
  if (data[0] % 4 != 0) {
    const std::size_t end = bytes.rfind('}');
    const std::uint64_t length = end == bytes.npos ? bytes.size() : end + 1;
    bytes.insert(0, reinterpret_cast<const char*>(&length), sizeof(length));
  }
  const int fd = ::memfd_create("safetensors", MFD_CLOEXEC);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return 0;
  }
  const auto file = malmoi::tensor::SafeTensors::Open("/proc/self/fd/" + std::to_string(fd));
  if (file.ok()) ReadAll(*file.value());
  ::close(fd);
  return 0;
}
