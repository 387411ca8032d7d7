#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

// Test binaries whose children are processes of their own image define this hook: it serves and
// exits in a child, and returns in the tests themselves.
__attribute__((weak)) void BeforeTests(int argc, char** argv);

int main(int argc, char** argv) {
  if (BeforeTests != nullptr) BeforeTests(argc, argv);
  return doctest::Context(argc, argv).run();
}
