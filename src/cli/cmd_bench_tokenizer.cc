// malmoi bench tokenizer [TOKENIZER_JSON [TEXTS]]: megabytes a second of encoding on one thread.
// TEXTS is a file with a text a line; without it, generated English and Korean sentences whose
// words repeat as those of real texts do (Zipf). Without TOKENIZER_JSON: the models of the assets.
// bench/tokenizer_vs_peers.py compares with the tokenizers package on texts of one's own.
#include <algorithm>
#include <cmath>
#include <random>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "os/paths.h"
#include "os/vfs.h"
#include "text/tokenizer.h"

namespace malmoi::cli {
namespace {

struct Figure {
  std::string name;
  double mb_per_s = 0;
  double tokens_per_s = 0;
};

// Words of two to four syllables of the script, drawn by rank: the k-th as often as 1/k.
std::vector<std::string> MakeTexts(bool korean) {
  constexpr const char* kEnglish[] = {"the",    "re",  "tion", "doc", "ment", "in",  "al", "er",
                                      "search", "ing", "com",  "pre", "ver",  "qua", "li", "ty"};
  constexpr const char* kKorean[] = {"문", "서", "검", "색", "은", "는", "이", "다",
                                     "를", "에", "사", "람", "도", "시", "한", "국"};
  std::mt19937 random(7);
  std::vector<std::string> words(20000);
  for (std::string& word : words) {
    const auto syllables = 2 + random() % 3;
    for (unsigned i = 0; i < syllables; ++i) word += (korean ? kKorean : kEnglish)[random() % 16];
  }
  std::uniform_real_distribution<double> uniform(0, std::log(static_cast<double>(words.size())));
  std::vector<std::string> texts(400);
  for (std::string& text : texts) {
    while (text.size() < 1000) {
      text += words[static_cast<std::size_t>(std::exp(uniform(random))) - 1];
      text += random() % 12 == 0 ? ". " : " ";
    }
  }
  return texts;
}

Result<Figure> Measure(const std::string& name, const std::string& path,
                       const std::vector<std::string>& texts) {
  MALMOI_TRY(const auto tokenizer, text::Tokenizer::FromFile(path));
  Figure best{name};
  for (int pass = 0; pass < 5; ++pass) {
    double bytes = 0, tokens = 0;
    const std::int64_t start = MonotonicNs();
    for (const std::string& text : texts) {
      bytes += static_cast<double>(text.size());
      tokens += static_cast<double>(tokenizer->Encode(text).size());
    }
    const double seconds = std::max(SecondsSince(start), 1e-9);
    if (1e-6 * bytes / seconds > best.mb_per_s) {
      best.mb_per_s = 1e-6 * bytes / seconds;
      best.tokens_per_s = tokens / seconds;
    }
  }
  return best;
}

}  // namespace

Result<int> CmdBenchTokenizer(const Context& context) {
  const auto& given = context.arguments.positional;  // given[0] is "tokenizer".
  std::vector<std::pair<std::string, std::string>> tokenizers;
  for (const char* model : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    const auto path = os::FindAsset(std::string("models/") + model + "/tokenizer.json");
    if (given.size() < 2 && path) tokenizers.emplace_back(model, *path);
  }
  if (given.size() > 1) tokenizers.emplace_back(given[1], given[1]);
  std::vector<std::pair<std::string, std::vector<std::string>>> sets;
  if (given.size() > 2) {
    MALMOI_TRY(const std::string bytes, os::ReadFile(os::PosixVfs(), given[2]));
    sets.emplace_back(given[2], std::vector<std::string>());
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
      sets[0].second.push_back(bytes.substr(at, end - at));
      at = end + 1;
    }
  } else {
    sets.emplace_back("English", MakeTexts(false));
    sets.emplace_back("Korean", MakeTexts(true));
  }
  json::Writer w;
  w.BeginObject().Key("figures").BeginArray();
  for (const auto& [model, path] : tokenizers) {
    for (const auto& [language, texts] : sets) {
      MALMOI_TRY(const Figure f, Measure(model + ", " + language, path, texts));
      w.BeginObject().Field("name", f.name).Field("mb_per_s", f.mb_per_s);
      w.Field("tokens_per_s", f.tokens_per_s).EndObject();
      if (context.arguments.json) continue;
      std::fprintf(context.out, "%-48s %10s MB/s %12s tokens/s\n", f.name.c_str(),
                   FormatFixed(f.mb_per_s, 1).c_str(), FormatFixed(f.tokens_per_s, 0).c_str());
    }
  }
  w.EndArray().EndObject();
  if (context.arguments.json) std::fprintf(context.out, "%s\n", w.text().c_str());
  return tokenizers.empty() ? kNothing : kFound;
}

}  // namespace malmoi::cli
