// malmoi_read [--in-process] [--text | --chunks] [--out FOLDER] FILE...
//
// Reads files as ingestion does and prints one line a file: path, result, format, bytes of text,
// pages, headings, seconds, then warnings or the error; at the end counts by result and the
// children's peak memory. --out writes each text to FOLDER/<path with __ for />.txt. For
// development and for measuring over a corpus.
#include <cstdio>
#include <map>

#include "base/clock.h"
#include "base/strings.h"
#include "ingest/reader.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {

struct Options {
  bool in_process = false;
  bool text = false;
  bool chunks = false;
  std::string out;
  std::vector<std::string> files;
};

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--in-process") {
      options.in_process = true;
    } else if (word == "--text") {
      options.text = true;
    } else if (word == "--chunks") {
      options.chunks = true;
    } else if (word == "--out" && i + 1 < argc) {
      options.out = argv[++i];
    } else {
      options.files.push_back(word);
    }
  }
  return options;
}

Result<ingest::Document> ReadInProcess(const std::string& path) {
  MALMOI_TRY(const std::string bytes, os::ReadFile(os::PosixVfs(), path));
  return ingest::ParseDocument(bytes, path, {});
}

void PrintChunks(const ingest::Document& document) {
  for (const ingest::Chunk& chunk : ingest::ChunkDocument(document)) {
    std::printf("--- %llu..%llu [%s]\n%.*s\n", static_cast<unsigned long long>(chunk.begin),
                static_cast<unsigned long long>(chunk.end), chunk.heading_path.c_str(),
                static_cast<int>(chunk.end - chunk.begin), document.text.data() + chunk.begin);
  }
}

void Print(const Options& options, const std::string& path, const ingest::Document& d,
           double seconds) {
  if (options.text) {
    std::fwrite(d.text.data(), 1, d.text.size(), stdout);
  } else if (options.chunks) {
    PrintChunks(d);
  } else {
    std::printf("%s\tok\t%s\t%s\t%zu\t%zu pages\t%zu headings\t%.2f s\t%s\t%s\n", path.c_str(),
                d.format.c_str(), d.encoding.c_str(), d.text.size(), d.page_starts.size(),
                d.headings.size(), seconds, d.title.c_str(), Join(d.warnings, "; ").c_str());
  }
  if (!options.out.empty()) {
    const std::string name = ReplaceAll(path, "/", "__") + ".txt";
    const auto written =
        os::WriteAtomically(os::PosixVfs(), os::JoinPath(options.out, name), d.text);
    if (!written.ok()) std::printf("%s\n", written.error().message().c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  ingest::MaybeRunReaderChild(argc, argv);
  const Options options = ParseOptions(argc, argv);
  std::unique_ptr<ingest::ReaderPool> pool;
  if (!options.in_process) {
    auto started = ingest::ReaderPool::Start(1, {});
    if (!started.ok()) {
      std::fprintf(stderr, "%s\n", started.error().message().c_str());
      return 3;
    }
    pool = std::move(started).value();
  }
  std::map<std::string, int> counts;
  for (const std::string& path : options.files) {
    const std::int64_t start = MonotonicNs();
    auto document = pool == nullptr ? ReadInProcess(path) : pool->Read(path);
    const double seconds = SecondsSince(start);
    if (document.ok()) {
      ++counts["ok"];
      Print(options, path, document.value(), seconds);
    } else {
      const std::string code(CodeName(document.error().code()));
      ++counts[code];
      std::printf("%s\t%s\t%.2f s\t%s\n", path.c_str(), code.c_str(), seconds,
                  document.error().message().c_str());
    }
    std::fflush(stdout);
  }
  for (const auto& [result, n] : counts) std::fprintf(stderr, "%s %d\n", result.c_str(), n);
  if (pool != nullptr) {
    std::fprintf(stderr, "peak of a child %s\n", FormatBytes(pool->peak_child_bytes()).c_str());
  }
  return 0;
}
