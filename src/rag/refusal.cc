#include "rag/refusal_internal.h"

namespace malmoi::rag {

std::string RefusalText(text::Language language) {
  switch (language) {
    case text::Language::kKorean:
      return "문서에서 이 질문의 답을 찾지 못했습니다.";
    case text::Language::kJapanese:
      return "文書の中にこの質問の答えは見つかりませんでした。";
    case text::Language::kChinese:
      return "文档中没有找到这个问题的答案。";
    default:
      return "The documents do not answer this question.";
  }
}

bool SameLanguage(const std::vector<Passage>& passages, text::Language question) {
  if (question == text::Language::kOther) return true;
  std::size_t same = 0;
  for (const Passage& p : passages) same += text::DetectLanguage(p.text, question) == question;
  return same * 2 >= passages.size();
}

}  // namespace malmoi::rag
