"""Nets with an Accelerator of the package accelerate."""

from functools import partial

from skorch import NeuralNet


def initialize_unwrapped(net: NeuralNet) -> None:
    """Initialize a net that has an accelerator, without wrapping its module.

    The accelerator brings the module to its device and dtype. It does not wrap it in
    DistributedDataParallel, and keeps nothing that would have to be pickled with the net.
    """
    accelerator = net.accelerator
    accelerator.prepare_model = partial(accelerator.prepare_model, evaluation_mode=True)
    try:
        net.initialize()
    finally:
        del accelerator.prepare_model
        accelerator.free_memory()
    # From here on the net knows its device as any other does; skorch allows either of the two.
    accelerator.device_placement = False
    device = accelerator.device
    # accelerate's "cpu:0" can't be read.
    net.device = "cpu" if device.type == "cpu" else str(device)
