#!/usr/bin/env bash
# From a bare Debian 12 to a first score. usage: bash cmake/quickstart.sh [options of examples/01_quickstart]
#
# Installs what is missing, fetches the pretrained encoder, builds the first example and runs it with the given options.
set -euo pipefail

start=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
# shellcheck source=cmake/packages.sh
source cmake/packages.sh
# shellcheck source=cmake/build.sh
source cmake/build.sh

reasonembed_packages build
python3 cmake/fetch_minilm.py ||
  echo "The pretrained weights could not be had (see above); the program says what it uses instead."
reasonembed_build release 01_quickstart
cd "$start" # relative paths in the options are the caller's
exec "$root/build/release/bin/01_quickstart" "$@"
