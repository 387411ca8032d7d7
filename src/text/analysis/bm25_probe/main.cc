#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>
#include "base/strings.h"
#include "json/value.h"
#include "os/mmap.h"
#include "os/paths.h"
#include "text/analyzer.h"
using namespace malmoi;
int main(int argc, char** argv) {
  text::AnalyzerOptions o;
  if (!getenv("NODICT")) o.korean_dictionary = *os::FindAsset("mecab-ko-dic");
  if (getenv("KBI")) o.korean_bigram_weight = atof(getenv("KBI"));
  if (getenv("CUNI")) o.cjk_unigram_weight = atof(getenv("CUNI"));
  auto a = std::move(text::Analyzer::Create(o)).value();
  for (int k = 1; k < argc; ++k) {
    std::string dir = argv[k];
    auto load = [&](const char* f) {
      auto m = std::move(os::Mmap::Open(dir + f)).value();
      std::vector<json::Value> v;
      for (auto l : Split(m.bytes(), '\n'))
        if (!Trim(l).empty()) v.push_back(std::move(json::Parse(l)).value());
      return v;
    };
    auto docs = load("/corpus.jsonl");
    auto queries = load("/queries.jsonl");
    std::map<std::string, std::map<std::string, int>> qrels;
    auto qm = std::move(os::Mmap::Open(dir + "/qrels/test.tsv")).value();
    bool first = true;
    for (auto l : Split(qm.bytes(), '\n')) {
      if (first || Trim(l).empty()) { first = false; continue; }
      auto p = Split(l, '\t');
      qrels[std::string(p[0])][std::string(p[1])] = atoi(std::string(p[2]).c_str());
    }
    std::map<text::Language, int> langs, qlangs;
    for (auto& d : docs) langs[text::DetectLanguage(d.GetString("text"))]++;
    auto major = std::max_element(langs.begin(), langs.end(), [](auto& x, auto& y) { return x.second < y.second; })->first;
    std::unordered_map<uint32_t, std::vector<std::pair<int, float>>> post;
    std::vector<float> len(docs.size());
    double total = 0;
    for (size_t i = 0; i < docs.size(); ++i) {
      std::string t(docs[i].GetString("title"));
      t = t + "\n" + t + "\n" + std::string(docs[i].GetString("text"));
      for (auto& term : a->Analyze(t, major)) { post[term.id].push_back({(int)i, term.weight}); len[i] += term.weight; }
      total += len[i];
    }
    double avg = total / docs.size(), sum = 0; int nq = 0;
    for (auto& q : queries) {
      std::string id(q.GetString("_id"));
      if (!qrels.count(id)) continue;
      auto lang = text::DetectLanguage(q.GetString("text"), major);
      qlangs[lang]++;
      std::unordered_map<int, float> s;
      for (auto& term : a->Analyze(q.GetString("text"), lang)) {
        auto it = post.find(term.id);
        if (it == post.end()) continue;
        double df = it->second.size(), idf = std::log(1 + (docs.size() - df + .5) / (df + .5));
        for (auto& [d, tf] : it->second) s[d] += term.weight * idf * tf * 2.2 / (tf + 1.2 * (.25 + .75 * len[d] / avg));
      }
      std::vector<std::pair<float, std::string>> r;
      for (auto& [d, v] : s) r.push_back({v, std::string(docs[d].GetString("_id"))});
      size_t top = std::min<size_t>(10, r.size());
      std::partial_sort(r.begin(), r.begin() + top, r.end(), [](auto& x, auto& y) { return x.first != y.first ? x.first > y.first : x.second > y.second; });
      double dcg = 0, ideal = 0;
      auto& rel = qrels[id];
      for (size_t i = 0; i < top; ++i) { auto it = rel.find(r[i].second); if (it != rel.end() && it->second > 0) dcg += it->second / std::log2(i + 2.0); }
      std::vector<int> g; for (auto& [_, x] : rel) if (x > 0) g.push_back(x);
      std::sort(g.rbegin(), g.rend());
      for (size_t i = 0; i < g.size() && i < 10; ++i) ideal += g[i] / std::log2(i + 2.0);
      if (ideal > 0) { sum += dcg / ideal; }
      ++nq;
    }
    printf("%-16s %.4f  n=%d docs:", dir.substr(dir.rfind("data/") + 5).c_str(), sum / nq, nq);
    for (auto& [l, c] : langs) printf(" %s=%d", std::string(text::LanguageCode(l)).c_str(), c);
    printf(" | q:");
    for (auto& [l, c] : qlangs) printf(" %s=%d", std::string(text::LanguageCode(l)).c_str(), c);
    puts(""); fflush(stdout);
  }
}
