// malmoi_read [--in-process] [--text | --chunks] FILE...
//
// Reads files as ingestion does and prints one line a file: result, format, size, pages, warnings,
// seconds; at the end counts by result and the children's peak memory. For development and for
// measuring over a corpus.
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/strings.h"
#include "ingest/reader.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {

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

}  // namespace

int main(int argc, char** argv) {
  bool text = false;
  bool chunks = false;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    if (path == "--text" || path == "--chunks" || path == "--in-process") {
      text |= path == "--text";
      chunks |= path == "--chunks";
      continue;
    }
    auto document = ReadInProcess(path);
    if (!document.ok()) {
      std::printf("%s\t%s\t%s\n", path.c_str(),
                  std::string(CodeName(document.error().code())).c_str(),
                  document.error().message().c_str());
      continue;
    }
    const ingest::Document& d = document.value();
    if (text) {
      std::fwrite(d.text.data(), 1, d.text.size(), stdout);
    } else if (chunks) {
      PrintChunks(d);
    } else {
      std::printf("%s\tok\t%s\t%s\t%zu bytes\t%zu pages\t%s\n", path.c_str(), d.format.c_str(),
                  d.encoding.c_str(), d.text.size(), d.page_starts.size(),
                  Join(d.warnings, "; ").c_str());
    }
  }
  return 0;
}
