#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <string>

#include "text/tokenizer/regex_sets_internal.h"

namespace malmoi::text {
namespace {

constexpr int kLu = U_UPPERCASE_LETTER, kLl = U_LOWERCASE_LETTER, kLm = U_MODIFIER_LETTER,
              kLo = U_OTHER_LETTER, kMn = U_NON_SPACING_MARK, kMc = U_COMBINING_SPACING_MARK,
              kNd = U_DECIMAL_DIGIT_NUMBER, kPd = U_DASH_PUNCTUATION, kPo = U_OTHER_PUNCTUATION,
              kSm = U_MATH_SYMBOL, kSo = U_OTHER_SYMBOL;

// General categories of what Unicode 15.1 and 16 added.
constexpr struct {
  UChar32 first, last;
  int category;
} kNewer[] = {
    {0x897, 0x897, kMn},     {0x1B4E, 0x1B4F, kPo},   {0x1B7F, 0x1B7F, kPo},
    {0x1C89, 0x1C89, kLu},   {0x1C8A, 0x1C8A, kLl},   {0x2427, 0x2429, kSo},
    {0x2FFC, 0x2FFF, kSo},   {0x31E4, 0x31E5, kSo},   {0x31EF, 0x31EF, kSo},
    {0xA7CB, 0xA7CC, kLu},   {0xA7CD, 0xA7CD, kLl},   {0xA7DA, 0xA7DA, kLu},
    {0xA7DB, 0xA7DB, kLl},   {0xA7DC, 0xA7DC, kLu},   {0x105C0, 0x105F3, kLo},
    {0x10D40, 0x10D49, kNd}, {0x10D4A, 0x10D4D, kLo}, {0x10D4E, 0x10D4E, kLm},
    {0x10D4F, 0x10D4F, kLo}, {0x10D50, 0x10D65, kLu}, {0x10D69, 0x10D6D, kMn},
    {0x10D6E, 0x10D6E, kPd}, {0x10D6F, 0x10D6F, kLm}, {0x10D70, 0x10D85, kLl},
    {0x10D8E, 0x10D8F, kSm}, {0x10EC2, 0x10EC4, kLo}, {0x10EFC, 0x10EFC, kMn},
    {0x11380, 0x11389, kLo}, {0x1138B, 0x1138B, kLo}, {0x1138E, 0x1138E, kLo},
    {0x11390, 0x113B5, kLo}, {0x113B7, 0x113B7, kLo}, {0x113B8, 0x113BA, kMc},
    {0x113BB, 0x113C0, kMn}, {0x113C2, 0x113C2, kMc}, {0x113C5, 0x113C5, kMc},
    {0x113C7, 0x113CA, kMc}, {0x113CC, 0x113CD, kMc}, {0x113CE, 0x113CE, kMn},
    {0x113CF, 0x113CF, kMc}, {0x113D0, 0x113D0, kMn}, {0x113D1, 0x113D1, kLo},
    {0x113D2, 0x113D2, kMn}, {0x113D3, 0x113D3, kLo}, {0x113D4, 0x113D5, kPo},
    {0x113D7, 0x113D8, kPo}, {0x113E1, 0x113E2, kMn}, {0x116D0, 0x116E3, kNd},
    {0x11BC0, 0x11BE0, kLo}, {0x11BE1, 0x11BE1, kPo}, {0x11BF0, 0x11BF9, kNd},
    {0x11F5A, 0x11F5A, kMn}, {0x13460, 0x143FA, kLo}, {0x16100, 0x1611D, kLo},
    {0x1611E, 0x16129, kMn}, {0x1612A, 0x1612C, kMc}, {0x1612D, 0x1612F, kMn},
    {0x16130, 0x16139, kNd}, {0x16D40, 0x16D42, kLm}, {0x16D43, 0x16D6A, kLo},
    {0x16D6B, 0x16D6C, kLm}, {0x16D6D, 0x16D6F, kPo}, {0x16D70, 0x16D79, kNd},
    {0x18CFF, 0x18CFF, kLo}, {0x1CC00, 0x1CCEF, kSo}, {0x1CCF0, 0x1CCF9, kNd},
    {0x1CD00, 0x1CEB3, kSo}, {0x1E5D0, 0x1E5ED, kLo}, {0x1E5EE, 0x1E5EF, kMn},
    {0x1E5F0, 0x1E5F0, kLo}, {0x1E5F1, 0x1E5FA, kNd}, {0x1E5FF, 0x1E5FF, kPo},
    {0x1F8B2, 0x1F8BB, kSo}, {0x1F8C0, 0x1F8C1, kSo}, {0x1FA89, 0x1FA89, kSo},
    {0x1FA8F, 0x1FA8F, kSo}, {0x1FABE, 0x1FABE, kSo}, {0x1FAC6, 0x1FAC6, kSo},
    {0x1FADC, 0x1FADC, kSo}, {0x1FADF, 0x1FADF, kSo}, {0x1FAE9, 0x1FAE9, kSo},
    {0x1FBCB, 0x1FBEF, kSo}, {0x2EBF0, 0x2EE5D, kLo},
};

// The characters whose general category is in `mask`.
void SetCategories(std::uint32_t mask, icu::UnicodeSet* set) {
  UErrorCode error = U_ZERO_ERROR;
  set->applyIntPropertyValue(UCHAR_GENERAL_CATEGORY_MASK, static_cast<std::int32_t>(mask), error);
  for (const auto& range : kNewer) {
    if ((mask & U_MASK(range.category)) != 0) {
      set->add(range.first, range.last);
    } else {
      set->remove(range.first, range.last);
    }
  }
  // Its category changed after Unicode 15.
  set->remove(0x1171E);
  if ((mask & U_GC_MC_MASK) != 0) set->add(0x1171E);
}

void AddCategories(std::uint32_t mask, icu::UnicodeSet* set) {
  icu::UnicodeSet more;
  SetCategories(mask, &more);
  set->addAll(more);
}

void SetBinary(UProperty property, icu::UnicodeSet* set) {
  UErrorCode error = U_ZERO_ERROR;
  set->applyIntPropertyValue(property, 1, error);
}

void SetAlphabetic(icu::UnicodeSet* set) {
  SetBinary(UCHAR_ALPHABETIC, set);
  // Marks that are alphabetic since Unicode 15.1 and 16.
  constexpr UChar32 kMarks[][2] = {
      {0x363, 0x36F},     {0x897, 0x897},     {0x1DD3, 0x1DE6},   {0x10D69, 0x10D69},
      {0x10EFC, 0x10EFC}, {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5},
      {0x113C7, 0x113CA}, {0x113CC, 0x113CD}, {0x1611E, 0x1612E},
  };
  for (const auto& range : kMarks) set->add(range[0], range[1]);
  AddCategories(U_GC_L_MASK | U_GC_NL_MASK, set);
}

bool SetPosix(const std::string& name, bool in_set, icu::UnicodeSet* set) {
  if (name == "word") {
    SetBinary(UCHAR_ALPHABETIC, set);
    AddCategories(U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK, set);
    // By itself it takes its answers for Latin-1 from an older table, which has these.
    if (!in_set) set->add(0xB2, 0xB3).add(0xB9).add(0xBC, 0xBE);
  } else if (name == "space") {
    SetBinary(UCHAR_WHITE_SPACE, set);
  } else if (name == "digit") {
    SetCategories(U_GC_ND_MASK, set);
  } else if (name == "xdigit") {
    set->set('0', '9').add('a', 'f').add('A', 'F');
  } else if (name == "alpha") {
    SetAlphabetic(set);
  } else if (name == "alnum") {
    SetAlphabetic(set);
    AddCategories(U_GC_ND_MASK, set);
  } else if (name == "punct") {
    SetCategories(U_GC_P_MASK | U_GC_S_MASK, set);
  } else if (name == "lower") {
    SetBinary(UCHAR_LOWERCASE, set);
    AddCategories(U_GC_LL_MASK, set);
  } else if (name == "upper") {
    SetBinary(UCHAR_UPPERCASE, set);
    AddCategories(U_GC_LU_MASK, set);
  } else if (name == "cntrl") {
    SetCategories(U_GC_CC_MASK, set);
  } else if (name == "blank") {
    SetCategories(U_GC_ZS_MASK, set);
    set->add('\t');
  } else if (name == "graph" || name == "print") {
    SetCategories(U_GC_CC_MASK | U_GC_CN_MASK | U_GC_CS_MASK, set);
    if (name == "graph") {
      icu::UnicodeSet space;
      SetBinary(UCHAR_WHITE_SPACE, &space);
      set->addAll(space);
    } else {
      set->add(0x2028, 0x2029);
    }
    set->complement();
  } else if (name == "ascii") {
    set->set(0, 127);
  } else if (name == "any") {
    set->set(0, 0x10FFFF);
  } else if (name == "assigned") {
    SetCategories(U_GC_CN_MASK, set);
    set->complement();
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool FindRegexProperty(std::string_view name, bool in_set, icu::UnicodeSet* set) {
  set->clear();
  std::string loose;  // Without case, spaces, hyphens and underscores.
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    loose += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  if (SetPosix(loose, in_set, set)) return true;
  const std::string full(name);
  const std::int32_t mask = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, full.c_str());
  if (mask > 0) {
    SetCategories(static_cast<std::uint32_t>(mask), set);
    return true;
  }
  UErrorCode error = U_ZERO_ERROR;
  set->applyPropertyAlias(icu::UnicodeString::fromUTF8(full), icu::UnicodeString(), error);
  return U_SUCCESS(error) != 0;
}

}  // namespace malmoi::text
