"""A Whisper encoder as an ONNX graph that outputs the frames of several of its layers.

Matrix products, including those of convolutions, use 8-bit integers: weights are scaled by output channel,
activations by frame (a few of Whisper's channels are a hundred times as large as the rest, and one scale for
all frames would drown the others in rounding). What stays fractional is stored in its original half
precision, and widened when it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError
from emocx_pbx.training.encoders.original import EncoderWeights

FloatArray = npt.NDArray[np.float32]

_OPSET: Final = 18
#: Operators that onnxruntime adds: Gelu, MultiHeadAttention, MatMulIntegerToFloat.
_RUNTIME: Final = "com.microsoft"
_ZERO: Final = 128
_LEAST: Final = np.float32(1e-9)


def graph(weights: EncoderWeights, layers: Sequence[int]) -> bytes:
    """A model from `mel` (1, 80, 2 t) to outputs `layer_<n>` (1, t, width), one of each of `layers`.

    Weights have a sign, except those of the first convolution; `emotion.signs` removes it for processors that
    can't handle it. Layers count from 1; each output has been through the encoder's last layer norm. The same
    weights give the same bytes. Raises ModelError if there is no such layer.
    """
    if not layers or min(layers) < 1 or max(layers) > weights.layers:
        raise ModelError(f"layers {list(layers)} asked for, the encoder has 1 to {weights.layers}")
    return GraphWriter(weights).written(layers)


class GraphWriter:
    """Writes the graph operator by operator; `benchmarks.fused_products` tries others in its place."""

    def __init__(self, weights: EncoderWeights) -> None:
        import onnx

        self._onnx = onnx
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def written(self, layers: Sequence[int]) -> bytes:
        """The model's bytes, see `graph`."""
        x = self._positioned(self._convolved("mel"))
        for number in range(1, max(layers) + 1):
            x = self._layer(x, f"layer_{number - 1}")
            if number in layers:
                self._op("Identity", self._norm(x, "layer_norm"), out=f"layer_{number}")
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        shape = [1, "frames", self._weights.width]
        built = helper.make_graph(
            self._nodes,
            "whisper_encoder",
            [helper.make_tensor_value_info("mel", kind, [1, 80, "columns"])],
            [helper.make_tensor_value_info(f"layer_{n}", kind, shape) for n in layers],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_RUNTIME, 1)]
        model: bytes = helper.make_model(built, opset_imports=opsets, ir_version=9).SerializeToString()
        return model

    def _convolved(self, mel: str) -> str:
        x = self._op("Transpose", mel, perm=[0, 2, 1])
        # (1, 2 t, 80)
        for name, stride in (("conv1", 1), ("conv2", 2)):
            # A frame of log-mel is of one sign: its largest products, added in pairs, are beyond the 16 bits
            # in which processors without VNNI add those of signed weights.
            y = self._linear(self._neighbours(x, stride), name, unsigned=name == "conv1")
            x = self._op("Gelu", y, domain=_RUNTIME)
        return x
        # (1, t, width)

    def _neighbours(self, x: str, stride: int) -> str:
        """Every `stride`-th row of x (1, n, c) between the row before and the row after it: (1, m, 3 c)."""
        padded = self._op("Pad", x, self._constant(np.array([0, 1, 0, 0, 1, 0], np.int64)))
        axis, step = (self._constant(np.array([i], np.int64)) for i in (1, stride))
        rows = []
        for first in range(3):
            until = first - 2 if first < 2 else np.iinfo(np.int64).max
            bounds = (self._constant(np.array([i], np.int64)) for i in (first, until))
            rows.append(self._op("Slice", padded, *bounds, axis, step))
        return self._op("Concat", *rows, axis=-1)

    def _positioned(self, x: str) -> str:
        first, frames = (self._constant(np.array([i], np.int64)) for i in (0, 1))
        until = self._op("Gather", self._op("Shape", x), frames)
        where = self._op("Slice", self._stored("position_encodings/encodings"), first, until, first)
        return self._op("Add", x, where)

    def _layer(self, x: str, name: str) -> str:
        y = self._linear(
            self._norm(x, f"{name}/self_attention/layer_norm"), f"{name}/self_attention/linear_0"
        )
        sizes = self._constant(np.full(3, self._weights.width, np.int64))
        query, key, value = self._ops("Split", 3, y, sizes, axis=-1)
        y = self._op("MultiHeadAttention", query, key, value, domain=_RUNTIME, num_heads=self._weights.heads)
        x = self._op("Add", x, self._linear(y, f"{name}/self_attention/linear_1"))
        y = self._linear(self._norm(x, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0")
        y = self._linear(self._op("Gelu", y, domain=_RUNTIME), f"{name}/ffn/linear_1")
        return self._op("Add", x, y)

    def _norm(self, x: str, name: str) -> str:
        gamma, beta = (self._stored(f"{name}/{part}") for part in ("gamma", "beta"))
        return self._op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-5)

    def _linear(self, x: str, name: str, *, unsigned: bool = False) -> str:
        """Rows (1, t, n) times stored weights (m, n), plus a bias (m,): (1, t, m).

        A kernel (m, c, 3) of a convolution goes over three neighbours' channels side by side. Unsigned
        weights give exactly the same numbers, and never saturate; with VNNI they take twice the time.
        """
        weights = self._weights.arrays[f"{name}/weight"]
        if weights.ndim == 3:
            weights = weights.transpose(0, 2, 1).reshape(len(weights), -1)
        # (m, n)
        scale = np.maximum(np.abs(weights).max(axis=1), 1e-9) / 127
        # (m,)
        rounded = np.rint(weights / scale[:, None]).astype(np.int8).T
        last = self._constant(np.array([-1], np.int64))
        largest = self._op("ReduceMax", self._op("Abs", x), last, keepdims=1)
        largest = self._op("Max", largest, self._constant(_LEAST))
        step = self._op("Mul", largest, self._constant(np.float32(1 / 127)))
        # (1, t, 1)
        # The cast drops the fraction, so adding a half rounds.
        scaled = self._op("Mul", x, self._op("Reciprocal", step))
        shifted = self._op("Add", scaled, self._constant(np.float32(_ZERO + 0.5)))
        coded = self._op("Cast", shifted, to=self._onnx.TensorProto.UINT8)
        zero = self._constant(np.uint8(_ZERO))
        # A zero point that is stated, though it is 0, allows the sign to be removed later.
        zeros = [zero, zero if unsigned else self._constant(np.int8(0))]
        if unsigned:
            rounded = (rounded.astype(np.int16) + _ZERO).astype(np.uint8)
        product = self._op(
            "MatMulIntegerToFloat",
            coded,
            self._constant(rounded),
            self._constant(np.float32(1)),
            self._constant(scale.astype(np.float32)),
            *zeros,
            domain=_RUNTIME,
        )
        return self._op("Add", self._op("Mul", product, step), self._stored(f"{name}/bias"))

    def _op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"x{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _ops(self, kind: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        names = [f"x{len(self._nodes)}_{i}" for i in range(count)]
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, names, **attributes))
        return names

    def _stored(self, name: str) -> str:
        """The stored fractions `name`, widened; only once, however often they are asked for."""
        wide = f"{name}:wide"
        if not any(constant.name == name for constant in self._constants):
            half = self._weights.arrays[name].astype(np.float16)
            self._constants.append(self._onnx.numpy_helper.from_array(half, name))
            self._op("Cast", name, out=wide, to=self._onnx.TensorProto.FLOAT)
        return wide

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name
