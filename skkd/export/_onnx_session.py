"""Run ONNX files."""

from typing import Any

from ._require import require


def open_session(file: bytes, n_threads: int = 0) -> Any:
    """Return onnxruntime's session of a file on the CPU; 0 threads: onnxruntime decides."""
    onnxruntime = require("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 4  # errors are raised as well
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
