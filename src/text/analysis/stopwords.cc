#include <unordered_set>

#include "text/analysis/stopwords_internal.h"

namespace malmoi::text {
namespace {

constexpr std::string_view kEnglish =
    "a an and are as at be been but by for from has have had he her his if in into is it its of on "
    "or not no she so such than that the their then there these they this those to was we were "
    "which who will with would you your what when where how why do does did can could should "
    "about after also any because before between both during each i me my our us them him more "
    "most other over same some through under until up very while whom am being having";
// What Lucene's English analyser drops: longer lists cost recall in questions about small words.
constexpr std::string_view kEnglishStop =
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with";
constexpr std::string_view kGerman =
    "der die das den dem des ein eine einer eines einem einen und oder aber nicht ist sind war "
    "waren wird werden wurde wurden hat haben hatte hatten sein seine seiner seinem seinen ihr "
    "ihre ihrer ihren ihrem er sie es wir ich du man sich auf aus bei bis für gegen in im ins mit "
    "nach ohne über um unter von vom vor zu zum zur an am als auch dass daß wenn weil wie was wer "
    "wo welche welcher welches wann warum durch noch nur so sehr kann können dieser diese dieses "
    "diesem diesen zwischen viele viel wieviele welchen welchem";
constexpr std::string_view kFrench =
    "le la les un une des du de d l et ou mais ne pas est sont était étaient être a ont avait au "
    "aux ce cet cette ces il elle ils elles je tu nous vous on se s sa son ses leur leurs dans en "
    "par pour sur sous avec sans que qu qui quoi dont où quand comment pourquoi quel quelle quels "
    "quelles comme plus n y c j m t été fait après entre aussi";
constexpr std::string_view kSpanish =
    "el la los las un una unos unas de del al y o u e pero no es son era eran fue fueron ser ha "
    "han había en con por para sin sobre entre desde hasta que qué quién quien cuál cuando cuándo "
    "como cómo donde dónde se su sus lo le les me mi te tu nos este esta estos estas ese esa eso "
    "más muy también ya si sí a ante porque está están cuánto cuántos";
constexpr std::string_view kItalian =
    "il lo la i gli le un uno una di del dello della dei degli delle d l al allo alla ai agli alle "
    "da dal dallo dalla dai dagli dalle in nel nello nella nei negli nelle con su sul sulla sui "
    "per tra fra e ed o ma non è sono era erano essere ha hanno aveva che chi cui quale quali "
    "quando come dove perché si suo sua suoi sue loro questo questa questi queste anche più se ci "
    "cosa a";
constexpr std::string_view kPortuguese =
    "o a os as um uma uns umas de do da dos das em no na nos nas por pelo pela pelos pelas para "
    "com sem sobre entre até e ou mas não é são era eram foi foram ser tem têm tinha que quem qual "
    "quais quando como onde porque se seu sua seus suas ele ela eles elas este esta isto esse essa "
    "isso ao aos à às mais muito também já você";
constexpr std::string_view kDutch =
    "de het een en of maar niet is zijn was waren wordt worden werd werden heeft hebben had in op "
    "van voor met aan bij door naar uit over om te tot onder tussen als dat die dit deze wat wie "
    "waar wanneer hoe waarom welke er ze zij hij we wij ik je u haar hun ook nog wel kan kunnen "
    "naar geen meer";
constexpr std::string_view kRussian =
    "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по от о из ему "
    "для мы их чем была сам без будто чего раз тоже под будет кто этот того потому этого какой ей "
    "при об это были было был быть есть или которые который которая которых где когда почему "
    "какая какие каком какое сколько до над между также";
constexpr std::string_view kArabic =
    "في من إلى على عن مع أن إن أو و لا ما هل هو هي هم هذا هذه ذلك تلك التي الذي الذين كان كانت "
    "قد لم لن ثم بعد قبل بين كل عند كما حتى إذا كيف متى أين لماذا كم أي به له لها فيها فيه منها "
    "منه عليه وقد وكان وهو وهي وفي ومن لكن غير دون حيث";
constexpr std::string_view kGreek =
    "ο η το οι τα του της των τον την τους τις στο στη στον στην στους στις στα σε και ή αλλά δεν "
    "μη να θα με για από προς κατά μετά χωρίς μεταξύ ως είναι ήταν έχει έχουν είχε που πού ποιος "
    "ποια ποιο ποιοι τι πότε πως πώς γιατί πόσα πόσο αυτό αυτή αυτός αυτά ένα μια μία ένας ενός "
    "μιας έναν κι επίσης όταν αν τη ότι";
constexpr std::string_view kHindi =
    "का के की को में से पर ने है हैं था थे थी और या एक यह ये वह वे इस उस इन उन जो कि भी तो ही हो "
    "कर करने किया गया गई गए जाता लिए साथ तक द्वारा क्या कौन कब कहाँ कहां कैसे क्यों कितने कितना "
    "किस नहीं अपने इसके उनके उसके बाद";
constexpr std::string_view kTurkish =
    "ve veya bir bu şu o da de ki mi mı mu mü için ile gibi kadar daha en çok ne nasıl neden niçin "
    "kim hangi nerede zaman olarak olan oldu olduğu değil var yok ama fakat her ya sonra önce göre "
    "ise tarafından kaç nedir nerede neydi kimdir hangisi hangisidir nelerdir vardı idi etti etmek "
    "ettiği yapılan yılında arasında üzerinde içinde";
constexpr std::string_view kRomanian =
    "și şi sau dar nu este sunt era erau fost fi a al ai ale au avea are în in la de din pe cu "
    "pentru prin despre între fără sub un o unei unui unor cel cea cei cele ce care cine când "
    "cum unde cât câte câți că să se sa său lui ei lor este mai acest această aceste acestea după "
    "ca îi îl";
constexpr std::string_view kVietnamese =
    "và là của có các những được trong cho với không một này đó đã sẽ đang bị bởi từ đến ở về "
    "như khi nào gì ai đâu sao thế người tại theo vào ra trên dưới cũng nhưng hay hoặc thì mà";
constexpr std::string_view kSwedish =
    "och att det som en ett är av för på med den till har de inte om han hon var vid från kan så "
    "men sig eller vad hur när varför vilken vilket under också efter mellan dess denna detta";
constexpr std::string_view kDanish =
    "og at det som en et er af for på med den til har de ikke om han hun var ved fra kan så men "
    "sig eller hvad hvordan hvornår hvorfor hvilken hvilket under også efter mellem dens denne "
    "dette blev være";
constexpr std::string_view kNorwegian =
    "og at det som en et er av for på med den til har de ikke om han hun var ved fra kan så men "
    "seg eller hva hvordan når hvorfor hvilken hvilket under også etter mellom dens denne dette "
    "ble være";
constexpr std::string_view kFinnish =
    "ja on ei että se oli hän mutta joka kun niin myös ovat tai sen mitä miten missä milloin miksi "
    "kuka mikä olla ole olivat jotka jos kuin sekä mukaan tämä tämän";
constexpr std::string_view kHungarian =
    "a az és vagy de nem hogy egy is van volt volna lesz ez ezt azt ki mi mit mikor hol hogyan "
    "miért melyik mint már csak meg még el be után között által szerint voltak vannak amely aki";
constexpr std::string_view kOthers =
    "jest nie się że jak dla oraz jego przez był była być są czy który która które po od do lub "
    "tego gdzie kiedy dlaczego "                                    // Polish.
    "je se že jako pro nebo byl byla jsou který která které také "  // Czech.
    "yang dan di dari untuk dengan adalah ini itu pada tidak akan oleh dalam sebagai bagaimana "
    "apa "                                           // Indonesian, Malay.
    "els les amb però què són aquest aquesta dels "  // Catalan.
    "ir yra kad kaip su bet buvo "                   // Lithuanian.
    "ang ng mga sa ay na ito "                       // Tagalog.
    "na kwa ya wa ni katika "                        // Swahili.
    "и се да за от са че е не на "                   // Bulgarian.
    "आहे आणि च्या छ र मा हरु";                          // Marathi, Nepali.

// What is dropped, where that is not the whole list.
std::string_view Dropped(Language language) {
  switch (language) {
    case Language::kEnglish:
      return kEnglishStop;
    case Language::kVietnamese:
      return {};
    default:
      return FunctionWords(language);
  }
}

using WordSet = std::unordered_set<std::string_view>;

std::array<WordSet, kLanguages> BuildSets() {
  std::array<WordSet, kLanguages> sets;
  for (std::size_t i = 0; i < kLanguages; ++i) {
    std::string_view rest = Dropped(static_cast<Language>(i));
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      sets[i].insert(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return sets;
}

}  // namespace

std::string_view FunctionWords(Language language) {
  switch (language) {
    case Language::kEnglish:
      return kEnglish;
    case Language::kGerman:
      return kGerman;
    case Language::kFrench:
      return kFrench;
    case Language::kSpanish:
      return kSpanish;
    case Language::kItalian:
      return kItalian;
    case Language::kPortuguese:
      return kPortuguese;
    case Language::kDutch:
      return kDutch;
    case Language::kRussian:
      return kRussian;
    case Language::kArabic:
      return kArabic;
    case Language::kGreek:
      return kGreek;
    case Language::kHindi:
      return kHindi;
    case Language::kTurkish:
      return kTurkish;
    case Language::kRomanian:
      return kRomanian;
    case Language::kVietnamese:
      return kVietnamese;
    case Language::kSwedish:
      return kSwedish;
    case Language::kDanish:
      return kDanish;
    case Language::kNorwegian:
      return kNorwegian;
    case Language::kFinnish:
      return kFinnish;
    case Language::kHungarian:
      return kHungarian;
    default:
      return {};
  }
}

std::string_view OtherFunctionWords() {
  return kOthers;
}

bool IsStopWord(std::string_view word, Language language) {
  static const std::array<WordSet, kLanguages> sets = BuildSets();
  return sets[static_cast<std::size_t>(language)].contains(word);
}

}  // namespace malmoi::text
