#!/usr/bin/env bash
# Make .venv where there is none and run the tests; arguments go to pytest, as in: tests/run.sh -k journal
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/mypy ]; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet -e '.[dev]'
fi
exec .venv/bin/python -m pytest "$@"
