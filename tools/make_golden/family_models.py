"""The models that families.py makes: one Case each."""
import dataclasses
import typing

import torch
import torch.nn.functional as F
import transformers as T
from safetensors.torch import save_file

import own_models


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
    lengths: tuple = (1, 2, 7, 30)
    dtype: torch.dtype = torch.bfloat16
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
               types=True, dtype=torch.float32)
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
        base = SMALL | {"max_position_embeddings": 142} | more
        yield Case(name, lambda kind=kind, base=base: getattr(T, kind)(T.MPNetConfig(**base)), layers,
                   outputs, lengths=(1, 3, 140), padding_inside=True)


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
                   layers, outputs, lengths=(1, 2, 7, 60), config=config)


def nomic_cases():
    layers = lambda m: m.base_model.layers
    for name, kind, outputs, more in (
            ("nomic", "NomicBertModel", hidden_only, {"layer_norm_eps": 1e-5}),
            ("nomic-classifier", "NomicBertForSequenceClassification", logits, LABELS)):
        yield Case(name, lambda kind=kind, more=more: getattr(T, kind)(T.NomicBertConfig(**(SMALL | more))),
                   layers, outputs, types=True)


def older_config_cases():
    """The fields as the published checkpoints have them, before transformers renamed them."""
    layers = lambda m: m.base_model.layers
    gone = {k: None for k in ("hidden_size", "num_attention_heads", "num_hidden_layers",
                              "intermediate_size", "max_position_embeddings", "hidden_act",
                              "layer_norm_eps", "rope_parameters", "head_dim")}
    nomic = {"n_embd": 36, "n_head": 3, "n_layer": 2, "n_inner": 44, "n_positions": 40,
             "activation_function": "swiglu", "layer_norm_epsilon": 1e-5, "rotary_emb_base": 500,
             "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "prenorm": False,
             "rotary_scaling_factor": None, "qkv_proj_bias": False, "use_rms_norm": False}
    yield Case("nomic-own", lambda: T.NomicBertModel(T.NomicBertConfig(**(SMALL | {
        "layer_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}))),
        layers, config=gone | nomic, types=True)
    base = SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
                    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    ropes = {"full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 3000.0},
             "sliding_attention": {"rope_type": "default", "rope_theta": 200.0}}
    yield Case("gemma3-v4", lambda: T.Gemma3TextModel(T.Gemma3TextConfig(**(base | {
        "rope_parameters": ropes, "sliding_window": 6, "sliding_window_pattern": 2}))), layers,
        pool=last, config={"rope_parameters": None, "layer_types": None, "rope_theta": 3000.0,
                           "rope_local_base_freq": 200.0, "sliding_window_pattern": 2,
                           "rope_scaling": {"rope_type": "linear", "factor": 4.0}})
    yield Case("qwen3-v4", lambda: T.Qwen3Model(T.Qwen3Config(**(base | {
        "rope_parameters": YARN | {"rope_theta": 300.0}}))), layers, pool=last,
        config={"rope_parameters": None, "layer_types": None, "rope_theta": 300.0,
                "rope_scaling": {"type": "yarn", "factor": 4.0,
                                 "original_max_position_embeddings": 32}})


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
                   lengths=(1, 2, 7, 50), **case)


def gte_cases():
    layers = lambda m: m.base_model.layers
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 700.0}}
    for name, kind, outputs, more, case in (
            ("gte", "GteModel", hidden_only, rope | {"type_vocab_size": 0}, {}),
            ("gte-reranker", "GteForSequenceClassification", logits, rope | {"num_labels": 1}, {}),
            ("gte-splade", "GteForMaskedLM", splade, rope, {})):
        yield Case(name, lambda kind=kind, more=more: getattr(T, kind)(T.GteConfig(**(SMALL | more))),
                   layers, outputs, **case)


def gte_ntk(factor, mixed):
    """GTE's own checkpoints stretch the rotation; https://kexue.fm/archives/9706."""
    model = T.GteModel(T.GteConfig(**SMALL))
    i = torch.arange(0, 12, 2).float()
    base = 700.0 * (factor if mixed is None else 1)
    inverse = 1.0 / base ** (i / 12)
    if mixed is None:
        inverse = inverse / factor ** (2 / 12)
    else:
        a = torch.tensor(factor).log() / 6**mixed
        inverse = inverse / (a * torch.arange(1, 7).float() ** mixed).exp()
    model.rotary_emb.inv_freq = inverse
    return model


def gte_own_cases():
    for name, factor, mixed in (("gte-ntk", 2.0, None), ("gte-ntk-mixed", 4.0, 0.8)):
        scaling = {"type": "ntk", "factor": factor} | ({"mixed_b": mixed} if mixed else {})
        yield Case(name, lambda factor=factor, mixed=mixed: gte_ntk(factor, mixed),
                   lambda m: m.base_model.layers,
                   config={"model_type": "new", "rope_parameters": None, "rope_theta": 700.0,
                           "rope_scaling": scaling, "position_embedding_type": "rope"})


def jina_cases():
    layers = lambda m: m.encoder["layer"]
    more = {"position_embedding_type": "alibi", "type_vocab_size": 2}
    for name, kind in (("jina-v2", "geglu"), ("jina-v2-reglu", "reglu")):
        yield Case(name, lambda kind=kind: own_models.JinaBert(
            T.BertConfig(**(SMALL | more | {"feed_forward_type": kind}))), layers, types=True)


def deberta_cases():
    base = SMALL | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0,
                    "max_position_embeddings": 128}
    v3 = {"position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
          "position_biased_input": False}
    layers = lambda m: m.base_model.encoder.layer
    for name, kind, outputs, more in (
            ("deberta-v3-classifier", "DebertaV2ForSequenceClassification", logits, v3 | LABELS),
            ("deberta-v3-reranker", "DebertaV2ForSequenceClassification", logits,
             v3 | {"num_labels": 1, "pos_att_type": "p2c|c2p", "pooler_hidden_act": "tanh"}),
            ("deberta-v2", "DebertaV2Model", hidden_only,
             {"max_relative_positions": 20, "embedding_size": 20, "type_vocab_size": 2}),
            ("deberta-c2p", "DebertaV2Model", hidden_only,
             v3 | {"pos_att_type": ["c2p"], "share_att_key": False}),
            ("deberta-splade", "DebertaV2ForMaskedLM", splade, v3)):
        yield Case(name, lambda kind=kind, more=more:
                   getattr(T, kind)(T.DebertaV2Config(**(base | more))), layers, outputs,
                   lengths=(1, 2, 9, 50))


def random(seed, *shape):
    return 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bge_m3(case, model, inputs):
    """FlagEmbedding's three outputs of one pass."""
    x = model(**inputs).last_hidden_state[0]
    ids = inputs["input_ids"][0]
    weights = torch.relu(x @ random(1, 1, 36).T + 0.1)[:, 0]
    sparse = torch.zeros(model.config.vocab_size)
    for token, weight in zip(ids.tolist(), weights):
        if token > 3:
            sparse[token] = torch.maximum(sparse[token], weight)
    tokens = F.normalize(x[1:] @ random(2, 24, 36).T + random(3, 24), dim=1)
    return {"hidden": x, "pooled": cls(x)[None], "sparse": sparse[None], "tokens": tokens}


def bge_m3_files(case, model, out):
    torch.save({"weight": random(1, 1, 36), "bias": torch.tensor([0.1])}, out / "sparse_linear.pt")
    torch.save({"weight": random(2, 24, 36), "bias": random(3, 24)}, out / "colbert_linear.pt")
    return {}


def save(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(arrays, path)


def dense(case, model, inputs):
    """Pooling of two modes, Dense with tanh, LayerNorm, Dense without activation, Normalize."""
    x = model(**inputs).last_hidden_state[0]
    n = torch.arange(1, len(x) + 1)
    pooled = torch.cat([x.sum(0) / len(x) ** 0.5, (x * n[:, None]).sum(0) / n.sum()])
    y = torch.tanh(pooled @ random(4, 20, 72).T + random(5, 20))
    y = F.layer_norm(y, (20,), random(6, 20), random(7, 20))
    return {"pooled": F.normalize(y @ random(8, 9, 20).T, dim=0)[None]}


def dense_files(case, model, out):
    save(out / "2_Dense" / "model.safetensors",
         **{"linear.weight": random(4, 20, 72), "linear.bias": random(5, 20)})
    save(out / "3_LayerNorm" / "model.safetensors",
         **{"norm.weight": random(6, 20), "norm.bias": random(7, 20)})
    torch.save({"linear.weight": random(8, 9, 20)}, out / "4_Dense" / "pytorch_model.bin")
    return {}


def colbert(case, model, inputs):
    x = model(**inputs).last_hidden_state[0]
    return {"tokens": F.normalize(x @ random(9, 12, 36).T, dim=1)}


def colbert_files(case, model, out):
    save(out / "1_Dense" / "model.safetensors", **{"linear.weight": random(9, 12, 36)})
    return {}


def head_cases():
    """What stands on top of the encoder: bge-m3, Dense modules, ColBERT, SPLADE's settings."""
    layers = lambda m: m.base_model.encoder.layer
    identity = "torch.nn.modules.linear.Identity"
    yield Case("bge-m3", roberta("XLMRobertaModel", T.XLMRobertaConfig), layers, bge_m3,
               extra=bge_m3_files,
               files=st(("Transformer", None), ("Pooling", {"pooling_mode": "cls"}), ("Normalize", None)))
    yield Case("bert-dense", bert("BertModel"), layers, dense, extra=dense_files, files=st(
        ("Transformer", None),
        ("Pooling", {"word_embedding_dimension": 36, "pooling_mode_mean_sqrt_len_tokens": True,
                     "pooling_mode_weightedmean_tokens": True, "pooling_mode_mean_tokens": False}),
        ("Dense", {"in_features": 72, "out_features": 20, "bias": True,
                   "activation_function": "torch.nn.modules.activation.Tanh"}),
        ("LayerNorm", {"dimension": 20}),
        ("Dense", {"in_features": 20, "out_features": 9, "bias": False,
                   "activation_function": identity}),
        ("Normalize", None)))
    yield Case("bert-colbert", bert("BertModel"), layers, colbert, extra=colbert_files, files=st(
        ("Transformer", None),
        ("Dense", {"in_features": 36, "out_features": 12, "bias": False,
                   "activation_function": identity})))
    for mode, pool in (("cls_token", cls), ("max_tokens", lambda x: F.normalize(x.amax(0), dim=0)),
                       ("lasttoken", last)):
        yield Case(f"bert-pool-{mode.split('_')[0]}", bert("BertModel"), layers, pool=pool,
                   dtype=torch.float16, files=pooling(f"pooling_mode_{mode}"))


class Static(T.PreTrainedModel):
    """model2vec's table with weights and a map from tokens to rows."""
    config_class = T.PreTrainedConfig

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = torch.nn.Parameter(torch.zeros(40, 16))
        self.weights = torch.nn.Parameter(torch.zeros(61))
        self.register_buffer("mapping", torch.arange(61) * 7 % 40)
        self.layers = torch.nn.ModuleList([torch.nn.Identity()])
        self.post_init()


def static(case, model, inputs):
    ids = inputs["input_ids"][0]
    rows = model.layers[0]((model.embeddings[model.mapping[ids]] * model.weights[ids, None])[None])[0]
    known = rows[ids != 7]
    mean = known.mean(0) if len(known) else torch.zeros(16)
    return {"hidden": rows, "pooled": (mean / (mean.norm() + 1e-32))[None]}


def static_cases():
    config = T.PreTrainedConfig(vocab_size=61)
    tokenizer = {"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 7}}}
    yield Case("model2vec", lambda: Static(config), lambda m: m.layers, static,
               config={"model_type": "model2vec", "normalize": True}, files={"tokenizer.json": tokenizer})


def cases():
    yield from bert_cases()
    yield from other_post_norm_cases()
    yield from modernbert_cases()
    yield from nomic_cases()
    yield from gte_cases()
    yield from gte_own_cases()
    yield from jina_cases()
    yield from deberta_cases()
    yield from decoder_cases()
    yield from older_config_cases()
    yield from head_cases()
    yield from static_cases()
