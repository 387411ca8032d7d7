"""Reference models that transformers does not have, from their published architecture: Jina v2."""
import math

import torch
import torch.nn.functional as F
from torch import nn
import transformers as T


def slopes(n):
    """Press et al. 2021, as their repository computes them."""
    def power_of_two(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]
    if math.log2(n).is_integer():
        return power_of_two(n)
    below = 2 ** math.floor(math.log2(n))
    return power_of_two(below) + slopes(2 * below)[0::2][: n - below]


class GatedFeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gated_layers = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.wo = nn.Linear(config.intermediate_size, config.hidden_size)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.activation = F.gelu if config.feed_forward_type == "geglu" else F.relu

    def forward(self, x):
        gated, other = self.gated_layers(x).chunk(2, dim=-1)
        return self.layernorm(self.wo(self.activation(gated) * other) + x)


class JinaLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        h = config.hidden_size
        self.attention = nn.ModuleDict({
            "self": nn.ModuleDict({k: nn.Linear(h, h) for k in ("query", "key", "value")}),
            "output": nn.ModuleDict({"dense": nn.Linear(h, h),
                                     "LayerNorm": nn.LayerNorm(h, eps=config.layer_norm_eps)})})
        self.mlp = GatedFeedForward(config)
        self.heads = config.num_attention_heads

    def forward(self, x):
        n, h = x.shape[1:]
        q, k, v = (self.attention["self"][p](x).view(n, self.heads, -1).transpose(0, 1)
                   for p in ("query", "key", "value"))
        distance = (torch.arange(n)[:, None] - torch.arange(n)[None]).abs()
        bias = -torch.tensor(slopes(self.heads))[:, None, None] * distance
        p = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(h // self.heads) + bias, dim=-1)
        context = (p @ v).transpose(0, 1).reshape(1, n, h)
        out = self.attention["output"]
        return self.mlp(out["LayerNorm"](out["dense"](context) + x))


class JinaEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, ids, types):
        return self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings(types))


class JinaBert(T.PreTrainedModel):
    config_class = T.BertConfig
    base_model_prefix = "bert"

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = JinaEmbeddings(config)
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(JinaLayer(config) for _ in range(config.num_hidden_layers))})
        self.post_init()

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        x = self.embeddings(input_ids, types)
        for layer in self.encoder["layer"]:
            x = layer(x)
        return T.modeling_outputs.BaseModelOutput(last_hidden_state=x)
