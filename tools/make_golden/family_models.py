"""The models that families.py makes: one Case each."""
import dataclasses
import typing

import torch
import torch.nn.functional as F
import transformers as T


def hidden_only(case, model, inputs):
    """Base models: last hidden states, and their pooling by sentence-transformers' rules."""
    x = model(**inputs).last_hidden_state[0]
    return {"hidden": x, "pooled": case.pool(x)[None]}


def logits(case, model, inputs):
    return {"logits": model(**inputs).logits}


def splade(case, model, inputs):
    x = model(**inputs).logits[0]
    return {"sparse": torch.log1p(torch.relu(x)).amax(0)[None]}


def mean(x):
    return F.normalize(x.mean(0), dim=0)


def last(x):
    return F.normalize(x[-1], dim=0)


def cls(x):
    return F.normalize(x[0], dim=0)


@dataclasses.dataclass
class Case:
    name: str
    build: typing.Callable
    layers: typing.Callable
    outputs: typing.Callable = hidden_only
    pool: typing.Callable = mean
    types: bool = False
    padding_inside: bool = False
    lengths: tuple = (1, 2, 7, 19, 30)
    dtype: torch.dtype = torch.float32
    rename: typing.Callable = lambda name: name
    config: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)
    extra: typing.Callable = None
    shards: int = 0
    seed: int = 7


def st(*modules, **configs):
    """modules.json and the folders of sentence-transformers' modules."""
    files = {"modules.json": []}
    for i, (kind, config) in enumerate(modules):
        path = "" if i == 0 else f"{i}_{kind}"
        files["modules.json"].append({"idx": i, "name": str(i), "path": path,
                                      "type": f"sentence_transformers.models.{kind}"})
        if config:
            files[f"{path}/config.json"] = config
    return files


def pooling(mode):
    return st(("Transformer", None), ("Pooling", {"word_embedding_dimension": 36, mode: True}),
              ("Normalize", None))


SMALL = {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3,
         "intermediate_size": 44, "vocab_size": 61, "max_position_embeddings": 40}


def bert(kind, **options):
    return lambda: getattr(T, kind)(T.BertConfig(**(SMALL | options)))


def roberta(kind, config=T.RobertaConfig, **options):
    base = SMALL | {"pad_token_id": 1, "type_vocab_size": 1, "max_position_embeddings": 42}
    return lambda: getattr(T, kind)(config(**(base | options)))


LABELS = {"id2label": {0: "joy", 1: "anger", 2: "슬픔"}, "label2id": {"joy": 0, "anger": 1, "슬픔": 2}}


def legacy(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def bert_cases():
    layers = lambda m: m.base_model.encoder.layer
    yield Case("bert-relu", bert("BertModel", hidden_act="relu", layer_norm_eps=1e-3), layers,
               types=True, dtype=torch.bfloat16)
    yield Case("bert-classifier", bert("BertForSequenceClassification", **LABELS), layers, logits,
               types=True, rename=legacy)
    yield Case("bert-reranker", bert("BertForSequenceClassification", num_labels=1), layers, logits,
               types=True, dtype=torch.float16)
    yield Case("bert-splade", bert("BertForMaskedLM", hidden_act="gelu_new"), layers, splade)
    yield Case("roberta", roberta("RobertaModel"), layers, padding_inside=True, shards=3)
    yield Case("roberta-splade", roberta("RobertaForMaskedLM", tie_word_embeddings=False), layers,
               splade)
    yield Case("xlmr-classifier", roberta("XLMRobertaForSequenceClassification", T.XLMRobertaConfig,
                                          **LABELS), layers, logits, padding_inside=True)
    yield Case("camembert-reranker", roberta("CamembertForSequenceClassification",
                                             T.CamembertConfig, num_labels=1), layers, logits)
    yield Case("electra-classifier",
               lambda: T.ElectraForSequenceClassification(
                   T.ElectraConfig(**(SMALL | LABELS | {"embedding_size": 20}))), layers, logits)


def other_post_norm_cases():
    distil = {"dim": 36, "n_layers": 2, "n_heads": 3, "hidden_dim": 44, "vocab_size": 61,
              "max_position_embeddings": 40}
    layers = lambda m: m.base_model.transformer.layer
    for name, kind, outputs, more in (
            ("distilbert", "DistilBertModel", hidden_only, {}),
            ("distilbert-classifier", "DistilBertForSequenceClassification", logits, LABELS),
            ("distilbert-splade", "DistilBertForMaskedLM", splade, {"activation": "relu"})):
        yield Case(name, lambda kind=kind, more=more: getattr(T, kind)(T.DistilBertConfig(**(distil | more))),
                   layers, outputs)
    layers = lambda m: m.base_model.encoder.layer
    for name, kind, outputs, more in (
            ("mpnet", "MPNetModel", hidden_only, {"layer_norm_eps": 1e-5}),
            ("mpnet-reranker", "MPNetForSequenceClassification", logits, {"num_labels": 1}),
            ("mpnet-splade", "MPNetForMaskedLM", splade, {})):
        base = SMALL | {"max_position_embeddings": 202} | more
        yield Case(name, lambda kind=kind, base=base: getattr(T, kind)(T.MPNetConfig(**base)), layers,
                   outputs, lengths=(1, 3, 20, 200), padding_inside=True)


def modernbert_cases():
    base = SMALL | {"num_hidden_layers": 4, "num_attention_heads": 2, "hidden_size": 32,
                    "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1,
                    "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2, "local_attention": 8}
    layers = lambda m: m.base_model.layers
    old = {"rope_parameters": None, "layer_types": None, "global_attn_every_n_layers": 2,
           "global_rope_theta": 5000.0, "local_rope_theta": 300.0}
    ropes = {"full_attention": {"rope_type": "linear", "factor": 3.0, "rope_theta": 5000.0},
             "sliding_attention": {"rope_type": "default", "rope_theta": 300.0}}
    for name, kind, outputs, more, config in (
            ("modernbert", "ModernBertModel", hidden_only, {"rope_parameters": ropes}, {}),
            ("modernbert-v4", "ModernBertModel", hidden_only,
             {"global_attn_every_n_layers": 2, "global_rope_theta": 5000.0, "local_rope_theta": 300.0,
              "norm_bias": True, "attention_bias": True, "mlp_bias": True,
              "hidden_activation": "silu"}, old),
            ("modernbert-classifier", "ModernBertForSequenceClassification", logits,
             {"classifier_pooling": "mean", "classifier_bias": True} | LABELS, {}),
            ("modernbert-splade", "ModernBertForMaskedLM", splade, {"classifier_activation": "relu"}, {})):
        yield Case(name, lambda kind=kind, more=more: getattr(T, kind)(T.ModernBertConfig(**(base | more))),
                   layers, outputs, lengths=(1, 2, 7, 100), config=config)


def nomic_cases():
    layers = lambda m: m.base_model.layers
    for name, kind, outputs, more in (
            ("nomic", "NomicBertModel", hidden_only, {"layer_norm_eps": 1e-5}),
            ("nomic-classifier", "NomicBertForSequenceClassification", logits, LABELS)):
        yield Case(name, lambda kind=kind, more=more: getattr(T, kind)(T.NomicBertConfig(**(SMALL | more))),
                   layers, outputs, types=True)


YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
        "original_max_position_embeddings": 32}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}


def reranker(case, model, inputs):
    x = model(**inputs).logits[0, -1]
    return {"logits": (x[9] - x[6])[None, None]}


def decoder_cases():
    base = SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
                    "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1,
                    "eos_token_id": 2}
    layers = lambda m: m.base_model.layers
    sliding = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 9}
    score = {"files": {"modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {"idx": 1, "name": "1", "path": "1_LogitScore",
         "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"}],
        "1_LogitScore/config.json": {"true_token_id": 9, "false_token_id": 6}}}
    for name, kind, config, outputs, more, case in (
            ("qwen3", "Qwen3Model", "Qwen3Config", hidden_only, {}, {"shards": 2}),
            ("qwen3-yarn", "Qwen3Model", "Qwen3Config", hidden_only,
             {"rope_parameters": YARN, "attention_bias": True, "use_sliding_window": True} | sliding, {}),
            ("qwen3-reranker", "Qwen3ForCausalLM", "Qwen3Config", reranker,
             {"tie_word_embeddings": True}, score),
            ("qwen3-classifier", "Qwen3ForSequenceClassification", "Qwen3Config", logits,
             {"head_dim": 8} | LABELS, {}),
            ("qwen2", "Qwen2Model", "Qwen2Config", hidden_only, {}, {}),
            ("llama", "LlamaModel", "LlamaConfig", hidden_only, {"rope_parameters": LLAMA3}, {}),
            ("mistral", "MistralModel", "MistralConfig", hidden_only, {"sliding_window": 5}, {}),
            ("gemma3", "Gemma3TextModel", "Gemma3TextConfig", hidden_only,
             {"use_bidirectional_attention": True, "query_pre_attn_scalar": 20} | sliding, {}),
            ("gemma3-causal", "Gemma3TextModel", "Gemma3TextConfig", hidden_only,
             {"num_key_value_heads": 1} | sliding, {})):
        yield Case(name, lambda kind=kind, config=config, more=more:
                   getattr(T, kind)(getattr(T, config)(**(base | more))), layers, outputs, last,
                   lengths=(1, 2, 7, 70), **case)


def cases():
    yield from bert_cases()
    yield from other_post_norm_cases()
    yield from modernbert_cases()
    yield from nomic_cases()
    yield from decoder_cases()
