#!/usr/bin/env bash
# Installs the library to a temporary prefix and builds the consumer in this folder twice, as a stranger would: through
# CMake's find_package and through pkg-config. Both programs must run.
#
#   run.sh <cmake> <c++ compiler> <cmake generator> <build dir of the library>
set -euo pipefail

cmake=$1 cxx=$2 generator=$3 build=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

"$cmake" --install "$build" --prefix "$prefix" --component development >"$work/install.log" ||
  { cat "$work/install.log"; exit 1; }

echo "== find_package"
"$cmake" -S "$here" -B "$work/cmake" -G "$generator" \
  -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_COMPILER=$cxx" "-DCMAKE_PREFIX_PATH=$prefix"
"$cmake" --build "$work/cmake"
"$work/cmake/consumer"
"$work/cmake/consumer_test"

echo "== pkg-config"
pc=$(find "$prefix" -name openwop.pc)
export PKG_CONFIG_PATH="${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
read -ra cflags <<<"$(pkg-config --cflags openwop)"
read -ra libs <<<"$(pkg-config --libs openwop)"
"$cxx" -std=c++20 "${cflags[@]}" "$here/main.cpp" "${libs[@]}" -o "$work/consumer"
"$work/consumer"
