"""What a single operator per product would save in the encoders, and what it would cost in accuracy.

    python -m benchmarks.fused_products --clips ../shared/data/speech/clips.csv [--windows 80]

Today each product scales its activations by frame, in ten operators. `DynamicQuantizeMatMul` does all in
one, but with a single scale for all frames, in which a few large channels drown the others. Large channels
are therefore made smaller, and their weights larger, before it (SmoothQuant: Xiao et al. 2023, eq. 4), by the
largest values seen on clips of train speakers. Norms and values of attention take that over at no cost; an
activation after Gelu costs a product of its own.

Windows of 4 s of dev speakers, one thread, every way on every window in turn. Printed as JSON: CPU per window
as the median of paired ratios to today's with its 90 % interval over windows, and the error of the statistics
that `voice` reads, against float32, in their spread over windows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.emotion.voice import ENCODERS
from emocx_pbx.emotion.whisper import log_mel_16k
from emocx_pbx.training.encoders.graph import GraphWriter
from emocx_pbx.training.encoders.original import EncoderWeights, weights_of
from emocx_pbx.training.speech.data import Clip, read_clips

FloatArray = npt.NDArray[np.float32]
#: A divisor by channel of each product's input, by the product's name.
Smoothing = Mapping[str, FloatArray]

WINDOW: Final = 4 * SAMPLE_RATE
ALPHA: Final = 0.5
#: Clips whose largest activations are taken.
CALIBRATION: Final = 150
_LEAST: Final = 1e-5
_RUNTIME: Final = "com.microsoft"


class FloatWriter(GraphWriter):
    """The same encoder without integers."""

    def _linear(self, x: str, name: str, *, unsigned: bool = False) -> str:
        weights = self._weights.arrays[f"{name}/weight"]
        if weights.ndim == 3:
            weights = weights.transpose(0, 2, 1).reshape(len(weights), -1)
        return self._op("Add", self._op("MatMul", x, self._constant(weights.T)), self._stored(f"{name}/bias"))


class ListeningWriter(GraphWriter):
    """Today's encoder; remembers what each product of a layer is given."""

    def __init__(self, weights: EncoderWeights) -> None:
        super().__init__(weights)
        self.inputs: dict[str, str] = {}

    def _linear(self, x: str, name: str, *, unsigned: bool = False) -> str:
        if name.startswith("layer_"):
            self.inputs[name] = x
        return super()._linear(x, name, unsigned=unsigned)


class FusedWriter(GraphWriter):
    """Products of the layers in one operator each, where there is a smoothing for them."""

    def __init__(self, weights: EncoderWeights, smoothing: Smoothing) -> None:
        super().__init__(weights)
        self._smoothing = smoothing

    def _norm(self, x: str, name: str) -> str:
        divisor = self._smoothing.get(name.replace("layer_norm", "linear_0"))
        if divisor is None:
            return super()._norm(x, name)
        parts = (self._weights.arrays[f"{name}/{part}"] / divisor for part in ("gamma", "beta"))
        return self._op("LayerNormalization", x, *map(self._constant, parts), axis=-1, epsilon=1e-5)

    def _linear(self, x: str, name: str, *, unsigned: bool = False) -> str:
        divisor = self._smoothing.get(name)
        if divisor is None:
            return super()._linear(x, name, unsigned=unsigned)
        if name.endswith("ffn/linear_1"):
            x = self._op("Mul", x, self._constant(1 / divisor))
        weights = self._weights.arrays[f"{name}/weight"] * divisor
        bias = self._weights.arrays[f"{name}/bias"].copy()
        after = self._smoothing.get(name.replace("linear_0", "linear_1"))
        if name.endswith("self_attention/linear_0") and after is not None:
            values = slice(2 * self._weights.width, None)  # query, key, value
            weights[values] /= after[:, None]
            bias[values] /= after
        scale = np.maximum(np.abs(weights).max(axis=1), 1e-9) / 127
        rounded = np.rint(weights / scale[:, None]).astype(np.int8).T
        constants = (rounded, scale.astype(np.float32), np.int8(0), bias)
        return self._op("DynamicQuantizeMatMul", x, *map(self._constant, constants), domain=_RUNTIME)


def session(model: bytes) -> Any:
    """On one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def largest(weights: EncoderWeights, layers: Sequence[int], mels: Sequence[FloatArray]) -> Smoothing:
    """The largest activation of each channel that each product is given, over all `mels`."""
    import onnx

    writer = ListeningWriter(weights)
    model = onnx.load_from_string(writer.written(layers))
    for place in writer.inputs.values():
        model.graph.output.append(onnx.helper.make_tensor_value_info(place, onnx.TensorProto.FLOAT, None))
    running = session(model.SerializeToString())
    found = {name: np.zeros(0, np.float32) for name in writer.inputs}
    for mel in mels:
        for name, frames in zip(
            found, running.run(list(writer.inputs.values()), {"mel": mel[None]}), strict=True
        ):
            top = np.abs(frames[0]).max(axis=0)
            found[name] = np.maximum(found[name], top) if found[name].size else top
    return found


def smoothing(weights: EncoderWeights, tops: Smoothing) -> Smoothing:
    """Divisors that share a channel's size between its activations and its weights."""
    divisors = {}
    for name, top in tops.items():
        size = np.abs(weights.arrays[f"{name}/weight"]).max(axis=0)
        divisors[name] = (np.maximum(top, _LEAST) ** ALPHA / np.maximum(size, _LEAST) ** (1 - ALPHA)).astype(
            np.float32
        )
    return divisors


def without_gelu(divisors: Smoothing) -> Smoothing:
    """Only those that cost no product of their own."""
    return {name: divisor for name, divisor in divisors.items() if not name.endswith("ffn/linear_1")}


def statistics(frames: Sequence[FloatArray]) -> FloatArray:
    """Mean, spread and maximum over time, as the model's front end has them."""
    return np.concatenate([f(layer[0], axis=0) for layer in frames for f in (np.mean, np.std, np.max)])


def compared(
    source: str, layers: Sequence[int], train: Sequence[FloatArray], dev: Sequence[FloatArray]
) -> dict[str, Any]:
    """Every way on every window."""
    weights = weights_of(source)
    divisors = smoothing(weights, largest(weights, layers, train))
    ways = {
        "today": session(GraphWriter(weights).written(layers)),
        "fused": session(FusedWriter(weights, divisors).written(layers)),
        "fused_but_after_gelu": session(FusedWriter(weights, without_gelu(divisors)).written(layers)),
        "float32": session(FloatWriter(weights).written(layers)),
    }
    outputs = [f"layer_{n}" for n in layers]
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    read: dict[str, list[FloatArray]] = {way: [] for way in ways}
    for mel in dev:
        for way, running in ways.items():
            began = time.process_time()
            frames = running.run(outputs, {"mel": mel[None]})
            cpu[way].append(time.process_time() - began)
            read[way].append(statistics(frames))
    exact = np.array(read["float32"])
    spread = exact.std(axis=0) + 1e-9
    result = {}
    for way in ways:
        ratios = np.array(cpu[way]) / np.array(cpu["today"])
        error = np.abs(np.array(read[way]) - exact) / spread
        result[way] = {
            "cpu": round(float(np.median(ratios)), 3),
            "cpu_90": interval(ratios),
            "error": round(float(np.median(error)), 4),
            "error_p99": round(float(np.quantile(error, 0.99)), 3),
        }
    return result


def interval(ratios: npt.NDArray[np.float64]) -> list[float]:
    """90 % of the median, by bootstrap over windows."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (1000, ratios.size)), axis=1)
    return [round(float(np.quantile(medians, q)), 3) for q in (0.05, 0.95)]


def drawn(clips: Sequence[Clip], number: int) -> list[FloatArray]:
    """Log-mels (80, 400) of so many clips, drawn once for good, each repeated or cut to a window."""
    order = np.random.default_rng(1).permutation(len(clips))[:number]
    return [log_mel_16k(np.resize(clips[i].samples, WINDOW)) for i in order]


def main() -> None:
    """Parse, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=80)
    args = parser.parse_args()
    train = drawn(read_clips(args.clips, split="train").clips, CALIBRATION)
    dev = drawn(read_clips(args.clips, split="dev").clips, args.windows)
    result: dict[str, Any] = {"windows": len(dev), "alpha": ALPHA, "load": round(os.getloadavg()[0], 2)}
    for source, layers in ENCODERS:
        result[source] = compared(source, layers, train, dev)
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
