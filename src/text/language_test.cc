// Goal: questions are told apart by script and paragraphs by function words.
// Method: tables of short questions with a corpus' language, and of paragraphs without one.
#include "text/language.h"

#include <doctest/doctest.h>

#include <string>

namespace malmoi::text {
namespace {

TEST_CASE("DetectLanguage tells short questions apart") {
  struct Row {
    std::string_view text;
    Language fallback;
    Language want;
  };
  const Row rows[] = {
      {"FastAPI에서 Depends를 어떻게 쓰나요?", Language::kEnglish, Language::kKorean},
      {"OAuth2PasswordRequestForm 사용법", Language::kEnglish, Language::kKorean},
      {"회의 일정", Language::kOther, Language::kKorean},
      {"FastAPIでDependsを使うには？", Language::kEnglish, Language::kJapanese},
      {"東京", Language::kJapanese, Language::kJapanese},
      {"東京", Language::kChinese, Language::kChinese},
      {"如何使用依赖注入", Language::kEnglish, Language::kChinese},
      {"What does 안녕하세요 mean in this document?", Language::kKorean, Language::kEnglish},
      {"How do I use Depends?", Language::kKorean, Language::kEnglish},
      {"reset user password", Language::kKorean, Language::kEnglish},
      {"Depends", Language::kKorean, Language::kKorean},
      {"0-dimensional biomaterials lack inductive properties.", Language::kEnglish,
       Language::kEnglish},
      {"wie funktioniert das und warum?", Language::kEnglish, Language::kGerman},
      {"12345", Language::kGerman, Language::kGerman},
      {"", Language::kOther, Language::kOther},
      {"Где находится библиотека?", Language::kEnglish, Language::kRussian},
      {"Πού είναι η βιβλιοθήκη;", Language::kEnglish, Language::kGreek},
      {"أين تقع المكتبة؟", Language::kEnglish, Language::kArabic},
      {"पुस्तकालय कहाँ है?", Language::kEnglish, Language::kHindi},
      {"ห้องสมุดอยู่ที่ไหน", Language::kEnglish, Language::kThai},
      {"Thư viện nằm ở đâu?", Language::kEnglish, Language::kVietnamese},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(LanguageCode(DetectLanguage(row.text, row.fallback)) == LanguageCode(row.want));
  }
}

TEST_CASE("DetectLanguage tells paragraphs apart without a fallback") {
  struct Row {
    std::string_view code;
    std::string_view text;
  };
  const Row rows[] = {
      {"en", "The library opens at nine and the reading room is on the second floor of the house."},
      {"de", "Die Bibliothek öffnet um neun und der Lesesaal ist im zweiten Stock des Hauses."},
      {"fr", "La bibliothèque ouvre à neuf heures et la salle de lecture est au deuxième étage."},
      {"es", "La biblioteca abre a las nueve y la sala de lectura está en el segundo piso."},
      {"it", "La biblioteca apre alle nove e la sala di lettura è al secondo piano della casa."},
      {"pt", "A biblioteca abre às nove e a sala de leitura fica no segundo andar do prédio."},
      {"nl", "De bibliotheek gaat om negen uur open en de leeszaal is op de tweede verdieping."},
      {"ro", "Biblioteca se deschide la ora nouă și sala de lectură este la etajul al doilea."},
      {"tr", "Kütüphane saat dokuzda açılır ve okuma salonu ikinci kattadır, bu çok iyi bir yer."},
      {"sv", "Biblioteket öppnar klockan nio och läsesalen är på andra våningen i huset."},
      {"da", "Biblioteket åbner klokken ni, og læsesalen er på anden sal af huset efter kl. ni."},
      {"fi",
       "Kirjasto avataan kello yhdeksän ja lukusali on toisessa kerroksessa, mutta se on "
       "pieni."},
      {"hu", "A könyvtár kilenckor nyit, és az olvasóterem a második emeleten van."},
      {"und", "Biblioteka jest otwarta od dziewiątej, a czytelnia nie jest duża, że się zmieści."},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(LanguageCode(DetectLanguage(row.text)) == row.code);
  }
}

TEST_CASE("Language codes go there and back") {
  for (int i = 0; i <= static_cast<int>(Language::kHungarian); ++i) {
    const auto language = static_cast<Language>(i);
    CHECK(LanguageFromCode(LanguageCode(language)) == language);
  }
  CHECK(LanguageFromCode("xx") == Language::kOther);
}

TEST_CASE("DetectLanguage takes any bytes") {
  CHECK(DetectLanguage("\xff\xfe\x80", Language::kKorean) == Language::kKorean);
  CHECK(DetectLanguage(std::string(10000, '\xea')) == Language::kOther);
}

}  // namespace
}  // namespace malmoi::text
