#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "text/analyzer.h"

namespace malmoi::text {

// Receives the analysed forms of a text in order: as hashed terms, as strings, or both.
class FormSink {
 public:
  FormSink(std::vector<Term>* terms, std::vector<std::string>* forms)
      : terms_(terms), forms_(forms) {}

  void Add(std::string_view form, float weight) {
    if (terms_ != nullptr) terms_->push_back({static_cast<std::uint32_t>(Hash64(form)), weight});
    if (forms_ != nullptr) forms_->emplace_back(form);
  }

 private:
  std::vector<Term>* terms_;
  std::vector<std::string>* forms_;
};

}  // namespace malmoi::text
