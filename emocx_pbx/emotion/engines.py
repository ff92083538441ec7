"""Runs exported networks on CPU, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]


class LiteRtEngine:
    """One .tflite network on one thread, warm once built. Not for use by several threads at once.

    Networks that take a variable length along one axis are re-planned when the length changes.
    """

    def __init__(self, path: Path) -> None:
        """Load and warm the network; raises ModelError when the file is not a LiteRT network."""
        # Imported here: the controller process imports this package's names but runs no model.
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as e:
            raise ModelError(f"{path}: no usable LiteRT network: {str(e).splitlines()[0]}") from None
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1:
            raise ModelError(f"{path}: expected one input, found {len(inputs)}")
        self._input = inputs[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self.shape: tuple[int, ...] = tuple(int(n) for n in inputs[0]["shape"])
        """Input shape, batch first; the network's own default where an axis is variable."""
        self(np.zeros(self.shape, np.float32))

    def __call__(self, x: FloatArray) -> FloatArray:
        """Output (1, k) of an input (1, ...)."""
        if x.shape != self.shape:
            self._interpreter.resize_tensor_input(self._input, x.shape, strict=False)
            self._interpreter.allocate_tensors()
            self.shape = x.shape
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(x, np.float32))
        self._interpreter.invoke()
        out: FloatArray = self._interpreter.get_tensor(self._output)
        return out
