#!/bin/sh
# Pin the six requirements files, with hashes, from pyproject.toml for every platform at once.
# Usage: deploy/pins.sh <python> [--upgrade]
set -eu

python=$1
shift
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet uv
export UV_CUSTOM_COMPILE_COMMAND="make pins"

pin() {
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links "$@" >/dev/null
}

pin "$@" pyproject.toml --output-file requirements.txt
pin "$@" --group local --constraints requirements.txt \
    --output-file deploy/requirements-local.txt
pin "$@" --group embedded --constraints requirements.txt --constraints deploy/requirements-local.txt \
    --output-file deploy/requirements-embedded.txt
pin "$@" --group reporting --constraints requirements.txt \
    --output-file deploy/requirements-reporting.txt
pin "$@" --group clients --no-deps --output-file tests/harness/clients/requirements.txt
pin "$@" --group dev --constraints requirements.txt \
    --constraints deploy/requirements-local.txt pyproject.toml \
    --output-file requirements-dev.txt
