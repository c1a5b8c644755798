"""Adam is torch's, and brings no compiler with it."""

import subprocess
import sys

import torch

from shapesiren.fitting.adam import Adam

FIT = """
import sys, torch
from shapesiren.fitting.adam import Adam
x = torch.ones(3, requires_grad=True)
optimizer = Adam([x], lr=0.1, fused=True)
(x**2).sum().backward()
optimizer.step(); optimizer.load_state_dict(optimizer.state_dict()); optimizer.zero_grad()
print([m for m in sys.modules if m.startswith("torch._dynamo")])
"""


def test_it_steps_as_torchs_own_does() -> None:
    found = []
    for kind in (Adam, torch.optim.Adam):
        x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
        optimizer = kind([x], lr=0.1, betas=(0.9, 0.95), fused=True)
        for k in range(5):
            optimizer.zero_grad(set_to_none=True)
            ((x - k) ** 4).sum().backward()
            optimizer.step()
            if k == 2:
                optimizer.load_state_dict(optimizer.state_dict())
        found.append(x.detach().clone())
    assert torch.equal(*found)
    assert float((found[0] - torch.tensor([1.0, -2.0, 3.0])).abs().max()) > 0.1


def test_it_imports_no_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
