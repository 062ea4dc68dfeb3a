#!/usr/bin/env python3
"""Makes tiny random encoders of the families that tiny_models.py lacks, as that script does.

usage: families.py OUT_DIR [BABY_LLAMA]     (needs torch, transformers, sentence-transformers, safetensors;
                                             written with torch 2.15, transformers 5.24, sentence-transformers 6.2)

Writes OUT_DIR/tiny_<family>/ with config.json, model.safetensors and expected.safetensors (see tiny_models.py), for texts
of 1, 2, an odd number, the most and about half of the most tokens. BABY_LLAMA is a llama2.c checkpoint: with it,
OUT_DIR/baby_llama.json is written, 200 tokens that the model continues greedily from its first token, and the arg-max at
each of them.
"""
import json
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, LlamaModel, MistralConfig, MistralModel, Qwen2Config,
                          Qwen2Model, XLMRobertaConfig, XLMRobertaModel)

import llama2c_to_hf
from tiny_models import randomize, run, write

SIZES = {"vocab_size": 64, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "intermediate_size": 40, "rms_norm_eps": 1e-6, "attn_implementation": "eager"}

STATIC_TEXTS = ["Why does salt draw water out of a slice?", "salt", "a cucumber bends", "light light light",
                "slices. " * 600]


def last(hidden):
    return hidden[-1]


def mean(hidden):
    return hidden.mean(0)


def qwen2(out):
    for name, causal, pool in [("tiny_qwen2", True, last), ("tiny_qwen2_bidirectional", False, mean)]:
        config = Qwen2Config(**SIZES, max_position_embeddings=64, rope_parameters={"rope_theta": 1e6})
        if not causal:
            config.is_causal = False
        model = Qwen2Model(config)
        randomize(model, 6)
        write(out / name, model, run(model, pool, 64, torch.float32, 7, (1, 2, 7, 64, 33)))
        check_sight(model, causal)


def check_sight(model, causal):
    """A later token changes the states before it if and only if the model is not causal."""
    a = model(input_ids=torch.tensor([[3, 4, 5]])).last_hidden_state[0, 0]
    b = model(input_ids=torch.tensor([[3, 4, 6]])).last_hidden_state[0, 0]
    assert torch.equal(a, b) == causal


def llama(out):
    plain = LlamaConfig(**SIZES, max_position_embeddings=48, rope_parameters={"rope_theta": 10000.0})
    model = LlamaModel(plain)
    randomize(model, 8)
    write(out / "tiny_llama", model, run(model, last, 64, torch.float32, 9, (1, 2, 7, 48, 25)))
    # Wavelengths are 6 to 20000 tokens: the borders 64 / 4 and 64 / 1 part them in fast, blended and slow ones.
    scaled = LlamaConfig(**SIZES, head_dim=16, max_position_embeddings=200,
                         rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0,
                                          "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                          "original_max_position_embeddings": 64})
    model = LlamaModel(scaled)
    randomize(model, 10)
    write(out / "tiny_llama3", model, run(model, last, 64, torch.float32, 11, (1, 2, 7, 200, 101)))


def mistral(out):
    """Texts of up to the whole window, a quarter of what the positions reach."""
    model = MistralModel(MistralConfig(**SIZES, head_dim=8, max_position_embeddings=64, sliding_window=16,
                                       rope_parameters={"rope_theta": 10000.0}))
    randomize(model, 14)
    write(out / "tiny_mistral", model, run(model, last, 64, torch.float32, 15, (1, 2, 7, 16, 9)))


def xlm_roberta(out):
    model = XLMRobertaModel(
        XLMRobertaConfig(vocab_size=64, hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
                         intermediate_size=40, max_position_embeddings=34, type_vocab_size=1, pad_token_id=1,
                         attn_implementation="eager"), add_pooling_layer=False)
    randomize(model, 12)
    write(out / "tiny_xlm_roberta", model,
          run(model, mean, 64, torch.float64, 13, (1, 2, 7, 32, 17), first_token=2))  # 1 would be padding


def static(out):
    """A static embedding model as sentence-transformers saves it, and its vectors in expected.safetensors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] why does salt draw water out of a ##s ##ing slice light bend ? .".split()
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]",
                                                             special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(words[:5])
    weights = torch.randn(len(words), 6, generator=torch.Generator().manual_seed(16))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights.numpy()), Normalize()])
    place = out / "tiny_static"
    model.save(str(place), create_model_card=False)
    expected = {"embeddings": torch.from_numpy(model.encode(STATIC_TEXTS))}
    save_file(expected, place / "expected.safetensors")


def baby_llama(checkpoint, out):
    with tempfile.TemporaryDirectory() as directory:
        llama2c_to_hf.main(checkpoint, pathlib.Path(directory))
        model = LlamaForCausalLM.from_pretrained(directory, attn_implementation="eager").eval()
    tokens, margin = [1], float("inf")
    with torch.no_grad():
        while len(tokens) < 200:
            tokens.append(int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()))
        logits = model(input_ids=torch.tensor([tokens])).logits[0]
    best = logits.topk(2).values
    margin = float((best[:, 0] - best[:, 1]).min())
    print(f"baby_llama: the closest two logits are {margin:.2g} apart")
    (out / "baby_llama.json").write_text(json.dumps({"tokens": tokens, "argmax": logits.argmax(-1).tolist()}) + "\n")


def main(out, checkpoint=None):
    torch.manual_seed(2)
    qwen2(out)
    llama(out)
    xlm_roberta(out)
    mistral(out)
    static(out)
    if checkpoint:
        baby_llama(checkpoint, out)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
