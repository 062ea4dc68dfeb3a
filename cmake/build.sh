# Configures and builds presets. To be sourced by the scripts beside it, in the root of the repository.

# reasonembed_build PRESET [TARGET...]: CMake runs only where the build tree is not up to date with the presets; the
# build itself notices every other change.
reasonembed_build() {
  local preset=$1
  shift
  local log=build/$preset/configure.log stamp=build/$preset/configured
  if [ ! -f "$stamp" ] || [ CMakePresets.json -nt "$stamp" ]; then
    mkdir -p "build/$preset"
    if ! cmake --preset "$preset" >"$log" 2>&1; then
      cat "$log" >&2
      return 1
    fi
    touch "$stamp"
  fi
  if [ $# -gt 0 ]; then
    cmake --build "build/$preset" --parallel "$(nproc)" --target "$@"
  else
    cmake --build --preset "$preset" --parallel "$(nproc)"
  fi
}
