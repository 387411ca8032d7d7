"""Writes model folders with random weights: a BERT of two layers with a vocabulary of a few words
and a head. Small enough to be made in a test; the same seed gives the same bytes."""
import array
import json
import random
import struct

WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] what is deep learning ? a the cheese made of milk neural "
         "networks with many layers sky blue very good bad film").split()
HIDDEN, LAYERS, HEADS, MIDDLE, POSITIONS = 32, 2, 4, 64, 64


class Weights:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tensors = {}

    def add(self, name, *shape, scale=0.2):
        size = 1
        for n in shape:
            size *= n
        if name.endswith("LayerNorm.weight"):
            values = [1 + self.random.gauss(0, 0.05) for _ in range(size)]
        else:
            values = [self.random.gauss(0, scale) for _ in range(size)]
        self.tensors[name] = (shape, array.array("f", values).tobytes())

    def linear(self, name, out, into):
        self.add(name + ".weight", out, into)
        self.add(name + ".bias", out)

    def norm(self, name):
        self.add(name + ".LayerNorm.weight", HIDDEN)
        self.add(name + ".LayerNorm.bias", HIDDEN)

    def save(self, path):
        header, data = {}, b""
        for name, (shape, values) in self.tensors.items():
            header[name] = {"dtype": "F32", "shape": list(shape),
                            "data_offsets": [len(data), len(data) + len(values)]}
            data += values
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def bert(weights):
    weights.add("bert.embeddings.word_embeddings.weight", len(WORDS), HIDDEN)
    weights.add("bert.embeddings.position_embeddings.weight", POSITIONS, HIDDEN)
    weights.add("bert.embeddings.token_type_embeddings.weight", 2, HIDDEN)
    weights.norm("bert.embeddings")
    for i in range(LAYERS):
        layer = f"bert.encoder.layer.{i}."
        for part in ("query", "key", "value"):
            weights.linear(layer + "attention.self." + part, HIDDEN, HIDDEN)
        weights.linear(layer + "attention.output.dense", HIDDEN, HIDDEN)
        weights.norm(layer + "attention.output")
        weights.linear(layer + "intermediate.dense", MIDDLE, HIDDEN)
        weights.linear(layer + "output.dense", HIDDEN, MIDDLE)
        weights.norm(layer + "output")


def write(folder, kind, labels=(), seed=7):
    """`kind`: "classifier" (a reranker with one label) or "splade"."""
    folder.mkdir()
    weights = Weights(seed)
    bert(weights)
    config = {"model_type": "bert", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
              "num_attention_heads": HEADS, "intermediate_size": MIDDLE, "hidden_act": "gelu",
              "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
              "vocab_size": len(WORDS), "layer_norm_eps": 1e-12, "pad_token_id": 0}
    if kind == "classifier":
        weights.linear("bert.pooler.dense", HIDDEN, HIDDEN)
        weights.linear("classifier", len(labels), HIDDEN)
        config.update(architectures=["BertForSequenceClassification"],
                      id2label={str(i): label for i, label in enumerate(labels)},
                      label2id={label: i for i, label in enumerate(labels)})
    else:
        weights.linear("cls.predictions.transform.dense", HIDDEN, HIDDEN)
        weights.norm("cls.predictions.transform")
        weights.add("cls.predictions.bias", len(WORDS))
        config["architectures"] = ["BertForMaskedLM"]
    weights.save(folder / "model.safetensors")
    special = [{"id": i, "content": WORDS[i], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True} for i in range(5)]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {w: i for i, w in enumerate(WORDS)}}}
    for name, content in (("config.json", config), ("tokenizer.json", tokenizer)):
        (folder / name).write_text(json.dumps(content))
    return folder
