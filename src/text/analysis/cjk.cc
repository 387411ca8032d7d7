#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include "base/utf8.h"
#include "text/analysis/cjk_internal.h"

namespace malmoi::text {
namespace {

// ICU's dictionary search looks ahead a few words; a bound keeps a megabyte without spaces linear.
constexpr std::size_t kComplexPieceBytes = 4096;

}  // namespace

void AddCjkForms(std::string_view run, float unigram_weight, FormSink* sink) {
  std::size_t previous = run.size();
  for (std::size_t at = 0; at < run.size();) {
    const std::size_t size = DecodeRune(run, at).size;
    if (unigram_weight > 0) sink->Add(run.substr(at, size), unigram_weight);
    if (previous < at) sink->Add(run.substr(previous, at + size - previous), 1);
    previous = at;
    at += size;
  }
}

void AddHangulBigrams(std::string_view run, float weight, FormSink* sink) {
  if (weight <= 0) return;
  std::string form;
  std::size_t previous = run.size();
  for (std::size_t at = 0; at < run.size();) {
    const std::size_t size = DecodeRune(run, at).size;
    if (previous < at) {
      form.assign("~").append(run.substr(previous, at + size - previous));
      sink->Add(form, weight);
    }
    previous = at;
    at += size;
  }
}

struct ComplexWords::Impl {
  std::unique_ptr<icu::BreakIterator> iterator;
  UText text = UTEXT_INITIALIZER;
};

ComplexWords::ComplexWords() : impl_(std::make_unique<Impl>()) {}
ComplexWords::~ComplexWords() {
  utext_close(&impl_->text);
}

void ComplexWords::AddForms(std::string_view run, FormSink* sink) {
  UErrorCode status = U_ZERO_ERROR;
  if (impl_->iterator == nullptr) {
    impl_->iterator.reset(icu::BreakIterator::createWordInstance(icu::Locale("th"), status));
  }
  while (!run.empty()) {
    const std::string_view piece = run.substr(0, FloorRune(run, kComplexPieceBytes));
    run.remove_prefix(piece.size());
    if (impl_->iterator == nullptr || U_FAILURE(status)) {
      sink->Add(piece, 1);  // ICU without its data: the run as one word.
      continue;
    }
    utext_openUTF8(&impl_->text, piece.data(), static_cast<std::int64_t>(piece.size()), &status);
    impl_->iterator->setText(&impl_->text, status);
    std::int32_t begin = impl_->iterator->first();
    for (std::int32_t end = impl_->iterator->next(); end != icu::BreakIterator::DONE;
         begin = end, end = impl_->iterator->next()) {
      sink->Add(
          piece.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)), 1);
    }
  }
}

}  // namespace malmoi::text
