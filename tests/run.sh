#!/usr/bin/env bash
# Make .venv where there is none and run the tests; arguments go to pytest, as in: tests/run.sh -k journal
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/mypy ]; then
    python3 -m venv .venv
    # modules are compiled at their first import, but for those of packages that sandboxed programs import: these cannot write
    .venv/bin/pip install --quiet --no-compile -e '.[dev]'
    .venv/bin/python -m compileall -q -j 0 .venv/lib/python3*/site-packages/{numpy,pandas,sympy,mpmath,networkx,sortedcontainers}
fi
exec .venv/bin/python -m pytest "$@"
