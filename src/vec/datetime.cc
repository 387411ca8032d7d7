#include <optional>

#include "vec/filter.h"

namespace malmoi::vec {
namespace {

// Takes exactly `digits` digits off the front.
std::optional<std::int64_t> TakeNumber(std::string_view* rest, std::size_t digits) {
  if (rest->size() < digits) return std::nullopt;
  std::int64_t n = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = (*rest)[i];
    if (c < '0' || c > '9') return std::nullopt;
    n = n * 10 + (c - '0');
  }
  rest->remove_prefix(digits);
  return n;
}

bool TakeChar(std::string_view* rest, std::string_view any_of) {
  if (rest->empty() || any_of.find(rest->front()) == std::string_view::npos) return false;
  rest->remove_prefix(1);
  return true;
}

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant,
// "chrono-compatible low-level date algorithms").
std::int64_t Days(std::int64_t y, std::int64_t m, std::int64_t d) {
  y -= m <= 2 ? 1 : 0;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t of_era = y - era * 400;
  const std::int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

std::int64_t DaysOfMonth(std::int64_t y, std::int64_t m) {
  const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  constexpr std::int64_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return m == 2 && leap ? 29 : kDays[m - 1];
}

std::optional<std::int64_t> TakeDate(std::string_view* rest) {
  const auto year = TakeNumber(rest, 4);
  if (!year || !TakeChar(rest, "-")) return std::nullopt;
  const auto month = TakeNumber(rest, 2);
  if (!month || *month < 1 || *month > 12 || !TakeChar(rest, "-")) return std::nullopt;
  const auto day = TakeNumber(rest, 2);
  if (!day || *day < 1 || *day > DaysOfMonth(*year, *month)) return std::nullopt;
  return Days(*year, *month, *day);
}

// HH:MM[:SS[.f]] in microseconds; further digits of the fraction are dropped.
std::optional<std::int64_t> TakeTime(std::string_view* rest) {
  const auto hour = TakeNumber(rest, 2);
  if (!hour || *hour > 23 || !TakeChar(rest, ":")) return std::nullopt;
  const auto minute = TakeNumber(rest, 2);
  if (!minute || *minute > 59) return std::nullopt;
  std::int64_t micros = (*hour * 3600 + *minute * 60) * 1'000'000;
  if (!TakeChar(rest, ":")) return micros;
  const auto second = TakeNumber(rest, 2);
  if (!second || *second > 60) return std::nullopt;
  micros += *second * 1'000'000;
  if (!TakeChar(rest, ".")) return micros;
  std::int64_t unit = 100'000;
  auto digit = TakeNumber(rest, 1);
  if (!digit) return std::nullopt;
  for (; digit; digit = TakeNumber(rest, 1)) {
    micros += *digit * unit;
    unit /= 10;
  }
  return micros;
}

// Z, +HH:MM, +HHMM or +HH in microseconds east of Greenwich; 0 where there is none.
std::optional<std::int64_t> TakeZone(std::string_view* rest) {
  if (rest->empty() || TakeChar(rest, "Zz")) return 0;
  const bool west = rest->front() == '-';
  if (!TakeChar(rest, "+-")) return std::nullopt;
  const auto hours = TakeNumber(rest, 2);
  if (!hours || *hours > 23) return std::nullopt;
  std::int64_t minutes = *hours * 60;
  if (!rest->empty()) {
    TakeChar(rest, ":");
    const auto more = TakeNumber(rest, 2);
    if (!more || *more > 59) return std::nullopt;
    minutes += *more;
  }
  return (west ? -minutes : minutes) * 60'000'000;
}

}  // namespace

std::optional<std::int64_t> ParseDatetime(std::string_view text) {
  const auto days = TakeDate(&text);
  if (!days) return std::nullopt;
  const std::int64_t date = *days * 86'400'000'000;
  if (text.empty()) return date;
  if (!TakeChar(&text, "Tt ")) return std::nullopt;
  const auto time = TakeTime(&text);
  if (!time) return std::nullopt;
  if (text.starts_with(' ')) text.remove_prefix(1);
  const auto zone = TakeZone(&text);
  if (!zone || !text.empty()) return std::nullopt;
  return date + *time - *zone;
}

}  // namespace malmoi::vec
