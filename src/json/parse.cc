// The only file that sees simdjson: its header costs more than a second to compile.
#include <simdjson.h>

#include "json/value.h"

namespace malmoi::json {
namespace {

// Depth is bounded by the parser (1,024), so recursion is too.
Value Convert(simdjson::dom::element e) {
  switch (e.type()) {
    case simdjson::dom::element_type::ARRAY: {
      std::vector<Value> items;
      items.reserve(simdjson::dom::array(e).size());  // At most 0xFFFFFF is told of longer ones.
      for (const auto item : simdjson::dom::array(e)) items.push_back(Convert(item));
      return Value::Array(std::move(items));
    }
    case simdjson::dom::element_type::OBJECT: {
      std::vector<Value::Member> members;
      for (const auto field : simdjson::dom::object(e)) {
        members.emplace_back(std::string(field.key), Convert(field.value));
      }
      return Value::Object(std::move(members));
    }
    case simdjson::dom::element_type::INT64:
      return Value::Int(std::int64_t(e));
    case simdjson::dom::element_type::UINT64:
      return Value::Uint(std::uint64_t(e));
    case simdjson::dom::element_type::DOUBLE:
      return Value::Double(double(e));
    case simdjson::dom::element_type::STRING:
      return Value::String(std::string(std::string_view(e)));
    case simdjson::dom::element_type::BOOL:
      return Value::Bool(bool(e));
    case simdjson::dom::element_type::NULL_VALUE:
      return {};
  }
  return {};
}

}  // namespace

Result<Value> Parse(std::string_view text) {
  // One parser a thread: its buffers are reused between documents.
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  const auto error = parser.parse(text.data(), text.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return Error(Code::kInvalidArgument,
                 std::string("not valid JSON: ") + simdjson::error_message(error));
  }
  return Convert(root);
}

}  // namespace malmoi::json
