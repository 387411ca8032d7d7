#include <mecab.h>

#include <algorithm>
#include <array>
#include <exception>

#include "base/strings.h"
#include "base/utf8.h"
#include "os/mmap.h"
#include "text/analysis/korean_internal.h"

namespace malmoi::text {
namespace {

// A lattice grows with its sentence (about 1 KB a syllable): longer lines are cut at white space,
// or, where there is none, anywhere.
constexpr std::size_t kLongestPieceBytes = 2048;
// How much of a line before its first Hangul is analysed with it.
constexpr std::size_t kContextBytes = 512;

bool HasHangul(std::string_view surface) {
  for (std::size_t at = 0; at < surface.size();) {
    const Rune rune = DecodeRune(surface, at);
    if (IsHangul(rune.value)) return true;
    at += rune.size;
  }
  return false;
}

// Tags whose words carry meaning: nouns, names, units, numerals, stems, roots and noun-making
// suffixes (-성, -자). Bound nouns (것, 수), pronouns, adverbs, auxiliaries, particles and endings
// carry little: with them Korean documentation loses up to .005 nDCG@10.
bool IsContentTag(std::string_view tag) {
  static constexpr std::array<std::string_view, 8> kTags = {"NNG", "NNP", "NNBC", "NR",
                                                            "VV",  "VA",  "XR",   "XSN"};
  return std::find(kTags.begin(), kTags.end(), tag) != kTags.end();
}

// Stems so frequent that they say nothing: 하다, 되다, 있다, 없다, 않다, ...
bool IsEmptyVerb(std::string_view stem) {
  static constexpr std::array<std::string_view, 8> kStems = {"하", "되", "있",   "없",
                                                             "않", "이", "아니", "같"};
  return std::find(kStems.begin(), kStems.end(), stem) != kStems.end();
}

void AddMorpheme(std::string_view form, std::string_view tag, FormSink* sink) {
  if (!IsContentTag(tag) || !HasHangul(form)) return;
  if ((tag == "VV" || tag == "VA") && IsEmptyVerb(form)) return;
  sink->Add(form, 1);
}

// Parts of the dictionary's expression field: form/TAG/sense joined by '+'.
void AddExpression(std::string_view expression, FormSink* sink) {
  while (!expression.empty()) {
    const std::size_t end = std::min(expression.find('+'), expression.size());
    const std::string_view part = expression.substr(0, end);
    expression.remove_prefix(std::min(end + 1, expression.size()));
    const std::size_t slash = part.find('/');
    if (slash == std::string_view::npos) continue;
    const std::string_view rest = part.substr(slash + 1);
    AddMorpheme(part.substr(0, slash), rest.substr(0, rest.find('/')), sink);
  }
}

struct Feature {
  std::string_view tag;
  std::string_view type;        // "*", Compound, Inflect or Preanalysis.
  std::string_view expression;  // Parts of all but "*".
};

// tag, sense, final consonant, reading, type, first tag, last tag, expression.
Feature ParseFeature(std::string_view feature) {
  std::array<std::string_view, 8> fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t end =
        i + 1 < fields.size() ? std::min(feature.find(','), feature.size()) : feature.size();
    fields[i] = feature.substr(0, end);
    feature.remove_prefix(std::min(end + 1, feature.size()));
  }
  return {fields[0], fields[4], fields[7]};
}

void AddNode(std::string_view surface, std::string_view raw_feature, FormSink* sink) {
  if (!HasHangul(surface)) return;
  const Feature feature = ParseFeature(raw_feature);
  if (feature.tag == "UNKNOWN" || feature.tag.empty()) {
    sink->Add(StripKoreanEnding(surface), 1);
    return;
  }
  // Compound nouns stay whole: the parts as well cost .01 nDCG@10 on documentation, the parts
  // alone .007; the bigrams find them.
  if (feature.type == "Inflect" || feature.type == "Preanalysis") {
    AddExpression(feature.expression, sink);
  } else {
    AddMorpheme(surface, feature.tag, sink);
  }
}

// The line, or a bounded part of it, with the Hangul at `hangul` or, when that is behind, from
// `done` on. Looks no further than the bounds, so that the sum over a text is linear.
std::string_view NextPiece(std::string_view text, std::size_t done, std::size_t hangul) {
  std::size_t begin = done;
  if (hangul > done) {
    if (hangul - done > kContextBytes) begin = FloorRune(text, hangul - kContextBytes);
    const std::size_t newline = text.substr(begin, hangul - begin).rfind('\n');
    if (newline != std::string_view::npos) begin += newline + 1;
  }
  const std::string_view window = text.substr(begin, kLongestPieceBytes);
  const std::size_t newline = window.find('\n', hangul > begin ? hangul - begin : 0);
  if (newline != std::string_view::npos) return window.substr(0, newline + 1);
  if (begin + window.size() == text.size()) return window;
  const std::size_t space = window.rfind(' ');
  if (space != std::string_view::npos && begin + space > hangul) return window.substr(0, space + 1);
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

struct KoreanDictionary::Impl {
  std::unique_ptr<MeCab::Model> model;
  std::unique_ptr<MeCab::Tagger> tagger;  // parse(Lattice*) const may run concurrently.
  std::string identity;
};

struct KoreanDictionary::Scratch {
  std::unique_ptr<MeCab::Lattice> lattice;
};

void KoreanDictionary::ScratchDeleter::operator()(Scratch* scratch) const {
  delete scratch;
}

KoreanDictionary::KoreanDictionary(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KoreanDictionary::~KoreanDictionary() = default;

const std::string& KoreanDictionary::identity() const {
  return impl_->identity;
}

Result<std::shared_ptr<const KoreanDictionary>> KoreanDictionary::Open(const std::string& folder) {
  const auto unreadable = [&](std::string_view why) {
    return Error(Code::kUnavailable,
                 "open Korean dictionary '" + folder + "': " + std::string(why) +
                     "; give a folder with mecab-ko-dic compiled (sys.dic, matrix.bin, char.bin, "
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
  return std::shared_ptr<const KoreanDictionary>(
      std::make_shared<KoreanDictionary>(std::move(impl)));
}

KoreanDictionary::ScratchPtr KoreanDictionary::NewScratch() const {
  auto scratch = ScratchPtr(new Scratch);
  scratch->lattice.reset(impl_->model->createLattice());
  return scratch;
}

void KoreanDictionary::AddMorphemes(std::string_view text, std::span<const Run> runs,
                                    Scratch* scratch, FormSink* sink) const {
  std::size_t done = 0;  // Bytes of `text` analysed or passed over.
  for (const Run& run : runs) {
    if (run.kind != RunKind::kHangul) continue;
    while (done < run.end) {
      const std::string_view piece = NextPiece(text, done, run.begin);
      done = static_cast<std::size_t>(piece.data() - text.data()) + piece.size();
      MeCab::Lattice* lattice = scratch->lattice.get();
      lattice->set_sentence(piece.data(), piece.size());
      if (!impl_->tagger->parse(lattice)) continue;
      for (const auto* node = lattice->bos_node(); node != nullptr; node = node->next) {
        if (node->length == 0) continue;
        AddNode({node->surface, node->length}, node->feature, sink);
      }
    }
  }
}

}  // namespace malmoi::text
