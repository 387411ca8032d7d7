// Goal: every level reads the floats that strtod and a cast give, and stops before what has another
// form, wherever that stands.
// Method: random numbers of all lengths, middles between floats, and each place of a list changed
// to each of some characters, against a slow reading by hand.
#include "kernels/decimals.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "os/cpu_info.h"

using namespace malmoi;

namespace {

// Numbers of the form at the start of a text, each with its comma.
std::vector<float> Slow(const std::string& text) {
  std::vector<float> out;
  for (std::size_t at = 0;;) {
    const std::size_t comma = text.find(',', at);
    if (comma == std::string::npos) return out;
    const std::string number = text.substr(at, comma - at);
    const std::string plain = number.substr(number.starts_with('-') ? 1 : 0);
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const bool formed = plain.size() >= 3 && plain.size() <= 21 && digit(plain[0]) &&
                        plain[1] == '.' && std::all_of(plain.begin() + 2, plain.end(), digit);
    if (!formed) return out;
    out.push_back(static_cast<float>(std::strtod(number.c_str(), nullptr)));
    at = comma + 1;
  }
}

// Reads a list with room around it, again and again from where a reading ended; checks what was
// read, and that it ends before the first number of another form.
std::size_t ReadAll(const std::string& list) {
  const std::string text = std::string(20, ' ') + list + std::string(160, ' ');
  const std::vector<float> expected = Slow(list);
  std::vector<float> out(list.size() + 8);
  const auto read = kernels::ReadDecimals(text, 20, out);
  REQUIRE(read.count <= expected.size());
  for (std::size_t i = 0; i < read.count; ++i) {
    if (std::bit_cast<std::uint32_t>(out[i]) == std::bit_cast<std::uint32_t>(expected[i])) continue;
    FAIL(list << " number " << i);
  }
  const auto commas =
      std::count(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(read.bytes), ',');
  CHECK(static_cast<std::size_t>(commas) == read.count);
  CHECK((read.bytes == 0 || list[read.bytes - 1] == ','));
  return read.count;
}

template <class Run>
void OnEachLevel(Run run) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(os::CpuLevelName(level));
    run();
    os::SetCpuLevelForTest(before);
  }
}

std::string Number(std::mt19937_64& random) {
  char text[64];
  const double value = static_cast<double>(static_cast<std::int64_t>(random())) * 0x1p-63;
  const int digits = static_cast<int>(random() % 13) + 1;
  std::snprintf(text, sizeof text, "%.*f,", digits, random() % 4 == 0 ? value * 9 : value);
  return text;
}

}  // namespace

TEST_CASE("lists of decimals are read as strtod reads them") {
  OnEachLevel([] {
    std::mt19937_64 random(1);
    std::size_t read = 0, given = 0;
    for (int round = 0; round < 20'000; ++round) {
      std::string list;
      for (int i = 0; i < 16; ++i) list += Number(random);
      read += ReadAll(list);
      given += 16;
    }
    CHECK(read > given - given / 1000);  // But those near a middle, and what comes after them.
    CHECK(ReadAll("0.1,-0.0,0.0,9.9999999999999,-1.0,0.5,1.5,0.25,") == 8);
  });
}

TEST_CASE("numbers of more digits than are read are right or left") {
  OnEachLevel([] {
    std::mt19937_64 random(3);
    std::size_t read = 0, given = 0;
    for (int round = 0; round < 20'000; ++round) {
      std::string list;
      for (int i = 0; i < 8; ++i) {
        const double value = static_cast<double>(static_cast<std::int64_t>(random())) * 0x1p-63;
        char text[64];
        const double scaled = random() % 16 == 0 ? value * 1e-4 : value * 9;
        std::snprintf(text, sizeof text, "%.*f,", static_cast<int>(random() % 8) + 12,
                      random() % 2 == 0 ? static_cast<double>(static_cast<float>(scaled)) : scaled);
        list += text;
      }
      read += ReadAll(list);
      given += 8;
    }
    const bool wide = os::BaseCpuLevel(os::ActiveCpuLevel()) != os::CpuLevel::kScalar;
    CHECK(read > (wide ? given / 2 : 0));
  });
}

TEST_CASE("what is near the middle of two floats is right or left") {
  OnEachLevel([] {
    std::mt19937_64 random(2);
    for (int round = 0; round < 20'000; ++round) {
      std::string list;
      for (int i = 0; i < 4; ++i) {
        const auto f =
            std::bit_cast<float>(static_cast<std::uint32_t>(random() % 0x7200000 + 0x38d00000));
        const double middle = (static_cast<double>(f) + std::nextafter(f, 4.0f)) / 2;
        char text[64];
        std::snprintf(text, sizeof text, "%.*f,", static_cast<int>(random() % 12) + 8,
                      random() % 2 == 0 ? middle : static_cast<double>(f));
        list += text;
      }
      ReadAll(list);
    }
  });
}

TEST_CASE("a list ends before what has another form") {
  OnEachLevel([] {
    const std::string list = "0.125,-0.5,1.0625,-3.9,0.12345678,-0.1234567890123,7.25,0.5,";
    CHECK(ReadAll(list) == 8);
    for (std::size_t at = 0; at < list.size(); ++at) {
      for (const char c : std::string_view("0:/.,-+eE ]x\"\0\xff", 15)) {
        std::string changed = list;
        changed[at] = c;
        ReadAll(changed);
        changed = list;
        changed.insert(at, 1, c);
        ReadAll(changed);
      }
    }
    ReadAll("0.1234567890123456789,-0.1234567890123456789,0.5,0.5,");
    ReadAll("0.123456789012345678x,0.5,0.5,0.5,");
    CHECK(ReadAll("0.12345678901234567890,0.5,0.5,0.5,") == 0);
    CHECK(ReadAll("12.5,0.5,0.5,0.5,") == 0);
    CHECK(ReadAll("0.,0.5,0.5,0.5,") == 0);
    CHECK(ReadAll("") == 0);
  });
}

TEST_CASE("no more is written than there is room for, and nothing beyond the text is read") {
  OnEachLevel([] {
    std::string list;
    for (int i = 0; i < 30; ++i) list += "0.25,";
    for (std::size_t room = 0; room < 20; ++room) {
      std::vector<float> out(room + 1, 7.0f);
      const std::string text = std::string(20, ' ') + list;
      const auto read = kernels::ReadDecimals(text, 20, std::span(out).first(room));
      CHECK(read.count == room);
      CHECK(out[room] == 7.0f);
    }
    for (std::size_t size = 0; size < list.size(); ++size) {  // Exact buffers, for the sanitizer.
      for (const std::size_t at : {std::size_t{0}, std::min<std::size_t>(size, 25)}) {
        const std::vector<char> exact(list.begin(),
                                      list.begin() + static_cast<std::ptrdiff_t>(size));
        std::vector<float> out(40);
        const auto read = kernels::ReadDecimals({exact.data(), size}, at, out);
        CHECK(read.bytes + at <= size);
        for (std::size_t i = 0; i < read.count; ++i) CHECK(out[i] == 0.25f);
      }
    }
  });
}
