#include <mecab.h>

#include <array>
#include <exception>

#include "base/hash.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "os/mmap.h"
#include "text/analysis/mecab_internal.h"

namespace malmoi::text {
namespace {

// A lattice grows with its sentence (about 1 KB a syllable): longer lines are cut at white space,
// or, where there is none, anywhere.
constexpr std::size_t kLongestPieceBytes = 2048;
// How much of a line before its first wanted run is analysed with it.
constexpr std::size_t kContextBytes = 512;

// The line, or a bounded part of it, with the run at `wanted` or, when that is behind, from
// `done` on. Looks no further than the bounds, so that the sum over a text is linear.
std::string_view NextPiece(std::string_view text, std::size_t done, std::size_t wanted) {
  std::size_t begin = done;
  if (wanted > done) {
    if (wanted - done > kContextBytes) begin = FloorRune(text, wanted - kContextBytes);
    const std::size_t newline = text.substr(begin, wanted - begin).rfind('\n');
    if (newline != std::string_view::npos) begin += newline + 1;
  }
  const std::string_view window = text.substr(begin, kLongestPieceBytes);
  const std::size_t newline = window.find('\n', wanted > begin ? wanted - begin : 0);
  if (newline != std::string_view::npos) return window.substr(0, newline + 1);
  if (begin + window.size() == text.size()) return window;
  const std::size_t space = window.rfind(' ');
  if (space != std::string_view::npos && begin + space > wanted) return window.substr(0, space + 1);
  return text.substr(begin, FloorRune(text, begin + kLongestPieceBytes) - begin);
}

// Sizes and the first bytes of the files that decide the analysis.
std::string IdentityOf(const std::string& folder) {
  std::string identity;
  for (const char* name : {"sys.dic", "matrix.bin", "char.bin", "unk.dic"}) {
    auto file = os::Mmap::Open(folder + "/" + name);
    if (!file.ok()) continue;
    const std::string_view bytes = file.value().bytes();
    identity +=
        std::to_string(bytes.size()) + ":" + std::to_string(Hash64(bytes.substr(0, 65536))) + ";";
  }
  return identity;
}

}  // namespace

struct Morphemes::Impl {
  std::unique_ptr<MeCab::Model> model;
  std::unique_ptr<MeCab::Tagger> tagger;  // parse(Lattice*) const may run concurrently.
  std::string identity;
};

struct Morphemes::Scratch {
  std::unique_ptr<MeCab::Lattice> lattice;
};

void Morphemes::ScratchDeleter::operator()(Scratch* scratch) const {
  delete scratch;
}

Morphemes::Morphemes(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Morphemes::~Morphemes() = default;

const std::string& Morphemes::identity() const {
  return impl_->identity;
}

Result<std::shared_ptr<const Morphemes>> Morphemes::Open(const std::string& name,
                                                         const std::string& folder) {
  const auto unreadable = [&](std::string_view why) {
    return Error(Code::kUnavailable, "open " + name + " dictionary '" + folder +
                                         "': " + std::string(why) +
                                         "; give a folder with a MeCab dictionary in UTF-8 "
                                         "compiled (sys.dic, matrix.bin, char.bin, "
                                         "unk.dic, dicrc), or none");
  };
  if (!os::Mmap::Open(folder + "/sys.dic").ok()) return unreadable("sys.dic cannot be read");
  auto impl = std::make_unique<Impl>();
  try {
    // -r: no resource file of the user or the system may change the analysis.
    const std::string rc = "--rcfile=" + folder + "/dicrc";
    const std::string dictionary = "--dicdir=" + folder;
    std::string program = "mecab";
    std::array<char*, 3> arguments = {program.data(), const_cast<char*>(rc.c_str()),
                                      const_cast<char*>(dictionary.c_str())};
    impl->model.reset(MeCab::createModel(3, arguments.data()));
    if (impl->model != nullptr) impl->tagger.reset(impl->model->createTagger());
  } catch (const std::exception& e) {
    return unreadable(e.what());
  }
  if (impl->tagger == nullptr) {
    const char* reason = MeCab::getLastError();
    return unreadable(reason != nullptr ? Trim(reason) : "libmecab refuses it");
  }
  impl->identity = IdentityOf(folder);
  return std::shared_ptr<const Morphemes>(std::make_shared<Morphemes>(std::move(impl)));
}

Morphemes::ScratchPtr Morphemes::NewScratch() const {
  auto scratch = ScratchPtr(new Scratch);
  scratch->lattice.reset(impl_->model->createLattice());
  return scratch;
}

void Morphemes::Parse(std::string_view text, std::span<const Run> runs, RunKind wanted,
                      AddNode add_node, Scratch* scratch, FormSink* sink) const {
  std::size_t done = 0;  // Bytes of `text` analysed or passed over.
  for (const Run& run : runs) {
    if (run.kind != wanted) continue;
    while (done < run.end) {
      const std::string_view piece = NextPiece(text, done, run.begin);
      done = static_cast<std::size_t>(piece.data() - text.data()) + piece.size();
      MeCab::Lattice* lattice = scratch->lattice.get();
      lattice->set_sentence(piece.data(), piece.size());
      if (!impl_->tagger->parse(lattice)) continue;
      for (const auto* node = lattice->bos_node(); node != nullptr; node = node->next) {
        if (node->length == 0) continue;
        add_node({node->surface, node->length}, node->feature, sink);
      }
    }
  }
}

}  // namespace malmoi::text
