// Goal: every citation's quote is the document's bytes; answers refuse without evidence; a language
// model's claim without support is marked, never numbered.
// Method: small passages, a scripted generator, no embedding model.
#include "rag/answer.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace malmoi;

namespace {

class ScriptedGenerator : public llm::Generator {
 public:
  explicit ScriptedGenerator(std::string script) : script_(std::move(script)) {}
  Result<llm::Generation> Generate(const std::vector<llm::Message>& messages,
                                   const llm::GenerateOptions&,
                                   const std::function<bool(std::string_view)>& on_text) override {
    prompt = messages;
    // Byte by byte: the checker must not depend on how the stream is cut.
    for (const char c : script_) {
      if (!on_text({&c, 1})) return Error(Code::kCancelled, "stopped");
    }
    return llm::Generation{script_, "stop", 0, 0};
  }
  std::string name() const override { return "scripted"; }
  std::size_t context_tokens() const override { return 0; }
  std::size_t CountTokens(std::string_view text) const override { return text.size() / 4; }
  std::vector<llm::Message> prompt;

 private:
  std::string script_;
};

const std::string kDocument =
    "# 도서관 안내\n\n도서관은 월요일에 쉽니다. 평일에는 아침 아홉 시에 문을 엽니다.\n\n"
    "책은 한 사람이 다섯 권까지 두 주 동안 빌릴 수 있습니다.\n\nThe reading room seats forty "
    "people.";

std::vector<rag::Passage> Passages() {
  rag::Passage p;
  p.root = "/r";
  p.path = "guide.md";
  p.version = "v";
  p.heading = "도서관 안내";
  p.start = 0;
  p.end = kDocument.size();
  p.line = 1;
  p.text = kDocument;
  p.score = 1;
  rag::Passage other = p;
  other.path = "other.md";
  other.heading = "주차";
  other.text = "주차장은 도서관 뒤에 있으며 요금은 시간당 천 원입니다.";
  other.end = other.text.size();
  other.score = 0.3f;
  return {p, other};
}

rag::Ports LexicalPorts() {
  rag::Ports ports;
  ports.analyzer = text::Analyzer::Create({}).value();
  return ports;
}

rag::AnswerOptions Korean() {
  rag::AnswerOptions options;
  options.question_language = text::Language::kKorean;
  options.evidence_min = 0.3;
  return options;
}

bool AllQuotesHold(const rag::Answer& answer) {
  return std::all_of(answer.citations.begin(), answer.citations.end(), [](const auto& c) {
    const auto passages = Passages();
    const std::string& text = c.path == "guide.md" ? kDocument : passages[1].text;
    return text.substr(c.start, c.end - c.start) == c.quote;
  });
}

}  // namespace

TEST_CASE("an extractive answer quotes the sentence that answers, with its line") {
  const auto answer = rag::AnswerExtractive(LexicalPorts(), "책은 몇 권까지 빌릴 수 있나요?",
                                            Passages(), Korean(), nullptr);
  REQUIRE(answer.ok());
  const rag::Answer& a = answer.value();
  REQUIRE_FALSE(a.abstained);
  REQUIRE_FALSE(a.citations.empty());
  CHECK(a.citations[0].quote.find("다섯 권") != std::string::npos);
  CHECK(a.citations[0].line == 5);
  CHECK(a.text.find("[1]") != std::string::npos);
  CHECK(AllQuotesHold(a));
}

TEST_CASE("a quote runs on to the end of a short paragraph; a row of a table stands alone") {
  const std::string prose =
      "A loan costs 4,500 won. Members over 75 pay less. The book comes in a week.";
  const std::string table = "| cost of a loan | 388 |\n| cost of events | 204 |";
  rag::Passage p = Passages()[0];
  p.text = prose + "\n\n" + table + "\n\nAnother paragraph is about parking.";
  p.end = p.text.size();
  rag::AnswerOptions options = Korean();
  options.question_language = text::Language::kEnglish;
  options.evidence_min = 0;
  const auto answer =
      rag::AnswerExtractive(LexicalPorts(), "How much does a loan cost?", {p}, options, nullptr);
  REQUIRE(answer.ok());
  std::vector<std::string> quotes;
  for (const auto& c : answer.value().citations) quotes.push_back(c.quote);
  CHECK(std::count(quotes.begin(), quotes.end(), prose) == 1);
  CHECK(std::count(quotes.begin(), quotes.end(), table) == 0);
  CHECK(std::count(quotes.begin(), quotes.end(), "| cost of a loan | 388 |") == 1);
}

TEST_CASE("a question in a document is quoted with what follows it, or not at all") {
  rag::Passage faq = Passages()[0];
  faq.text =
      "May I bring a cup?\n\nPlease do, it is cheaper.\n\nHow do I return a book at night?\n\n"
      "Use the box beside the entrance.\n\nMay I return a book at night by mail?";
  faq.end = faq.text.size();
  rag::AnswerOptions options = Korean();
  options.question_language = text::Language::kEnglish;
  options.evidence_min = 0;
  const auto answer =
      rag::AnswerExtractive(LexicalPorts(), "return a book at night", {faq}, options, nullptr);
  REQUIRE(answer.ok());
  REQUIRE_FALSE(answer.value().citations.empty());
  CHECK(answer.value().citations[0].quote ==
        "How do I return a book at night?\n\nUse the box beside the entrance.");
  for (const auto& c : answer.value().citations) {
    CHECK(c.quote.find("by mail") == std::string::npos);
  }
}

TEST_CASE("a question that the passages do not touch is refused in its language") {
  const auto answer = rag::AnswerExtractive(
      LexicalPorts(), "양자 컴퓨터의 오류 정정 부호는 무엇인가?", Passages(), Korean(), nullptr);
  REQUIRE(answer.ok());
  CHECK(answer.value().abstained);
  CHECK(answer.value().citations.empty());
  CHECK(answer.value().text.find("찾지 못했습니다") != std::string::npos);
}

TEST_CASE("generated sentences are cited when supported and marked when not") {
  auto ports = LexicalPorts();
  const auto generator = std::make_shared<ScriptedGenerator>(
      "책은 다섯 권까지 두 주 동안 빌릴 수 있습니다. [1] 연체료는 하루 백만 달러입니다. [1]");
  ports.generator = generator;
  std::string streamed;
  const auto answer = rag::AnswerGenerated(ports, "책은 몇 권까지 빌릴 수 있나요?", Passages(),
                                           Korean(), [&](std::string_view piece) {
                                             streamed += piece;
                                             return true;
                                           });
  REQUIRE(answer.ok());
  const rag::Answer& a = answer.value();
  CHECK(streamed == a.text);
  REQUIRE(a.citations.size() == 1);
  CHECK(AllQuotesHold(a));
  CHECK(a.text.find("백만 달러입니다. [?]") != std::string::npos);
  // Documents are data: never in the system role, always inside the fence.
  CHECK(generator->prompt[0].content.find("도서관") == std::string::npos);
  CHECK(generator->prompt[1].content.find("<passage-") != std::string::npos);
}

TEST_CASE("a sentence with a number that its source lacks is marked, a repeated one dropped") {
  auto ports = LexicalPorts();
  ports.generator = std::make_shared<ScriptedGenerator>(
      "주차장은 도서관 뒤에 있으며 요금은 시간당 9,000원입니다. [2] 주차장은 도서관 뒤에 있습니다. "
      "[2] 주차장은 도서관 뒤에 있습니다. [2]");
  const auto answer = rag::AnswerGenerated(ports, "도서관 주차장 요금은 얼마인가요?", Passages(),
                                           Korean(), nullptr);
  REQUIRE(answer.ok());
  CHECK(answer.value().text ==
        "주차장은 도서관 뒤에 있으며 요금은 시간당 9,000원입니다. [?] 주차장은 도서관 뒤에 "
        "있습니다. [1]");
}

TEST_CASE("NOT FOUND and answers without any support become a refusal") {
  for (const char* script : {"NOT FOUND", "달은 치즈로 만들어졌다."}) {
    CAPTURE(script);
    auto ports = LexicalPorts();
    ports.generator = std::make_shared<ScriptedGenerator>(script);
    const auto answer = rag::AnswerGenerated(ports, "책은 몇 권까지 빌릴 수 있나요?", Passages(),
                                             Korean(), nullptr);
    REQUIRE(answer.ok());
    CHECK(answer.value().abstained);
    CHECK(answer.value().citations.empty());
  }
}

TEST_CASE("verification drops what the stored bytes do not say") {
  rag::Answer answer;
  answer.text = "가 [1] 나 [2] 다 [3]";
  for (std::uint32_t n = 1; n <= 3; ++n) {
    rag::Citation c;
    c.n = n;
    c.path = n == 3 ? "gone.md" : "a.md";
    c.start = 4;
    c.end = 7;
    c.quote = n == 2 ? "xyz" : "def";
    answer.citations.push_back(c);
  }
  const auto text_of = [](const rag::Citation& c) -> Result<std::string> {
    if (c.path == "gone.md") return Error(Code::kNotFound, "gone");
    return std::string("abc def");
  };
  REQUIRE(rag::VerifyCitations(text_of, &answer).ok());
  REQUIRE(answer.citations.size() == 1);
  CHECK(answer.citations[0].verified);
  CHECK(answer.dropped == 2);
  CHECK(answer.text == "가 [1] 나 다");
}

TEST_CASE("a saved answer reads back; what is no answer is refused") {
  rag::Answer answer;
  answer.question = "q";
  answer.text = "가 [1]";
  rag::Citation c;
  c.n = 1;
  c.path = "a.md";
  c.end = 3;
  c.quote = "가";
  answer.citations.push_back(c);
  const auto back = rag::AnswerFromJson(rag::AnswerToJson(answer));
  REQUIRE(back.ok());
  CHECK(back.value().citations[0].quote == "가");
  CHECK(rag::AnswerToJson(back.value()) == rag::AnswerToJson(answer));
  for (const char* bad : {"", "[]", "{}", R"({"citations":[{"path":"a"}]})"}) {
    CHECK_FALSE(rag::AnswerFromJson(bad).ok());
  }
}
