#include "text/tokenizer/normalized.h"

#include "base/utf8.h"

namespace malmoi::text {

void Normalized::Clear() {
  text.clear();
  spans.clear();
}

void Normalized::Assign(std::string_view source, std::uint32_t base) {
  text.assign(source);
  spans.resize(source.size());
  for (std::size_t i = 0; i < source.size();) {
    const std::size_t size = RuneSize(source[i]);
    const auto begin = static_cast<std::uint32_t>(base + i);
    const Encoding::Span span{begin, static_cast<std::uint32_t>(begin + size)};
    for (std::size_t k = 0; k < size; ++k) spans[i + k] = span;
    i += size;
  }
}

void Normalized::AssignLossy(std::string_view source, std::uint32_t base) {
  Clear();
  for (std::size_t i = 0; i < source.size();) {
    const Rune rune = DecodeRune(source, i);
    AppendRune(&text, rune.value);
    const auto begin = static_cast<std::uint32_t>(base + i);
    spans.resize(text.size(), {begin, begin + rune.size});
    i += rune.size;
  }
}

void Normalized::Append(const Normalized& other, std::size_t begin, std::size_t end) {
  text.append(other.text, begin, end - begin);
  spans.insert(spans.end(), other.spans.begin() + static_cast<std::ptrdiff_t>(begin),
               other.spans.begin() + static_cast<std::ptrdiff_t>(end));
}

Rewriter::Rewriter(const Normalized& source, std::size_t begin, std::size_t end, Normalized* out)
    : source_(source), begin_(begin), end_(end), out_(out), cursor_(begin) {}

void Rewriter::Consume(int count) {
  for (; count > 0 && cursor_ < end_; --count) cursor_ += RuneSize(source_.text[cursor_]);
}

void Rewriter::Flush() {
  if (!open_) return;
  open_ = false;
  if (begin_ == end_) return;  // Nothing to take a span from.
  // A character that is added before anything was consumed stands for the empty start of the text.
  Encoding::Span span{source_.spans[begin_].begin, source_.spans[begin_].begin};
  if (change_ > 0) {
    if (cursor_ > begin_) span = source_.spans[cursor_ - 1];
  } else {
    span = source_.spans[cursor_ < end_ ? cursor_ : end_ - 1];
    Consume(1 - change_);
  }
  AppendRune(&out_->text, last_);
  out_->spans.resize(out_->text.size(), span);
}

void Rewriter::Put(char32_t c, int change) {
  Flush();
  empty_ = false;
  open_ = true;
  last_ = c;
  change_ = change;
}

void Rewriter::Drop(int count) {
  if (!Charge(-count)) Consume(count);
}

bool Rewriter::Charge(int delta) {
  if (empty_) return false;
  if (open_) {
    change_ += delta;
  } else {
    Consume(-delta);
  }
  return true;
}

bool Rewriter::InStep(std::size_t at) {
  if (open_ && change_ > 0) return false;
  Flush();
  return cursor_ == at;
}

void Rewriter::Copy(std::size_t from, std::size_t to) {
  Flush();
  out_->Append(source_, from, to);
  cursor_ = to;
  empty_ = empty_ && from == to;
}

}  // namespace malmoi::text
