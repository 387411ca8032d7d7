"""Texts that are hard on a tokenizer, from a seed: shared by the golden file and the differential tool."""
import random

RANGES = {
    "ascii": [(0x20, 0x7E)],
    "controls": [(0x00, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x2028, 0x202F), (0x2060, 0x206F),
                 (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFD)],
    "spaces": [(0x20, 0x20), (0x09, 0x0D), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x3000, 0x3000)],
    "latin": [(0xA1, 0x24F), (0x1E00, 0x1EFF)],
    "marks": [(0x300, 0x36F), (0x483, 0x489), (0x591, 0x5BD), (0x64B, 0x65F), (0x1DC0, 0x1DFF),
              (0x20D0, 0x20F0), (0x302A, 0x302F), (0xFE00, 0xFE0F), (0x1D165, 0x1D169), (0x3099, 0x309A)],
    "hangul": [(0xAC00, 0xD7A3)],
    "jamo": [(0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97C), (0xD7B0, 0xD7FB), (0xFFA0, 0xFFDC)],
    "cjk": [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAD9), (0x20000, 0x20100), (0x2F800, 0x2FA1D)],
    "kana": [(0x3041, 0x3096), (0x30A1, 0x30FE), (0xFF61, 0xFF9F)],
    "indic": [(0x900, 0x97F), (0x980, 0x9FE), (0xB80, 0xBFA), (0xD00, 0xD7F), (0xE01, 0xE5B), (0x1000, 0x109F)],
    "rtl": [(0x5D0, 0x5EA), (0x621, 0x64A), (0xFB1D, 0xFDFB), (0xFE70, 0xFEFC)],
    "emoji": [(0x1F300, 0x1FAFF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF), (0x200D, 0x200D), (0xFE0F, 0xFE0F),
              (0x2600, 0x27BF), (0xA9, 0xA9), (0xAE, 0xAE), (0xE0020, 0xE007F)],
    "compat": [(0x2460, 0x24FF), (0x2100, 0x214F), (0x3200, 0x33FF), (0xFB00, 0xFB06), (0xFF01, 0xFFEE),
               (0x2070, 0x209C), (0x1D400, 0x1D7FF)],
    "punctuation": [(0x2010, 0x2027), (0x2030, 0x205E), (0x3001, 0x3003), (0x3008, 0x3020), (0xA1, 0xBF),
                    (0x2581, 0x2581)],
    "cyrillic_greek": [(0x370, 0x3FF), (0x400, 0x52F), (0x1F00, 0x1FFE)],
    "any": [(0x00, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x323AF), (0xE0000, 0xE01EF), (0xF0000, 0xF00FF)],
}
SPECIALS = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<mask>", "<unk>", "<pad>",
            " <mask>", "  <mask> ", "[sep]", "##ing", " of", "ÄB the", "서울", "\u2581", "\u2581\u2581a", "<0x41>"]
WORDS = ("the of unaffable tokenization don't 3.14 e-mail U.S.A. https://a.b/c?d=e naïve café über İstanbul ẞ ǅ "
         "한국어 임베딩은 어렵다 검색 대한민국의 ㅋㅋㅋㅠㅠ 日本語 東京タワー 人工智能 你好 мир ελληνικά العربية עברית हिन्दी ไทย "
         "👨‍👩‍👧‍👦 🇰🇷 ①② ㈜ ﷺ ﬁ e\u0301 한국 ｶﾞ が").split()


def char(rng, kind):
    first, last = rng.choice(RANGES[kind])
    return chr(rng.randint(first, last))


def text(rng):
    """One random text: words, runs of one script, marks on anything, special tokens."""
    kinds = rng.sample(list(RANGES), rng.randint(1, 4))
    out = []
    for _ in range(rng.randint(1, 12)):
        roll = rng.random()
        if roll < 0.15:
            out.append(rng.choice(WORDS))
        elif roll < 0.22:
            out.append(rng.choice(SPECIALS))
        elif roll < 0.35:
            out.append(char(rng, "spaces") * rng.choice((1, 1, 1, 2, 3)))
        elif roll < 0.45:
            out.append(char(rng, rng.choice(kinds)) + "".join(char(rng, "marks") for _ in range(rng.randint(1, 4))))
        else:
            kind = rng.choice(kinds)
            out.append("".join(char(rng, kind) for _ in range(rng.randint(1, 8))))
    return "".join(out)


def texts(seed, count):
    rng = random.Random(seed)
    return [text(rng) for _ in range(count)]
