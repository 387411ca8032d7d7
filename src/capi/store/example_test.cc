// Goal: the header's example works as it stands, with nothing but the header and the library.
// Method: a directory of its own; what was written is found again after closing.
#include <malmoi/store.h>

#include <cstdio>
#include <cstdlib>

namespace {

int failures = 0;

void Expect(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

template <class Call>
bool Throws(const Call& call) {
  try {
    call();
  } catch (const malmoi::StoreError& e) {
    return e.what()[0] != '\0';
  }
  return false;
}

void Run(const std::string& directory) {
  {
    malmoi::Store store(directory);
    store.Create("notes", 3, malmoi::Distance::kCosine);
    store.Upsert("notes", {1, 2}, {{1, 0, 0}, {0, 1, 0}}, {R"({"lang":"ko"})", "{}"});
    Expect(Throws([&] { malmoi::Store twice(directory); }), "a directory has one owner");
    Expect(Throws([&] { store.Upsert("notes", {3}, {{1, 0}}); }), "a wrong dimension is an error");
    Expect(Throws([&] { store.Upsert("none", {3}, {{1, 0, 0}}); }), "a missing collection too");
    Expect(Throws([&] { store.Create("notes", 3, malmoi::Distance::kDot); }), "names are taken");
  }
  malmoi::Store store(directory);
  const auto hits = store.Search("notes", {1, 0.1f, 0}, {.limit = 5});
  Expect(hits.size() == 2 && hits[0].id == 1 && hits[0].score > 0.99f, "the nearest is first");
  const auto korean =
      store.Search("notes", {0, 1, 0},
                   {.limit = 5, .filter = R"({"must":[{"key":"lang","match":{"value":"ko"}}]})"});
  Expect(korean.size() == 1 && korean[0].id == 1, "a filter holds");
  const std::string page = store.Request("POST", "/collections/notes/points/scroll", R"({})");
  Expect(page.find(R"("lang":"ko")") != std::string::npos, "the rest of the interface answers");
  Expect(Throws([&] { store.Request("POST", "/collections/none/points/scroll", "{}"); }),
         "its errors are errors");
  Expect(store.Request("GET", "/collections").find("notes") != std::string::npos, "GET works");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  Run(argv[1]);
  if (failures == 0) std::puts("ok");
  return failures == 0 ? 0 : 1;
}
