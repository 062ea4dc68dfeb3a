#!/usr/bin/env bash
# Compiles the library for 64-bit Arm and runs what it compiled under an emulator. usage: bash cmake/compile_neon.sh [INCLUDE...]
#
# Compiled without a warning: every header, through the umbrella; unit tests of simd/; and tests/neon/encode_test.cpp, whole
# encoders. By default those tests of simd/ that say most, within a minute on one core; NEON_TESTS=all takes every one. INCLUDE
# are further directories to look for third-party headers in.
# The objects stay in NEON_BUILD (build/neon); ccache is used where it is there.
# Exit status 77: no cross compiler (Debian: g++-12-aarch64-linux-gnu). Without qemu-aarch64-static (Debian: qemu-user-static)
# nothing is run, and a line says so.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${NEON_BUILD:-build/neon}
compiler=""
for name in ${NEON_CXX:-aarch64-linux-gnu-g++ aarch64-linux-gnu-g++-12}; do
  if [ -z "$compiler" ] && command -v "$name" >/dev/null 2>&1; then
    compiler=$name
  fi
done
if [ -z "$compiler" ]; then
  echo "SKIPPED: no compiler for 64-bit Arm (Debian: g++-12-aarch64-linux-gnu)"
  exit 77
fi

# Links to the headers and not their directory: /usr/include has the C library of this processor beside them.
mkdir -p "$build/include"
for header in Eigen/Core xsimd/xsimd.hpp doctest/doctest.h nlohmann/json.hpp utf8proc.h pcre2.h; do
  found=""
  for directory in "$@" /usr/include /usr/include/eigen3 /usr/local/include /usr/local/include/eigen3; do
    if [ -z "$found" ] && [ -f "$directory/$header" ]; then
      found=$directory
    fi
  done
  if [ -z "$found" ]; then
    echo "SKIPPED: <$header> was not found; give its directory as an argument"
    exit 77
  fi
  ln -sfn "$found/${header%%/*}" "$build/include/${header%%/*}"
done

if [ "${NEON_TESTS:-}" = all ]; then
  tests=(tests/unit/simd/*_test.cpp)
else
  tests=()
  for name in cpu_features int8_rows gemm_kernel gemm_packing gemm_int8 epilogue math; do
    tests+=("tests/unit/simd/${name}_test.cpp")
  done
fi
tests+=(tests/neon/encode_test.cpp tests/support/doctest_main.cpp)

# -Wno-psabi: a note about calling conventions of GCC 9, no warning.
compile=("$compiler" -std=c++20 -O1 -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Werror -Wno-psabi
         -Iinclude -Itests -isystem "$build/include" "-DREASONEMBED_SOURCE_DIR=\"$PWD\"")
if command -v ccache >/dev/null 2>&1; then
  compile=(ccache "${compile[@]}")
fi
echo "compiling every header"
"${compile[@]}" -c tests/odr/first.cpp -o "$build/umbrella.o"
objects=()
for source in "${tests[@]}"; do
  object=$build/$(basename "$source" .cpp).o
  echo "compiling $source"
  "${compile[@]}" -c "$source" -o "$object"
  objects+=("$object")
done
"$compiler" -static -pthread "${objects[@]}" -o "$build/tests"
echo "compiled: ${#objects[@]} files for 64-bit Arm"

emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if [ -z "$emulator" ]; then
  echo "not run: no qemu-aarch64-static (Debian: qemu-user-static)"
  exit 0
fi
status=0
"$emulator" "$build/tests" --no-colors=true >"$build/tests.log" || status=$?
if [ "$status" -ne 0 ]; then
  cat "$build/tests.log"
fi
grep '^\[doctest\]' "$build/tests.log" | tail -n 3
exit "$status"
