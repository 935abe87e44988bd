"""How many CPU threads torch may use for a model."""

from contextlib import contextmanager

SMALL = 2_000_000  # parameters; below, handing a matrix product to a second core costs more than it saves


@contextmanager
def fitting_threads(model):
    """One thread while a small model works, torch's own choice for a large one.

    Measured with 0.15M parameters on 2 cores: training as fast with one thread as with two on an idle machine, and eight
    times as fast on a busy one, where the two threads wait for each other.
    """
    import torch

    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in model.parameters()) < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
