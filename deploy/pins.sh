#!/bin/sh
# Writes the five requirements files from pyproject.toml, for every platform at once.
# Usage: deploy/pins.sh <python>
set -eu

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$1" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet uv
export UV_CUSTOM_COMPILE_COMMAND="make pins"

pin() {
    "$tools/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links "$@" >/dev/null
}

pin pyproject.toml --output-file requirements.txt
pin --group local --constraints requirements.txt --output-file deploy/requirements-local.txt
pin --group reporting --constraints requirements.txt \
    --output-file deploy/requirements-reporting.txt
pin --group clients --no-deps --output-file tests/clients/requirements.txt
pin --group dev --constraints requirements.txt --constraints deploy/requirements-local.txt \
    pyproject.toml --output-file requirements-dev.txt
