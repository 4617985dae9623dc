"""Loads what a search loads, and runs nothing: a process that has imported this can be forked into searches."""

import onnxscript.function_libs.torch_lib.ops  # noqa: F401
import torch._dynamo
import torch.onnx  # noqa: F401

import autodistill.cli.search
import autodistill.run.searching
import autodistill.train  # noqa: F401
