#include "embed/samples.h"

namespace malmoi::embed {
namespace {

constexpr std::string_view kTexts[] = {
    "The town library opens at nine and lends books, maps and films to everyone who lives nearby. "
    "In winter the reading room is warm, and students stay until the evening.",
    "Vaccination lowered the number of infections among the patients by 40 percent; the effect was "
    "larger in older adults and lasted for two years.",
    "To start the server, set the port in config.yaml and run `make install && ./server "
    "--port=8080`. It returns HTTP 404 if the file does not exist.",
    "Who wrote the first history of the war, and in which year did it end?",
    "Der Fluss entspringt in den Bergen und fließt durch drei Länder ins Meer. Im 19. Jahrhundert "
    "wurde er begradigt, damit größere Schiffe fahren können.",
    "Le musée, fondé en 1887 par un médecin, présente des tableaux et des outils de la vie "
    "quotidienne. L'entrée est gratuite le premier dimanche du mois.",
    "La empresa anunció que abrirá una nueva fábrica cerca del puerto, donde trabajarán más de dos "
    "mil personas a partir del próximo año.",
    "Orașul a fost construit pe malul lacului de către negustori, iar biserica veche a fost "
    "refăcută după incendiul din 1715.",
    "A equipe venceu o campeonato pela terceira vez, depois de um jogo difícil em que marcou dois "
    "gols nos últimos minutos.",
    "Şehir, deniz kıyısında kurulmuş eski bir ticaret merkezidir ve her yıl binlerce kişi müzeleri "
    "görmek için buraya gelir.",
    "Thành phố nằm bên bờ sông lớn và có nhiều ngôi chùa cổ. Người dân sống chủ yếu bằng nghề "
    "trồng lúa và đánh bắt cá.",
    "Учёные обнаружили, что растения на севере зацветают раньше, чем сто лет назад. Причиной они "
    "считают более тёплую весну и короткую зиму.",
    "Η γέφυρα χτίστηκε τον δέκατο όγδοο αιώνα και ενώνει το νησί με την ηπειρωτική χώρα. Κάθε "
    "καλοκαίρι την περνούν χιλιάδες επισκέπτες.",
    "تقع المدينة على ساحل البحر، وقد كانت مركزا مهما للتجارة منذ القرن العاشر. يعمل كثير من سكانها "
    "اليوم في السياحة والصيد.",
    "यह नदी पहाड़ों से निकलती है और कई राज्यों से होकर बहती है। किसान इसके पानी से खेतों की सिंचाई करते हैं और "
    "गाँवों में मेले लगते हैं।",
    "พิพิธภัณฑ์แห่งนี้เปิดให้เข้าชมทุกวันยกเว้นวันจันทร์ ภายในมีภาพวาดเก่าและเครื่องมือของชาวนาในอดีต",
    "这座城市位于河流北岸,十二世纪时是重要的贸易中心。今天那里有三所大学,"
    "每年吸引许多外国学生前来学习。",
    "本公司於去年推出新的電動車,電池容量比舊款增加三成,充電時間也縮短了一半。價格尚未公布。",
    "この図書館は一九五〇年に建てられ、町の人々に親しまれてきた。関数に引数を渡すと、結果がリストと"
    "して返されます。",
    "이 도시는 강 북쪽에 자리 잡고 있으며 조선 시대부터 시장이 열리던 곳이다. 오늘날에는 대학교가 "
    "세 곳 있어 학생이 많이 산다.",
    "서버를 시작하려면 설정 파일에서 포트를 지정하고 명령을 실행하세요. 요청 본문이 비어 있으면 "
    "오류를 반환합니다.",
    "The court found that the contract was void because the seller had not told the buyer about "
    "the damage. An appeal must be filed within thirty days.",
    "Returns a list of objects. If `limit` is None, all rows are read; otherwise at most `limit` "
    "rows. Raises ValueError when the argument is negative.",
    "She was born in Boston, studied music with her father and became known for her songs about "
    "the sea, of which about 200 survive.",
    "What is the largest lake in the country, and how deep is it?",
    "Nach dem Spiel sagte der Trainer, die Mannschaft habe in der zweiten Hälfte besser verteidigt "
    "als sonst. Wie viele Tore fielen in dieser Saison?",
    "Quel roi fit construire le château, et combien de soldats y vivaient au Moyen Âge?",
    "La célula es la unidad básica de los seres vivos; contiene material genético y obtiene "
    "energía de los alimentos.",
    "În 1920 populația regiunii era de aproximativ trei milioane de locuitori, dintre care "
    "majoritatea lucrau în agricultură.",
    "Hücreler enerjiyi besinlerden elde eder; bitkiler ise güneş ışığını kullanır. Bu süreç hangi "
    "yüzyılda keşfedildi?",
    "Công ty phần mềm này được thành lập năm 2003 và hiện có khoảng 500 nhân viên làm việc ở ba "
    "nước.",
    "В каком году был основан университет и сколько студентов учится в нём сегодня? Первым его "
    "ректором стал известный математик.",
    "Ποιος κέρδισε τον αγώνα το 1998; Η ομάδα έπαιξε με δέκα παίκτες από το πρώτο ημίχρονο και "
    "νίκησε με δύο γκολ.",
    "من هو الملك الذي بنى القصر، وفي أي عام انتهت الحرب؟ وقع الطرفان اتفاقا أنهى القتال بعد سبع "
    "سنوات.",
    "कंपनी ने पिछले वर्ष दो हज़ार नए कर्मचारी रखे। विश्वविद्यालय की स्थापना किस वर्ष हुई और उसके पहले कुलपति कौन "
    "थे?",
    "ใครเป็นผู้ก่อตั้งมหาวิทยาลัยแห่งนี้ และสงครามสิ้นสุดลงในปีใด กองทัพเดินทางถึงเมืองหลวงในฤดูหนาว",
    "这种病毒主要通过空气传播,医生建议老年人每年接种一次疫苗。哪一年建立了第一座医院?",
    "第二次世界大戰後,政府在島上修建了鐵路與港口,人口從三萬增加到二十萬。誰是當時的總督?",
    "彼は一八七二年に生まれ、物理学を学んだ後、大学の教授となった。戦争が終わったのは何年ですか。",
    "회사는 지난해 매출이 12퍼센트 늘었다고 밝혔다. 전쟁은 몇 년에 끝났으며 그 조약에는 누가 "
    "서명했는가?",
    "함수는 목록을 반환하며, 매개변수를 생략하면 기본값을 사용합니다. 자세한 내용은 아래 예제를 "
    "참고하세요.",
    "設定ファイルを編集してからサーバーを再起動してください。パスが存在しない場合は例外が発生します"
    "。",
};

}  // namespace

std::span<const std::string_view> SampleTexts() {
  return kTexts;
}

std::vector<std::vector<std::int32_t>> SampleIds(const text::Tokenizer& tokenizer) {
  std::vector<std::vector<std::int32_t>> out;
  for (const std::string_view text : kTexts) out.push_back(tokenizer.Encode(text).ids);
  return out;
}

}  // namespace malmoi::embed
