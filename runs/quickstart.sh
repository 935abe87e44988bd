#!/usr/bin/env bash
# Sets up .venv where there is none, and plays the quickstart: a few minutes on 2 cores, no GPU, no network but PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/selfplay ]; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --upgrade pip
    .venv/bin/pip install --quiet --editable .
fi
exec .venv/bin/selfplay run runs/quickstart.toml "$@"
