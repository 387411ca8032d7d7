// Goal: each script is analysed by its rules, and any bytes give sorted, unique, repeatable terms.
// Method: tables of forms; properties on mixed and random bytes; a megabyte of each hostile kind.
#include "text/analyzer.h"

#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "base/strings.h"
#include "text/analysis/korean_internal.h"
#include "text/analysis/test_data_internal.h"

namespace malmoi::text {
namespace {

std::shared_ptr<const Analyzer> Make(AnalyzerOptions options) {
  auto analyzer = Analyzer::Create(options);
  REQUIRE(analyzer.ok());
  return std::move(analyzer).value();
}

struct Row {
  std::string_view text;
  Language language;
  std::string_view want;  // Forms joined by spaces.
};

template <std::size_t n>
void CheckForms(const Analyzer& analyzer, const Row (&rows)[n]) {
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(Join(analyzer.Forms(row.text, row.language), " ") == row.want);
  }
}

TEST_CASE("Words are lower-cased, stopped and stemmed in their language") {
  const auto analyzer = Make({.korean_dictionary = "", .korean_bigram_weight = 0});
  const Row rows[] = {
      {"The libraries are opening the doors", Language::kEnglish, "librari open door"},
      {"Die Häuser der Städte", Language::kGerman, "haus stadt"},
      {"l’eau d'Orange", Language::kFrench, "eau orang"},
      {"Ankara'da İSTANBUL ve IŞIK", Language::kTurkish, "ankar istanbul ışık"},
      {"Библиотеки открываются", Language::kRussian, "библиотек открыва"},
      {"Libraries в России", Language::kRussian, "librari росс"},
      {"Thư viện", Language::kVietnamese, "thư viện"},
      {"Libraries", Language::kOther, "libraries"},
      {"Libraries 1,000 3.14", Language::kKorean, "librari 1000 3.14"},
      {"ＦａｓｔＡＰＩ", Language::kOther, "fastapi fast api"},
  };
  CheckForms(*analyzer, rows);
}

TEST_CASE("Hindi keeps its marks") {
  const auto analyzer = Make({});
  const auto forms = analyzer->Forms("हिन्दी", Language::kHindi);
  REQUIRE(forms.size() == 1);
  CHECK(forms[0].find("ि") != std::string::npos);
  CHECK(forms[0].find("्") != std::string::npos);
  CHECK(analyzer->Forms("काला", Language::kHindi) != analyzer->Forms("कला", Language::kHindi));
}

TEST_CASE("Identifiers give the whole and their parts") {
  const auto analyzer = Make({});
  const Row rows[] = {
      {"response_model", Language::kEnglish, "response_model respons model"},
      {"HTTPServerError", Language::kEnglish, "httpservererror http server error"},
      {"fastapi.testclient", Language::kEnglish, "fastapi.testclient fastapi testclient"},
      {"OAuth2PasswordBearer", Language::kEnglish, "oauth2passwordbearer auth2 password bearer"},
      {"HTTP", Language::kEnglish, "http"},
  };
  CheckForms(*analyzer, rows);
}

TEST_CASE("Han and Kana give characters and bigrams; Thai gives words") {
  const auto analyzer = Make({});
  const Row rows[] = {
      {"東京に行く", Language::kJapanese, "東 京 東京 に 京に 行 に行 く 行く"},
      {"图书馆。书", Language::kChinese, "图 书 图书 馆 书馆 书"},
      {"ภาษาไทย", Language::kThai, "ภาษา ไทย"},
  };
  CheckForms(*analyzer, rows);
}

TEST_CASE("Korean gives stems without particles and endings") {
  const std::string dictionary = TestDictionary("Korean morphemes");
  if (dictionary.empty()) return;
  const auto analyzer = Make({.korean_dictionary = dictionary, .korean_bigram_weight = 0});
  CHECK(analyzer->has_korean_dictionary());
  const Row rows[] = {
      {"도서관에서 책을 빌렸다", Language::kKorean, "도서관 책 빌리"},
      {"의존성을 주입하는 방법", Language::kKorean, "의존 성 주입 방법"},
      {"아름다운 나라였습니다", Language::kKorean, "아름답 나라"},
      {"할 수 있는 것", Language::kKorean, ""},
      {"FastAPI에서 Depends를 씁니다", Language::kKorean, "fastapi fast api depend 쓰"},
      {"뷁쀍에서", Language::kKorean, "뷁 쀍"},
      {"3개", Language::kKorean, "3 개"},
  };
  CheckForms(*analyzer, rows);
  // The same in an English text; bigrams stay apart from words of two syllables.
  CHECK(Join(analyzer->Forms("see 도서관에서\nthe end", Language::kEnglish), " ") ==
        "see end 도서관");
  const auto with = Make({.korean_dictionary = dictionary});
  CHECK(Join(with->Forms("학교가", Language::kKorean), " ") == "~학교 ~교가 학교");
}

TEST_CASE("Japanese gives dictionary forms beside the bigrams, Chinese only bigrams") {
  const std::string folder = JapaneseTestDictionary("Japanese morphemes");
  if (folder.empty()) return;
  const auto analyzer = Make({.korean_dictionary = "", .japanese_dictionary = folder});
  CHECK(analyzer->has_japanese_dictionary());
  const auto morphemes = [&](std::string_view text, Language language) {
    std::vector<std::string> out;
    for (const std::string& form : analyzer->Forms(text, language)) {
      if (form.starts_with('~')) out.push_back(form.substr(1));
    }
    return Join(out, " ");
  };
  CHECK(morphemes("図書館で本を借りました。", Language::kJapanese) == "図書館 本 借りる");
  CHECK(morphemes("図書館で本を借りました。", Language::kEnglish) == "図書館 本 借りる");
  CHECK(morphemes("東京の人口", Language::kJapanese) == "東京 人口");
  CHECK(morphemes("東京人口", Language::kJapanese) == "東京 人口");
  CHECK(morphemes("图书馆在哪里", Language::kChinese) == "");
  CHECK(analyzer->fingerprint() != Make({})->fingerprint());
}

TEST_CASE("Without a dictionary a table strips particles") {
  struct Word {
    std::string_view word;
    std::string_view want;
  };
  const Word words[] = {{"도서관에서", "도서관"}, {"사용자에게는", "사용자"}, {"책을", "책"},
                        {"주입하는", "주입"},     {"설명합니다", "설명"},     {"은", "은"},
                        {"에서", "에서"},         {"도서관", "도서관"}};
  for (const Word& w : words) CHECK(StripKoreanEnding(w.word) == w.want);
  for (const std::string noun : {"회의", "나이", "고양이", "도서관", "서울", "국가", "책"}) {
    for (const char* particle : {"는", "에서", "으로", "까지는", "의"}) {
      CHECK(StripKoreanEnding(noun + particle) == StripKoreanEnding(noun));
    }
  }
  const auto analyzer = Make({});
  CHECK_FALSE(analyzer->has_korean_dictionary());
  CHECK(Join(analyzer->Forms("책을", Language::kKorean), " ") == "책 ~책을");
}

TEST_CASE("Decomposed text gives the terms of composed text") {
  const auto nfc = SharedFile("NFD equals NFC", "data/unicode/kor-nfc.txt");
  const auto nfd = SharedFile("NFD equals NFC", "data/unicode/kor-nfd.txt");
  const auto same = [](const std::vector<Term>& a, const std::vector<Term>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Term& x, const Term& y) {
      return x.id == y.id && x.weight == y.weight;
    });
  };
  const auto analyzer = Make({.korean_dictionary = TestDictionary("NFD with mecab-ko-dic")});
  CHECK(same(
      analyzer->Analyze("한글 café", Language::kKorean),
      analyzer->Analyze("\u1112\u1161\u11ab\u1100\u1173\u11af cafe\u0301", Language::kKorean)));
  if (!nfc.ok() || !nfd.ok()) return;
  CHECK(same(analyzer->Analyze(nfc.value().bytes(), Language::kKorean),
             analyzer->Analyze(nfd.value().bytes(), Language::kKorean)));
}

void CheckTerms(const Analyzer& analyzer, std::string_view text, Language language) {
  const auto terms = analyzer.Analyze(text, language);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    REQUIRE(terms[i].weight > 0);
    if (i > 0) REQUIRE(terms[i - 1].id < terms[i].id);
  }
  const auto again = analyzer.Analyze(text, language);
  REQUIRE(again.size() == terms.size());
  for (std::size_t i = 0; i < terms.size(); ++i) {
    REQUIRE(again[i].id == terms[i].id);
    REQUIRE(again[i].weight == terms[i].weight);
  }
}

TEST_CASE("Any bytes give sorted, unique, repeatable terms, on many threads") {
  const auto analyzer = Make({.korean_dictionary = TestDictionary("random bytes, mecab-ko-dic")});
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    static constexpr std::string_view kPieces[] = {
        "도서관에서", " ",    "\n",          "Fast",   "API",
        "_",          ".",    "'",           "東京",   "ー",
        "ไทย",        "\xff", "\xed\xa0",    "न्",      "́",
        "3",          ",",    "ㅋㅋ",        "\u1100", std::string_view("\0", 1),
        "İ",          "ß",    "👩‍💻", "가"};
    for (int i = 0; i < 500; ++i) {
      std::string text;
      for (unsigned n = random() % 40; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
      CheckTerms(*analyzer, text, static_cast<Language>(random() % 24));
    }
  };
  std::thread other(work, 1);
  work(2);
  other.join();
}

TEST_CASE("A megabyte of one kind is analysed") {
  const auto analyzer = Make({.korean_dictionary = TestDictionary("a megabyte, mecab-ko-dic")});
  for (const std::string_view piece :
       {"가", "한국어를", "a", "a.", "a'", "_", "東", "ไ", "́", "1,", "\xff", "न्", "aB", "ㅋ"}) {
    std::string text = "x";
    while (text.size() < (1u << 20)) text += piece;
    CAPTURE(piece);
    CheckTerms(*analyzer, text, Language::kKorean);
  }
}

TEST_CASE("A folder that is no dictionary is refused by name; options change the fingerprint") {
  const auto bad_japanese =
      Analyzer::Create({.korean_dictionary = "", .japanese_dictionary = "/nonexistent"});
  CHECK(bad_japanese.error().code() == Code::kUnavailable);
  const auto bad = Analyzer::Create({.korean_dictionary = "/nonexistent"});
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().code() == Code::kUnavailable);
  CHECK(bad.error().message().find("/nonexistent") != std::string::npos);
  CHECK(Make({})->fingerprint() == Make({})->fingerprint());
  CHECK(Make({})->fingerprint() !=
        Make({.korean_dictionary = "", .cjk_unigram_weight = 0.25f})->fingerprint());
}

}  // namespace
}  // namespace malmoi::text
