"""Adam, without the import of a compiler."""

from __future__ import annotations

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """`torch.optim.Adam` (Kingma and Ba 2015), whose methods do not import ``torch._dynamo``.

    torch wraps them so that its compiler leaves them alone, and the wrappers import that compiler when they are first called:
    1.1 s on two cores, a tenth of a short fit. Where a version of torch wraps nothing, this is its own class unchanged.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
