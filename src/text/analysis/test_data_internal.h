#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "os/mmap.h"

namespace malmoi::text {

// A file of the shared test data, or nothing (said on stdout) where that data is absent.
inline Result<os::Mmap> SharedFile(const char* test, const std::string& relative) {
  const char* root = std::getenv("MALMOI_SHARED");
  const std::string base = root != nullptr ? root : std::string(MALMOI_SOURCE_DIR) + "/../shared";
  auto file = os::Mmap::Open(base + "/" + relative);
  if (!file.ok()) std::printf("skipped: %s: ../shared is absent\n", test);
  return file;
}

// The Korean dictionary's folder, or "" (said on stdout) where it was not fetched.
inline std::string TestDictionary(const char* test) {
  const char* root = std::getenv("MALMOI_ASSETS");
  const std::string folder =
      (root != nullptr ? std::string(root) : std::string(MALMOI_SOURCE_DIR) + "/build/assets") +
      "/mecab-ko-dic";
  if (os::Mmap::Open(folder + "/sys.dic").ok()) return folder;
  std::printf("skipped: %s: mecab-ko-dic is absent\n", test);
  return {};
}

// The same for IPADIC, which Debian's package installs.
inline std::string JapaneseTestDictionary(const char* test) {
  const std::string folder = "/var/lib/mecab/dic/ipadic-utf8";
  if (os::Mmap::Open(folder + "/sys.dic").ok()) return folder;
  std::printf("skipped: %s: mecab-ipadic-utf8 is not installed\n", test);
  return {};
}

}  // namespace malmoi::text
