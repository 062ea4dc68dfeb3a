#!/usr/bin/env python3
"""Writes a decoder of Qwen3's architecture as a GGUF file without a vocabulary, so that llama.cpp can be measured on ids.

usage: qwen3_to_gguf.py MODEL_DIR OUT.gguf [--type bf16|f16|q8_0]      (needs gguf, torch, safetensors)
"""
import argparse
import json
import pathlib

import gguf
import numpy
import torch
from safetensors.torch import load_file

LAYER = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
FIRST = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
KIND = {"bf16": gguf.GGMLQuantizationType.BF16, "f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0}


def name_of(tensor):
    tensor = tensor.removeprefix("model.")
    if tensor in FIRST:
        return FIRST[tensor]
    _, layer, rest = tensor.split(".", 2)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER[module]}.{kind}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="directory in the layout of Hugging Face")
    parser.add_argument("out")
    parser.add_argument("--type", default="bf16", choices=list(KIND))
    arguments = parser.parse_args()
    config = json.loads((arguments.model / "config.json").read_text())
    writer = gguf.GGUFWriter(arguments.out, "qwen3")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"] if "rope_theta" in config else config["rope_parameters"]["rope_theta"])
    writer.add_pooling_type(gguf.PoolingType.LAST)
    writer.add_tokenizer_model("none")
    writer.add_vocab_size(config["vocab_size"])
    for tensor, values in load_file(arguments.model / "model.safetensors").items():
        values = values.to(torch.float32).numpy().astype(numpy.float32)
        if values.ndim == 2:
            kind = KIND[arguments.type] if "embed" not in tensor else gguf.GGMLQuantizationType.BF16
            writer.add_tensor(name_of(tensor), gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name_of(tensor), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
