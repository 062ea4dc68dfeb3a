#!/usr/bin/env python3
"""Writes all-MiniLM-L6-v2 as a GGUF file, so that llama.cpp can be measured beside the others.

usage: minilm_to_gguf.py MODEL_DIR OUT.gguf [--type f32|f16|q8_0]      (needs gguf, safetensors, numpy)
"""
import argparse
import json
import pathlib

import gguf
import numpy
from safetensors.numpy import load_file

LAYER = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
         "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
FIRST = {"embeddings.word_embeddings.weight": "token_embd.weight",
         "embeddings.position_embeddings.weight": "position_embd.weight",
         "embeddings.token_type_embeddings.weight": "token_types.weight",
         "embeddings.LayerNorm.weight": "token_embd_norm.weight", "embeddings.LayerNorm.bias": "token_embd_norm.bias"}


def name_of(tensor):
    if tensor in FIRST:
        return FIRST[tensor]
    _, _, layer, rest = tensor.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER[module]}.{kind}"


def add_tokenizer(writer, directory):
    vocab = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
    tokens = [token for token, _ in sorted(vocab.items(), key=lambda item: item[1])]
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    writer.add_tokenizer_model("bert")
    writer.add_token_list([t if t in special else t[2:] if t.startswith("##") else "\u2581" + t for t in tokens])
    writer.add_token_types([gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_type_count(2)
    writer.add_bos_token_id(vocab["[CLS]"])
    writer.add_eos_token_id(vocab["[SEP]"])
    writer.add_sep_token_id(vocab["[SEP]"])
    writer.add_unk_token_id(vocab["[UNK]"])
    writer.add_pad_token_id(vocab["[PAD]"])
    writer.add_mask_token_id(vocab["[MASK]"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out")
    parser.add_argument("--type", default="f32", choices=["f32", "f16", "q8_0"])
    arguments = parser.parse_args()
    config = json.loads((arguments.model / "config.json").read_text())
    writer = gguf.GGUFWriter(arguments.out, "bert")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    add_tokenizer(writer, arguments.model)
    for tensor, values in load_file(arguments.model / "model.safetensors").items():
        if tensor.startswith("pooler") or tensor.endswith("position_ids"):
            continue
        values = values.astype(numpy.float32)
        if values.ndim == 2 and tensor.startswith("encoder.") and arguments.type != "f32":
            if arguments.type == "f16":
                writer.add_tensor(name_of(tensor), values.astype(numpy.float16))
            else:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(name_of(tensor), gguf.quants.quantize(values, kind), raw_dtype=kind)
            continue
        writer.add_tensor(name_of(tensor), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
