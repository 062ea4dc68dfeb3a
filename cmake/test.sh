#!/usr/bin/env bash
# Builds and runs the tests. usage: bash cmake/test.sh [quick|full]
#
# quick (the default): every test under g++, the unit tests under clang with the address and undefined-behaviour sanitizers,
# and each fuzzer for 20 seconds.
# full: also clang, the release build, the thread sanitizer, clang-tidy and the layout of the code, and each fuzzer for ten
# minutes. REASONEMBED_FUZZ_SECONDS sets another time.
# Tests on data outside the repository look for it in the directory REASONEMBED_DATA and say when they skip.
set -euo pipefail

mode=${1:-quick}
case "$mode" in
  quick) packages=test ;;
  full) packages=full ;;
  *)
    echo "usage: bash cmake/test.sh [quick|full]" >&2
    exit 2
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cmake/packages.sh
source cmake/packages.sh
# shellcheck source=cmake/build.sh
source cmake/build.sh

summary=()
step=""
finish() {
  local status=$?
  echo
  echo "== summary (${mode}) =="
  if [ ${#summary[@]} -gt 0 ]; then
    printf '%s\n' "${summary[@]}"
  fi
  if [ "$status" -ne 0 ]; then
    echo "FAILED: ${step:-installation}"
  else
    echo "everything passed"
  fi
}
trap finish EXIT

# run_step NAME COMMAND...: stops the script if the command fails, and keeps the time it took.
run_step() {
  step=$1
  shift
  echo
  echo "== ${step} =="
  local begin=$SECONDS
  "$@"
  summary+=("passed: ${step} ($((SECONDS - begin)) s)")
}

# run_tests PRESET: prints what was skipped and the closing lines of ctest; all of its output if a test fails.
run_tests() {
  local preset=$1
  local log=build/$preset/tests.log status=0
  ctest --preset "$preset" --parallel "$(nproc)" >"$log" 2>&1 || status=$?
  grep -ho 'SKIPPED: .*' "build/$preset/Testing/Temporary/LastTest.log" | sort | uniq -c || true
  if [ "$status" -ne 0 ]; then
    cat "$log"
  else
    sed -n '/tests passed,/,$p' "$log" | grep -v '^$'
  fi
  return "$status"
}

check_format() {
  local files
  mapfile -t files < <(git ls-files -co --exclude-standard -- '*.hpp' '*.cpp' '*.cuh' '*.cu')
  clang-format-19 --dry-run --Werror "${files[@]}"
}

reasonembed_packages "$packages"
python3 cmake/fetch_minilm.py ||
  echo "The pretrained weights could not be had (see above); the tests that need them say that they skip."

run_step "dev: build" reasonembed_build dev
run_step "dev: tests" run_tests dev
run_step "asan: build" reasonembed_build asan
run_step "asan: unit tests" run_tests asan
run_step "fuzz: build" reasonembed_build fuzz
if [ "$mode" = full ]; then
  export REASONEMBED_FUZZ_SECONDS=${REASONEMBED_FUZZ_SECONDS:-600}
fi
run_step "fuzz: runs" run_tests fuzz
if [ "$mode" = full ]; then
  export REASONEMBED_LONG_TESTS=1 # property tests repeat much more often from here on
  run_step "format" check_format
  run_step "clang: build" reasonembed_build clang
  run_step "clang: tests" run_tests clang
  run_step "release: build" reasonembed_build release
  run_step "release: tests" run_tests release
  run_step "tsan: build" reasonembed_build tsan
  run_step "tsan: unit tests" run_tests tsan
  run_step "tidy" reasonembed_build tidy
fi
