// Any bytes as bodies of the store's requests: parsed, validated, never run.
#include "fuzz/input.h"
#include "json/value.h"
#include "qdrant/parse.h"

using namespace malmoi;

template <class T>
static void Try(const json::Value& value) {
  const auto parsed = qdrant::ReadAs<T>(value);
  if (!parsed.ok()) return;
  qdrant::Checks checks;
  Validate(parsed.value(), "x", &checks);
  (void)checks.Finish("JSON body");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = json::Parse({reinterpret_cast<const char*>(data), size});
  if (!value.ok()) return 0;
  Try<qdrant::UpsertPoints>(value.value());
  Try<qdrant::UpdateOperation>(value.value());
  Try<qdrant::ScrollPoints>(value.value());
  Try<qdrant::QueryPoints>(value.value());
  Try<qdrant::QueryGroups>(value.value());
  Try<qdrant::CreateCollection>(value.value());
  Try<qdrant::UpdateCollection>(value.value());
  qdrant::QueryPoints legacy;
  qdrant::Why why;
  for (const auto kind :
       {qdrant::Legacy::kSearch, qdrant::Legacy::kRecommend, qdrant::Legacy::kDiscover}) {
    (void)qdrant::ReadLegacy(kind, value.value(), &legacy, &why);
  }
  return 0;
}
