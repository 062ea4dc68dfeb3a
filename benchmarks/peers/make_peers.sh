#!/usr/bin/env bash
# Makes a Python environment with the peers of compare_encoders.py. usage: bash benchmarks/peers/make_peers.sh DIRECTORY
set -euo pipefail
directory=${1:?usage: make_peers.sh DIRECTORY}
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet torch transformers sentence-transformers onnx onnxruntime llama-cpp-python gguf safetensors
