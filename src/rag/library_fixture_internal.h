#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "ingest/reader.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "rag/library.h"

// Stand-ins and measures for tests of the library: no model, no child processes.
namespace malmoi::rag::fixture {

struct Folder : os::ScratchDir {
  void Remove(std::string_view name) const { (void)os::PosixVfs().Remove(At(name)).ok(); }
};

// Sums of pseudo-random vectors of the words: texts that share words are near each other.
class WordEmbedder : public embed::Embedder {
 public:
  WordEmbedder(std::string id, std::size_t dim)
      : id_(std::move(id)), fingerprint_("words-" + id_ + "-" + std::to_string(dim)), dim_(dim) {}

  Result<embed::Embeddings> Embed(std::span<const std::string_view> texts, embed::Prompt,
                                  const Cancel* cancel) override {
    if (cancel != nullptr && cancel->IsSet()) return Error(Code::kCancelled, "cancelled");
    if (embedded_ >= fail_after) return Error(Code::kIo, "the model broke");
    embedded_ += texts.size();
    embed::Embeddings out{dim_, Buffer<float>(texts.size() * dim_)};
    for (std::size_t i = 0; i < texts.size(); ++i) EmbedOne(texts[i], &out.values[i * dim_]);
    return out;
  }
  std::size_t dim() const override { return dim_; }
  std::size_t max_tokens() const override { return 512; }
  std::size_t CountTokens(std::string_view text) const override { return text.size() / 4 + 2; }
  const std::string& id() const override { return id_; }
  const std::string& fingerprint() const override { return fingerprint_; }

  std::uint64_t embedded() const { return embedded_; }
  std::uint64_t fail_after = ~std::uint64_t{0};

 private:
  void EmbedOne(std::string_view text, float* out) const {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find_first_of(" \n.,", at), text.size());
      std::minstd_rand random(static_cast<std::uint32_t>(Hash64(text.substr(at, end - at)) | 1));
      for (std::size_t d = 0; d < dim_; ++d) {
        out[d] += static_cast<float>(random() % 2048) / 1024.0f - 1.0f;
      }
      at = end + 1;
    }
    float norm = 1e-6f;
    for (std::size_t d = 0; d < dim_; ++d) norm += out[d] * out[d];
    for (std::size_t d = 0; d < dim_; ++d) out[d] /= std::sqrt(norm);
  }

  const std::string id_;
  const std::string fingerprint_;
  const std::size_t dim_;
  std::atomic<std::uint64_t> embedded_{0};
};

// Parses in the calling thread; counts what it read.
class DirectReaders : public ingest::ReaderPool {
 public:
  Result<ingest::Document> Read(const std::string& path) override {
    ++reads;
    MALMOI_TRY(const std::string bytes, os::ReadFile(os::PosixVfs(), path));
    return ingest::ParseDocument(bytes, path, {});
  }
  std::uint64_t peak_child_bytes() const override { return 0; }
  std::atomic<int> reads{0};
};

// A Markdown document of `sections` sections of made-up words, a pure function of `seed`.
inline std::string MakeMarkdown(std::uint32_t seed, int sections) {
  static const std::vector<std::string> words = {
      "harbour", "lantern", "archive", "비행기", "도서관", "말모이", "정원의", "river",  "engine",
      "signal",  "copper",  "meadow",  "기차가", "바다에", "winter", "letter", "orchard"};
  std::mt19937 random(seed);
  std::string out = "# Document " + std::to_string(seed) + "\n\n";
  for (int s = 0; s < sections; ++s) {
    out += "## Part " + words[random() % words.size()] + "\n\n";
    for (unsigned sentence = 0; sentence < 2 + random() % 12; ++sentence) {
      for (unsigned w = 0; w < 4 + random() % 9; ++w) {
        // Squared: some words are rare, so that IDF matters.
        const std::size_t r = random() % words.size();
        out += words[r * (random() % words.size()) / words.size()] + " ";
      }
      out += "number" + std::to_string(random() % 50) + ".\n";
    }
    out += "\n";
  }
  return out;
}

// Everything that a search says, scores to the last bit: equal strings mean equal ranked lists.
inline std::string RankedLists(Library& library, const std::string& collection) {
  std::string out;
  for (const char* query : {"harbour lantern", "도서관 정원", "winter number7",
                            "copper 비행기 river", "말모이", "orchard letter signal archive"}) {
    for (const SearchMode mode : {SearchMode::kLexical, SearchMode::kHybrid}) {
      RetrieveOptions options;
      options.mode = mode;
      options.top = 30;
      const auto report = library.Search(collection, query, options, nullptr);
      if (!report.ok()) return out + report.error().message();
      out += std::string(query) + " " + report.value().mode + "\n";
      for (const SearchHit& hit : report.value().hits) {
        char line[160];
        std::snprintf(line, sizeof line, " %llu-%llu %a %a %a\n",
                      static_cast<unsigned long long>(hit.passage.start),
                      static_cast<unsigned long long>(hit.passage.end), hit.passage.score,
                      hit.dense, hit.lexical);
        out += hit.passage.path + line;
      }
    }
  }
  return out;
}

}  // namespace malmoi::rag::fixture
