"""Other engines behind one interface, for embed_vs_peers.py: token ids in, pooled vectors out.

Run as a program it serves one engine, so that none shares a process (threads, allocator, OpenMP)
with another:

    python3 embed_engines.py ENGINE MODEL_DIRECTORY THREADS IDS_FILE WORK_DIRECTORY

Commands on stdin: "time GROUP" answers the seconds of one run over the group's texts; "vectors
GROUP FILE" writes their vectors as f32 in the texts' order. The first line of output is "ready" or
the reason why the engine cannot run. Pooling (mean) and L2 normalisation are part of the time.
"""

import ctypes
import os
import pathlib
import sys
import time

import numpy as np

BATCH = 32  # Texts a padded engine takes at a time, sorted by length.
NAMES = ["input_ids", "attention_mask", "token_type_ids"]


def read_groups(path):
    groups = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            group, _, *ids = line.split()
            groups.setdefault(group, []).append([int(i) for i in ids])
    return groups


def batches_of(texts):
    """Batches of (indices, ids, mask), sorted by length."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for at in range(0, len(order), BATCH):
        part = order[at : at + BATCH]
        ids = np.zeros((len(part), len(texts[part[-1]])), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, i in enumerate(part):
            ids[row, : len(texts[i])] = texts[i]
            mask[row, : len(texts[i])] = 1
        yield part, ids, mask


def pool(states, mask):
    weights = mask[..., None].astype(np.float32)
    mean = (states * weights).sum(1) / weights.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


class Padded:
    """An engine that takes padded batches; `forward` gives last hidden states."""

    def __init__(self, forward, groups):
        self.forward = forward
        self.batches = {name: list(batches_of(texts)) for name, texts in groups.items()}

    def run(self, group):
        return [(part, pool(self.forward(ids, mask), mask))
                for part, ids, mask in self.batches[group]]


def load_torch(model):
    import torch
    from transformers import AutoModel

    return torch, AutoModel.from_pretrained(model, attn_implementation="sdpa").eval()


def export_onnx(model, work):
    path = work / "model.onnx"
    if path.exists():
        return path
    torch, net = load_torch(model)

    class States(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.net(input_ids=input_ids, attention_mask=attention_mask,
                            token_type_ids=token_type_ids).last_hidden_state

    ids = torch.ones((2, 16), dtype=torch.int64)
    axes = {name: {0: "batch", 1: "length"} for name in [*NAMES, "states"]}
    fresh = work / "fresh.onnx"
    torch.onnx.export(States(), (ids, ids, ids * 0), str(fresh), input_names=NAMES,
                      output_names=["states"], dynamic_axes=axes, opset_version=17, dynamo=False)
    fresh.rename(path)
    return path


def fuse_onnx(path, model, work):
    """ONNX Runtime's own fusion of attention, GELU and layer norm; what it cannot fuse it keeps."""
    import json

    from onnxruntime.transformers import optimizer

    fused = work / "model.fused.onnx"
    if not fused.exists():
        config = json.loads((pathlib.Path(model) / "config.json").read_text(encoding="utf-8"))
        optimizer.optimize_model(str(path), model_type="bert", opt_level=0,
                                 num_heads=config["num_attention_heads"],
                                 hidden_size=config["hidden_size"]).save_model_to_file(str(fused))
    return fused


def quantize_onnx(path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantized = path.with_suffix(".int8.onnx")
    if not quantized.exists():
        quantize_dynamic(str(path), str(quantized), weight_type=QuantType.QInt8, per_channel=True,
                         reduce_range=False,
                         extra_options={"DefaultTensorType": 1})  # Fused operators' types: float.
    return quantized


def make_ort(model, threads, work, groups, int8, fused):
    import onnxruntime as ort

    path = export_onnx(model, work)
    if fused:
        path = fuse_onnx(path, model, work)
    if int8:
        path = quantize_onnx(path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def forward(ids, mask):
        return session.run(None, dict(zip(NAMES, (ids, mask, np.zeros_like(ids)))))[0]

    return Padded(forward, groups)


def calibrated(core, path, work, groups):
    """OpenVINO's int8: NNCF's post-training quantisation, calibrated on the texts themselves."""
    import nncf

    quantized = work / "nncf.xml"
    if not quantized.exists():
        import openvino as ov

        feeds = [dict(zip(NAMES, (ids, mask, np.zeros_like(ids))))
                 for texts in groups.values() for _, ids, mask in batches_of(texts)]
        feeds += [{name: rows[i : i + 1] for name, rows in feed.items()}
                  for feed in feeds for i in range(0, feed["input_ids"].shape[0], 4)]
        result = nncf.quantize(core.read_model(str(path)), nncf.Dataset(feeds),
                               model_type=nncf.ModelType.TRANSFORMER, subset_size=100)
        ov.save_model(result, str(quantized), compress_to_fp16=False)
    return quantized


def make_openvino(model, threads, work, groups, hint, int8):
    import openvino as ov

    core = ov.Core()
    path = export_onnx(model, work)
    if int8:
        path = calibrated(core, path, work, groups)
    compiled = core.compile_model(str(path), "CPU", {
        "INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1})
    request = compiled.create_infer_request()

    def forward(ids, mask):
        feeds = dict(zip(NAMES, (ids, mask, np.zeros_like(ids))))
        return request.infer(feeds)[compiled.output(0)]

    return Padded(forward, groups)


def make_torch(model, threads, groups, dtype):
    torch, net = load_torch(model)
    torch.set_num_threads(threads)
    net = net.to(getattr(torch, dtype))

    def forward(ids, mask):
        with torch.inference_mode():
            out = net(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
            return out.last_hidden_state.float().numpy()

    return Padded(forward, groups)


class Ctranslate2:
    """Takes lists of ids and pads them itself."""

    def __init__(self, model, threads, work, groups, compute):
        import ctranslate2

        path = work / "ct2"
        if not path.exists():
            ctranslate2.converters.TransformersConverter(model).convert(str(path))
        self.encoder = ctranslate2.Encoder(str(path), device="cpu", compute_type=compute,
                                           intra_threads=threads, inter_threads=1)
        self.batches = {
            name: [(part, [texts[i] for i in part], mask) for part, _, mask in batches_of(texts)]
            for name, texts in groups.items()}

    def run(self, group):
        return [(part, pool(np.array(self.encoder.forward_batch(batch).last_hidden_state), mask))
                for part, batch, mask in self.batches[group]]


class LlamaCpp:
    """llama.cpp by the package llama-cpp-python; left out without it or the model's GGUF file.
    llama.cpp's converter makes that: convert_hf_to_gguf.py MODEL --outtype f32 (q8_0)
    --outfile WORK/model-f32.gguf (model-q8_0.gguf). Texts go in batches of up to 512 tokens, its
    default: more would make each text's attention look past all the others.

    LLAMA_CPP_LIB_PATH names a folder of llama.cpp's libraries to take in place of the package's
    own, of the same version (with a link libllama.so), as build/assets/llama has them: built for
    each kind of processor, of which the right one is loaded."""

    TOKENS = 512

    def __init__(self, model, threads, groups):
        from llama_cpp import llama_cpp as library

        if not model.exists():
            raise FileNotFoundError(f"no {model.name}")
        self.library = library
        self.load_kinds_of_processor()
        library.llama_backend_init()
        self.model = library.llama_model_load_from_file(
            str(model).encode(), library.llama_model_default_params())
        settings = library.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = self.TOKENS
        settings.n_seq_max = 64
        settings.n_threads = settings.n_threads_batch = threads
        settings.embeddings, settings.pooling_type = True, library.LLAMA_POOLING_TYPE_MEAN
        settings.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_AUTO
        self.context = library.llama_init_from_model(self.model, settings)
        library.llama_set_embeddings(self.context, True)
        self.width = library.llama_model_n_embd(self.model)
        self.groups = {name: list(self.packed(texts)) for name, texts in groups.items()}

    @staticmethod
    def load_kinds_of_processor():
        folder = os.environ.get("LLAMA_CPP_LIB_PATH")
        for path in pathlib.Path(folder).glob("libggml.*so") if folder else ():
            ctypes.CDLL(str(path)).ggml_backend_load_all_from_path(os.fsencode(folder))

    def packed(self, texts):
        """(indices, batch) of up to TOKENS tokens each."""
        indices, batch = [], self.library.llama_batch_init(self.TOKENS, 0, 1)
        for i, ids in enumerate(texts):
            if batch.n_tokens + len(ids) > self.TOKENS:
                yield indices, batch
                indices, batch = [], self.library.llama_batch_init(self.TOKENS, 0, 1)
            for position, token in enumerate(ids):
                at = batch.n_tokens
                batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, position, 1
                batch.seq_id[at][0], batch.logits[at] = len(indices), True
                batch.n_tokens += 1
            indices.append(i)
        yield indices, batch

    def run(self, group):
        out = []
        for indices, batch in self.groups[group]:
            if self.library.llama_encode(self.context, batch) != 0:
                raise RuntimeError("llama_encode failed")
            rows = np.array([self.library.llama_get_embeddings_seq(self.context, i)[:self.width]
                             for i in range(len(indices))], dtype=np.float32)
            out.append((indices, rows / np.linalg.norm(rows, axis=1, keepdims=True)))
        return out


def make(name, model, threads, groups, work):
    kind, _, form = name.partition("-")
    if kind == "ort":
        return make_ort(model, threads, work, groups, form.startswith("int8"),
                        form.endswith("-fused"))
    if kind == "openvino":
        hint = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}[form]
        return make_openvino(model, threads, work, groups, hint, form == "int8")
    if kind == "ctranslate2":
        return Ctranslate2(model, threads, work, groups, form)
    if kind == "llamacpp":
        file = {"float32": "model-f32.gguf", "int8": "model-q8_0.gguf"}[form]
        return LlamaCpp(work / file, threads, groups)
    if kind == "torch":
        return make_torch(model, threads, groups, form)
    raise ValueError(f"no engine '{name}'")


ENGINES = ["ort-float32", "ort-float32-fused", "ort-int8", "ort-int8-fused", "openvino-float32",
           "openvino-bfloat16", "openvino-int8", "ctranslate2-float32", "ctranslate2-int8",
           "torch-float32", "torch-bfloat16", "llamacpp-float32", "llamacpp-int8"]


def serve(engine, groups, commands, answers):
    for line in commands:
        command, group, *path = line.split()
        start = time.perf_counter()
        out = engine.run(group)
        seconds = time.perf_counter() - start
        if command == "vectors":
            rows = np.zeros((len(groups[group]), out[0][1].shape[1]), dtype=np.float32)
            for part, vectors in out:
                rows[part] = vectors
            rows.tofile(path[0])
        print(f"{seconds:.9f}", file=answers, flush=True)


def main():
    name, model, threads, ids, work = sys.argv[1:]
    # What engines print while they load must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    groups = read_groups(ids)
    try:
        engine = make(name, model, int(threads), groups, pathlib.Path(work))
        for group in groups:
            engine.run(group)
    except Exception as error:  # The parent leaves the engine out, by name and reason.
        print(f"{type(error).__name__}: {str(error).splitlines()[0][:150]}", file=answers)
        return
    print("ready", file=answers, flush=True)
    serve(engine, groups, sys.stdin, answers)


if __name__ == "__main__":
    main()
