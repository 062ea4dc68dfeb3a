#!/usr/bin/env python3
"""Writes a checkpoint of llama2.c (legacy version 0, float32) as a Hugging Face directory of a Llama.

usage: llama2c_to_hf.py MODEL.bin OUT_DIR        (standard library only)

The file holds seven little-endian int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len; a negative
vocab_size: the head is a matrix of its own) and then the matrices, each for all layers. llama2.c rotates neighbours
(2 i, 2 i + 1) of a head, Hugging Face the two halves (i, i + d / 2): the rows of the query and key projections change
their order.
"""
import json
import pathlib
import struct
import sys


def rotated_halves(rows, heads):
    """The rows of a query or key projection, each head's even ones before its odd ones."""
    size = len(rows) // heads
    return [row for h in range(heads) for start in (0, 1) for row in rows[h * size:(h + 1) * size][start::2]]


def read(path):
    data = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, length = struct.unpack_from("<7i", data)
    shared, vocab = vocab > 0, abs(vocab)
    kv_dim = dim // heads * kv_heads
    place = 28

    def matrix(rows, columns):
        nonlocal place
        matrices = []
        for _ in range(rows):
            matrices.append(data[place:place + 4 * columns])
            place += 4 * columns
        return matrices

    tensors = {"model.embed_tokens.weight": matrix(vocab, dim)}
    parts = [("input_layernorm", 1, dim), ("self_attn.q_proj", dim, dim), ("self_attn.k_proj", kv_dim, dim),
             ("self_attn.v_proj", kv_dim, dim), ("self_attn.o_proj", dim, dim), ("post_attention_layernorm", 1, dim),
             ("mlp.gate_proj", hidden, dim), ("mlp.down_proj", dim, hidden), ("mlp.up_proj", hidden, dim)]
    for part, rows, columns in parts:
        for layer in range(layers):
            tensors[f"model.layers.{layer}.{part}.weight"] = matrix(rows, columns)
    tensors["model.norm.weight"] = matrix(1, dim)
    matrix(2 * length, dim // heads // 2)  # tables of sines and cosines, which follow from the position
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] if shared else matrix(vocab, dim)
    if place != len(data):
        raise SystemExit(f"{path}: size is {len(data)} bytes, expected {place} for the header's sizes")
    for layer in range(layers):
        for part, count in [("q", heads), ("k", kv_heads)]:
            name = f"model.layers.{layer}.self_attn.{part}_proj.weight"
            tensors[name] = rotated_halves(tensors[name], count)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": vocab, "hidden_size": dim,
              "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "max_position_embeddings": length, "hidden_act": "silu",
              "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": shared, "attention_bias": False,
              "mlp_bias": False}
    return config, tensors


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, rows in sorted(tensors.items()):
        content = b"".join(rows)
        vector = len(rows) == 1
        shape = [len(content) // 4] if vector else [len(rows), len(rows[0]) // 4]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main(source, out):
    config, tensors = read(source)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_safetensors(out / "model.safetensors", tensors)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
