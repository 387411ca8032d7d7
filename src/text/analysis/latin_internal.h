#pragma once

#include <string>
#include <string_view>

#include "text/analysis/forms_internal.h"
#include "text/analysis/stem_internal.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {

// Words of alphabetic scripts: lower-cased, stop words dropped, stemmed. One thread at a time: it
// holds Snowball's buffers.
//
// Identifiers (snake_case, camelCase, dotted.names) give the whole, unstemmed, and each part of
// two or more characters as a word of its own.
class WordForms {
 public:
  // `language` is the text's; Latin words inside Korean, Japanese, Russian, ... are English.
  void Add(std::string_view word, bool ascii, Language language, FormSink* sink);

 private:
  void AddStem(std::string_view lower, Language language, float weight, FormSink* sink);
  void AddParts(std::string_view word, Language language, FormSink* sink);

  Stemmers stemmers_;
  std::string lower_;
  std::string part_;
};

}  // namespace malmoi::text
