// Times the encoder on token ids, a request a line, so that a script can take turns with others:
//   embed_driver MODEL_DIRECTORY DTYPE THREADS IDS_FILE
// IDS_FILE has a line a text: its group, the number of ids, the ids. On stdin: "time GROUP" answers
// the seconds of one run over the group's texts, in their order; "vectors GROUP FILE" writes their
// vectors as f32. The first line of output names the CPU level.
//   embed_driver peak
// prints what one thread's registers reach in float32, bfloat16 and int8, in operations a second.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "base/clock.h"
#include "embed/samples.h"
#include "model/encoder.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"
#include "text/tokenizer.h"

using namespace malmoi;

namespace {

std::map<std::string, model::PackedBatch> ReadGroups(const char* path) {
  std::map<std::string, model::PackedBatch> groups;
  std::ifstream file(path);
  std::string group;
  for (std::size_t count = 0; file >> group >> count;) {
    model::PackedBatch& batch = groups[group];
    if (batch.starts.empty()) batch.starts = {0};
    for (std::size_t i = 0; i < count; ++i) {
      std::int32_t id = 0;
      file >> id;
      batch.ids.push_back(id);
    }
    batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
  }
  return groups;
}

int Fail(const Error& error) {
  std::fprintf(stderr, "embed_driver: %s\n", error.message().c_str());
  return 1;
}

int Serve(const model::Encoder& encoder, os::ThreadPool& pool,
          const std::map<std::string, model::PackedBatch>& groups) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, group, path;
    words >> command >> group >> path;
    const auto found = groups.find(group);
    if (found == groups.end()) return Fail(Error(Code::kNotFound, "no group '" + group + "'"));
    const std::int64_t start = MonotonicNs();
    const auto vectors = encoder.Encode(found->second, pool);
    const double seconds = SecondsSince(start);
    if (!vectors.ok()) return Fail(vectors.error());
    if (command == "vectors") {
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(vectors.value().data()),
                 static_cast<std::streamsize>(vectors.value().size() * sizeof(float)));
    }
    std::printf("%.9f\n", seconds);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (const Status level = os::CheckCpuLevel(); !level.ok()) return Fail(level.error());
  if (argc == 2 && std::string(argv[1]) == "peak") {
    using kernels::Precision;
    for (const Precision p : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
      std::printf("%.0f\n", kernels::PeakRate(p, os::ActiveCpuLevel()));
    }
    return 0;
  }
  if (argc != 5) {
    std::fprintf(stderr, "usage: embed_driver MODEL_DIRECTORY DTYPE THREADS IDS_FILE\n");
    return 2;
  }
  const auto precision = kernels::ParsePrecision(argv[2]);
  if (!precision.ok()) return Fail(precision.error());
  model::OpenOptions options{.precision = precision.value()};
  // As embedders do; a model without a tokenizer (random weights) is rounded to the nearest.
  const auto tokenizer = text::Tokenizer::FromFile(std::string(argv[1]) + "/tokenizer.json");
  if (tokenizer.ok()) options.samples = embed::SampleIds(*tokenizer.value());
  const auto encoder = model::Encoder::Open(argv[1], options);
  if (!encoder.ok()) return Fail(encoder.error());
  os::ThreadPool pool(static_cast<std::size_t>(std::atoi(argv[3])), "bench");
  std::printf("%s\n", std::string(os::CpuLevelName(encoder.value()->kernel_level())).c_str());
  std::fflush(stdout);
  return Serve(*encoder.value(), pool, ReadGroups(argv[4]));
}
