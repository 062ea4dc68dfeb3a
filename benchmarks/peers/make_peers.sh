#!/usr/bin/env bash
# Makes a Python environment with the peers of compare_encoders.py and the scripts beside it.
# usage: bash benchmarks/peers/make_peers.sh DIRECTORY
#
# llama.cpp is compiled here, for this processor: pip may hold a wheel that leaves out AVX-512. That takes some
# minutes of a C++ compiler. g++ 12 tunes -march=native for a core older than Zen 5, hence the generic tuning. The last line printed names what the build uses.
set -euo pipefail
directory=${1:?usage: make_peers.sh DIRECTORY}
if [ "$directory" = --help ]; then
  echo "usage: make_peers.sh DIRECTORY"
  exit 0
fi
python3 -m venv "$directory"
pip="$directory/bin/pip"
"$pip" install --quiet torch transformers sentence-transformers onnx onnxruntime sympy gguf safetensors
CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DCMAKE_C_FLAGS=-mtune=generic -DCMAKE_CXX_FLAGS=-mtune=generic" \
  nice "$pip" install --quiet --no-cache-dir --no-binary llama-cpp-python --force-reinstall --no-deps llama-cpp-python
"$pip" install --quiet llama-cpp-python  # what it needs
"$directory/bin/python" -c 'import llama_cpp; print(llama_cpp.llama_print_system_info().decode())'
