#include "text/tokenizer/unicode_forms.h"

#include <algorithm>
#include <vector>

#include "text/tokenizer/chars.h"

namespace malmoi::text {
namespace {

struct Part {
  char32_t c;
  int change;  // See Rewriter.
  std::uint8_t combining_class;
};

// Composes a run that Decomposed() delivers in canonical order. Marks that could not be joined wait
// behind the starter that may still join later ones.
class Composer {
 public:
  explicit Composer(Rewriter* out) : out_(out) {}

  // To be called after the last Add().
  void FlushStarter() {
    if (has_starter_) out_->Put(starter_.c, starter_.change);
    for (const Part& part : waiting_) out_->Put(part.c, part.change);
    waiting_.clear();
    has_starter_ = false;
  }

  void Add(const Part& part) {
    if (!has_starter_) {
      if (part.combining_class != 0) {
        out_->Put(part.c, part.change);
      } else {
        SetStarter(part);
      }
      return;
    }
    const bool blocked =
        !waiting_.empty() && waiting_.back().combining_class >= part.combining_class;
    if (!blocked) {
      if (const char32_t both = Compose(starter_.c, part.c); both != 0) {
        starter_.c = both;
        starter_.change += part.change - 1;
        return;
      }
    }
    if (part.combining_class == 0) {
      FlushStarter();
      SetStarter(part);
    } else {
      waiting_.push_back(part);
    }
  }

 private:
  void SetStarter(const Part& part) {
    starter_ = part;
    has_starter_ = true;
  }
  Rewriter* const out_;
  bool has_starter_ = false;
  Part starter_{};
  std::vector<Part> waiting_;
};

// Delivers the decomposition of the text in canonical order to sink(part).
template <class Sink>
void Decomposed(bool compatibility, std::string_view text, Sink sink) {
  const CharFlag changes = compatibility ? kDecomposesK : kDecomposes;
  std::vector<Part> run;  // A starter and the marks after it, not yet in order.
  const auto deliver = [&] {
    std::stable_sort(run.begin(), run.end(), [](const Part& a, const Part& b) {
      return a.combining_class < b.combining_class;
    });
    for (const Part& part : run) sink(part);
    run.clear();
  };
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
    const char32_t c = ReadRune(text, at, &size);
    const std::uint32_t flags = FlagsOf(c);
    if ((flags & (changes | kReordered)) == 0) {
      deliver();
      run.push_back({c, 0, 0});
      continue;
    }
    char32_t parts[kMaxDecomposition];
    const int count = Decompose(c, compatibility, parts);
    for (int i = 0; i < count; ++i) {
      const std::uint8_t combining_class = Has(parts[i], kReordered) ? CombiningClass(parts[i]) : 0;
      if (combining_class == 0) deliver();
      run.push_back({parts[i], i > 0 ? 1 : 0, combining_class});
    }
  }
  deliver();
}

}  // namespace

bool ApplyForm(UnicodeForm form, const Normalized& text, std::size_t begin, std::size_t end,
               Normalized* out) {
  Rewriter rewriter(text, begin, end, out);
  const std::string_view part = std::string_view(text.text).substr(begin, end - begin);
  const bool compatibility = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  if (form == UnicodeForm::kNfd || form == UnicodeForm::kNfkd) {
    Decomposed(compatibility, part, [&](const Part& p) { rewriter.Put(p.c, p.change); });
  } else {
    Composer composer(&rewriter);
    Decomposed(compatibility, part, [&](const Part& p) { composer.Add(p); });
    composer.FlushStarter();
  }
  return rewriter.Finish();
}

}  // namespace malmoi::text
