#!/usr/bin/env python3
"""Writes a random checkpoint with the sizes of Qwen3-0.6B: 596,049,920 parameters in bfloat16, 1.19 GB.

usage: write_checkpoint.py OUT_DIR [LAYERS]

OUT_DIR gets config.json, model.safetensors with the names of the published model and tokenizer.json, whose 258 tokens are
the bytes and two marks: the text of n ASCII letters is n + 1 tokens. LAYERS other than 28 make it smaller. Needs Python
alone. Weights are drawn from 2^20 normal numbers of deviation 0.02, every tensor beginning at another of them.
"""
import array
import json
import math
import pathlib
import random
import struct
import sys

LAYERS, VOCAB, WIDTH, HEADS, KV_HEADS, HEAD_DIM, INNER = 28, 151936, 1024, 16, 8, 128, 3072


def bf16(value):
    """The upper half of a float, rounded to nearest, ties to even."""
    word = struct.unpack("<I", struct.pack("<f", value))[0]
    return word + 0x7FFF + (word >> 16 & 1) >> 16


def tensors(layers):
    """Names and shapes, in the order of the file."""
    yield "model.embed_tokens.weight", (VOCAB, WIDTH)
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (WIDTH,)
        yield prefix + "mlp.down_proj.weight", (WIDTH, INNER)
        yield prefix + "mlp.gate_proj.weight", (INNER, WIDTH)
        yield prefix + "mlp.up_proj.weight", (INNER, WIDTH)
        yield prefix + "post_attention_layernorm.weight", (WIDTH,)
        yield prefix + "self_attn.k_norm.weight", (HEAD_DIM,)
        yield prefix + "self_attn.k_proj.weight", (KV_HEADS * HEAD_DIM, WIDTH)
        yield prefix + "self_attn.o_proj.weight", (WIDTH, HEADS * HEAD_DIM)
        yield prefix + "self_attn.q_norm.weight", (HEAD_DIM,)
        yield prefix + "self_attn.q_proj.weight", (HEADS * HEAD_DIM, WIDTH)
        yield prefix + "self_attn.v_proj.weight", (KV_HEADS * HEAD_DIM, WIDTH)
    yield "model.norm.weight", (WIDTH,)


def write_weights(path, layers):
    generator = random.Random(1)
    weights = array.array("H", (bf16(0.02 * generator.gauss(0.0, 1.0)) for _ in range(1 << 20))).tobytes()
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(layers):
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors(layers):
            left = 2 * math.prod(shape)
            if len(shape) == 1:
                file.write(struct.pack("<H", bf16(1.0)) * shape[0])
                continue
            start = 2 * generator.randrange(len(weights) // 2)
            while left > 0:
                piece = weights[start:start + left]
                left -= file.write(piece)
                start = 0


def byte_level_characters():
    """The characters by which byte-level BPE spells bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def write_tokenizer(path):
    special = [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                "special": True} for i, name in [(256, "[BEGIN]"), (257, "[END]")]]
    vocab = {character: byte for byte, character in enumerate(byte_level_characters())}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    template = {"type": "TemplateProcessing",
                "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[END]", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"[END]": {"id": "[END]", "ids": [257], "tokens": ["[END]"]}}}
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": template, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": []}}))


def main(out, layers=LAYERS):
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps({
        "architectures": ["Qwen3Model"], "model_type": "qwen3", "vocab_size": VOCAB, "hidden_size": WIDTH,
        "num_hidden_layers": layers, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM, "intermediate_size": INNER, "max_position_embeddings": 32768, "hidden_act": "silu",
        "attention_bias": False, "attention_dropout": 0.0, "rms_norm_eps": 1e-6, "rope_theta": 1000000,
        "rope_scaling": None, "use_sliding_window": False, "tie_word_embeddings": True, "torch_dtype": "bfloat16"},
        indent=2) + "\n")
    write_tokenizer(out / "tokenizer.json")
    write_weights(out / "model.safetensors", layers)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))
