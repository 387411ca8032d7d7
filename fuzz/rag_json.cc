// Saved answers and search requests.
#include "fuzz/input.h"
#include "json/value.h"
#include "rag/answer.h"
#include "rag/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace rag = malmoi::rag;
  const std::string_view bytes = FuzzInput(data, size);
  if (const auto answer = rag::AnswerFromJson(bytes); answer.ok()) {
    const std::string text = rag::AnswerToJson(answer.value());
    const auto again = rag::AnswerFromJson(text);
    Expect(again.ok() && rag::AnswerToJson(again.value()) == text);
  }
  const auto value = malmoi::json::Parse(bytes);
  if (!value.ok()) return 0;
  if (const auto request = rag::ParseSearchRequest(value.value()); request.ok()) {
    static_cast<void>(rag::ToRetrieveOptions(request.value()));
    Expect(malmoi::json::Parse(rag::ToJson(request.value())).ok());
  }
  return 0;
}
