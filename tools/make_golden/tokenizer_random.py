"""Tokenizers of random components, from a seed: made and trained by the PyPI package, as the text of a
tokenizer.json; and what the package answers to requests. Shared by the differential tool and the golden file."""
import json
import random
import sys

import tokenizers
import tokenizer_texts
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

EXPRESSIONS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$", r"[\r\n]", r"\p{N}{1,3}", r"\d{1,3}(?=(?:\d{3})*\b)", r"[0-9][0-9][0-9]",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r" {2,}", r"\s+", r"\w+|[^\w\s]+", r"(?<=[a-z])(?=[A-Z])", r"\b", r"^.|.$",
    r"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"(?:a|ab)(?:c|bcd)?|x*?y|(?<!a)b", r"[\w&&[^\d_]]+", r"\p{Han}|\p{Hangul}+|\p{Hiragana}*", r"[[:punct:]]|[[:alpha:]]+",
    r"(?i)the|of|[A-F]+", r"\R|\h{2}", r"a*",
]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
TEXTS = tokenizer_texts.texts(4711, 1500)


def normalizer(rng):
    n = normalizers
    one = lambda: rng.choice([
        lambda: n.BertNormalizer(clean_text=rng.random() < 0.7, handle_chinese_chars=rng.random() < 0.7,
                                 strip_accents=rng.choice((None, True, False)), lowercase=rng.random() < 0.6),
        n.NFC, n.NFD, n.NFKC, n.NFKD, n.Lowercase, n.StripAccents, n.Nmt,
        lambda: n.Strip(left=rng.random() < 0.6, right=rng.random() < 0.6),
        lambda: n.Replace(rng.choice((" ", "a", "``", "ing", "\u2581")), rng.choice(("\u2581", "", "xy", " "))),
        lambda: n.Replace(Regex(rng.choice(EXPRESSIONS[4:])), rng.choice((" ", "", "<r>"))),
        lambda: n.Prepend(rng.choice(("\u2581", "ab"))),
    ])()
    roll = rng.random()
    if roll < 0.25:
        return None
    if roll < 0.6:
        return one()
    return n.Sequence([one() for _ in range(rng.randint(2, 3))])


def pre_tokenizer(rng):
    p = pre_tokenizers
    one = lambda: rng.choice([
        p.BertPreTokenizer, p.Whitespace, p.WhitespaceSplit,
        lambda: p.Metaspace(prepend_scheme=rng.choice(("always", "first", "never")), split=rng.random() < 0.8),
        lambda: p.ByteLevel(add_prefix_space=rng.random() < 0.5, use_regex=rng.random() < 0.7),
        lambda: p.Split(Regex(rng.choice(EXPRESSIONS)), rng.choice(BEHAVIORS), rng.random() < 0.3),
        lambda: p.Split(Regex(rng.choice(EXPRESSIONS)), rng.choice(BEHAVIORS), rng.random() < 0.3),
        lambda: p.Split(rng.choice((" ", "a", "\u2581", "in")), rng.choice(BEHAVIORS), rng.random() < 0.3),
        lambda: p.Punctuation(rng.choice(BEHAVIORS)), lambda: p.Digits(rng.random() < 0.5),
        lambda: p.CharDelimiterSplit(rng.choice("a ")), lambda: p.FixedLength(rng.randint(1, 6)), p.UnicodeScripts,
    ])()
    roll = rng.random()
    if roll < 0.1:
        return None
    if roll < 0.6:
        return one()
    return p.Sequence([one() for _ in range(rng.randint(2, 3))])


def model_and_trainer(rng, sizes):
    kind = rng.choice(("bpe", "bpe", "unigram", "wordpiece", "wordlevel"))
    specials = ["[UNK]", "[CLS]", "[SEP]"]
    size = rng.choice(sizes)
    if kind == "bpe":
        prefix = rng.choice((None, None, "##"))
        suffix = rng.choice((None, None, "</w>"))
        options = {k: v for k, v in (("continuing_subword_prefix", prefix), ("end_of_word_suffix", suffix)) if v}
        model = models.BPE(unk_token=rng.choice(("[UNK]", None)), fuse_unk=rng.random() < 0.5,
                           byte_fallback=rng.random() < 0.4, ignore_merges=rng.random() < 0.3, **options)
        alphabet = pre_tokenizers.ByteLevel.alphabet() if rng.random() < 0.5 else []
        return model, trainers.BpeTrainer(vocab_size=size + len(alphabet), special_tokens=specials, initial_alphabet=alphabet,
                                          limit_alphabet=rng.choice((60, 500)), show_progress=False, **options)
    if kind == "unigram":
        return models.Unigram(), trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="[UNK]",
                                                         show_progress=False)
    if kind == "wordpiece":
        model = models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=rng.choice((4, 20, 100)))
        return model, trainers.WordPieceTrainer(vocab_size=size, special_tokens=specials, show_progress=False,
                                                limit_alphabet=rng.choice((60, 500)))
    return models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(vocab_size=size, special_tokens=specials,
                                                                           show_progress=False)


def post_processor(rng):
    p = processors
    template = lambda: p.TemplateProcessing(
        single=rng.choice(("[CLS] $A [SEP]", "$A", "$A:3 [SEP]:3 [CLS]:2", "[CLS] [CLS] $0")),
        pair=rng.choice(("[CLS] $A [SEP] $B:1 [SEP]:1", "$B:2 [SEP] $A:1", "$A $B")),
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    one = lambda: rng.choice([
        template, lambda: p.BertProcessing(("[SEP]", 2), ("[CLS]", 1)),
        lambda: p.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1), trim_offsets=rng.random() < 0.7,
                                    add_prefix_space=rng.random() < 0.5),
        lambda: p.ByteLevel(trim_offsets=rng.random() < 0.7, add_prefix_space=rng.random() < 0.5),
    ])()
    roll = rng.random()
    if roll < 0.2:
        return None
    return one() if roll < 0.8 else p.Sequence([p.ByteLevel(trim_offsets=True), rng.choice((template, one))()])


def decoder(rng):
    d = decoders
    one = lambda: rng.choice([
        lambda: d.WordPiece(prefix="##", cleanup=rng.random() < 0.5), d.ByteLevel, d.ByteFallback, d.Fuse,
        lambda: d.Metaspace(prepend_scheme=rng.choice(("always", "never"))),
        lambda: d.Replace(rng.choice(("\u2581", "a", "##")), rng.choice((" ", ""))),
        lambda: d.Replace(Regex(rng.choice(EXPRESSIONS[4:])), rng.choice((" ", ""))),
        lambda: d.Strip(rng.choice(" a\u2581"), rng.randint(0, 1), 0), lambda: d.BPEDecoder("</w>"),
        lambda: d.CTC(pad_token="[SEP]", word_delimiter_token="a", cleanup=rng.random() < 0.5),
    ])()
    roll = rng.random()
    if roll < 0.15:
        return None
    return one() if roll < 0.7 else d.Sequence([one() for _ in range(rng.randint(2, 4))])


def added_tokens(rng):
    names = ["<mask>", "the", "[sep]", "\u2581of", "서울", "ÄB", "ing", "<s>", " of", "1 2", "e\u0301"]
    return [tokenizers.AddedToken(name, single_word=rng.random() < 0.3, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3,
                                  normalized=rng.random() < 0.5, special=rng.random() < 0.5)
            for name in rng.sample(names, rng.randint(0, 4))]


def tokenizer(seed, sizes=(120, 300, 900)):
    """None where the package itself cannot train or read what the seed gives."""
    rng = random.Random(seed)
    model, trainer = model_and_trainer(rng, sizes)
    tok = tokenizers.Tokenizer(model)
    parts = {"normalizer": normalizer(rng), "pre_tokenizer": pre_tokenizer(rng)}
    for name, part in parts.items():
        if part is not None:
            setattr(tok, name, part)
    try:
        tok.train_from_iterator(TEXTS, trainer)
        for name, part in (("post_processor", post_processor(rng)), ("decoder", decoder(rng))):
            if part is not None:
                setattr(tok, name, part)
        source = json.loads(tok.to_str())
        if source["model"]["type"] == "Unigram":
            source["model"]["byte_fallback"] = rng.random() < 0.5
            if source["model"]["byte_fallback"]:
                least = min(score for _, score in source["model"]["vocab"])
                source["model"]["vocab"] += [[f"<0x{b:02X}>", least] for b in range(256) if rng.random() < 0.99]
        elif source["model"]["type"] == "BPE" and source["model"]["byte_fallback"]:
            vocab = source["model"]["vocab"]
            first = max(vocab.values()) + 1
            vocab.update({f"<0x{b:02X}>": first + b for b in range(256)})
        tok = tokenizers.Tokenizer.from_str(json.dumps(source))
        tok.add_tokens(added_tokens(rng))
        return tok.to_str()
    except BaseException as error:  # A Rust panic is no Exception.
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def reference(tok, request):
    """What the package answers to a request; None where it fails."""
    if request.get("max_tokens"):
        tok.enable_truncation(request["max_tokens"], strategy=request.get("cut", "longest_first"),
                              direction="left" if request.get("left") else "right")
    else:
        tok.no_truncation()
    texts = [request["text"]] + ([request["pair"]] if "pair" in request else [])
    try:
        e = tok.encode(*texts, add_special_tokens=not request.get("bare"))
    except BaseException as error:  # A Rust panic is no Exception.
        return None if not isinstance(error, KeyboardInterrupt) else sys.exit(2)
    starts = []
    for text in texts:
        at = [0]
        for c in text:
            at.append(at[-1] + len(c.encode()))
        starts.append(at)
    offsets = []
    for (begin, end), sequence in zip(e.offsets, e.sequence_ids):
        table = starts[sequence or 0]
        if sequence is not None and max(begin, end) >= len(table):
            return None  # Bytes of a prefix or suffix carry the package's offsets past the text.
        offsets += [table[begin], table[end]] if sequence is not None else [begin, end]
    return {"ids": e.ids, "offsets": offsets, "type_ids": e.type_ids, "special": e.special_tokens_mask,
            "decoded": tok.decode(e.ids), "kept": tok.decode(e.ids, skip_special_tokens=False)}


def requests_of(texts, rng):
    """Each text, sometimes with a second one, a limit and options."""
    for text in texts:
        request = {"text": text}
        if rng.random() < 0.25:
            request["pair"] = rng.choice(texts)
        if rng.random() < 0.25:
            request["max_tokens"] = rng.choice((5, 6, 7, 9, 12, 20))
            request["left"] = rng.random() < 0.5
            if "pair" in request and rng.random() < 0.3:
                request["cut"] = rng.choice(("only_first", "only_second"))
        if rng.random() < 0.2:
            request["bare"] = True
        yield request
