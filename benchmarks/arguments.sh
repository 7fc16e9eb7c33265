# The arguments of a benchmark script, for sourcing: [BIN_DIR] [--quick]. Sets `bin` and `quick`.
# shellcheck shell=sh
bin=build/release/bin
quick=
for argument in "$@"; do
  case "$argument" in
    --quick) quick=--quick ;;
    -*) echo "usage: $0 [BIN_DIR] [--quick]" >&2; exit 2 ;;
    *) bin=$argument ;;
  esac
done
