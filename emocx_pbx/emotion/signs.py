"""Takes the sign from 8-bit weights in an ONNX file, for processors that can't add products of signed ones.

Such a processor multiplies activations of 0 to 255 with weights of -128 to 127 and adds pairs of products in
16 bits, which saturates. Weights of 0 to 255 whose zero is 128 mean the same numbers and never do. An
encoder's file has a zero point beside each matrix of weights, so turning the topmost bit of every int8
tensor, zero points included, and calling it uint8 is all there is to do. Read here as protocol buffers,
without the package onnx.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from emocx_pbx.errors import ModelError

#: Numbers of fields: ModelProto.graph, GraphProto.initializer, TensorProto.data_type and .raw_data.
_GRAPH: Final = 7
_INITIALIZER: Final = 5
_DATA_TYPE: Final = 2
_RAW_DATA: Final = 9
#: TensorProto.DataType: both are one byte long in the file.
_UINT8: Final = 2
_INT8: Final = 3
#: Kinds of fields: a number, eight bytes, bytes with their length before them, four bytes.
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def without_sign(model: bytes) -> bytes:
    """The same model with every int8 initializer as uint8, its zero at 128.

    Raises ModelError when the bytes are no ONNX model.
    """
    changed = bytearray(model)
    try:
        for _, begin, end in _fields(model, 0, len(model), _GRAPH):
            for _, first, last in _fields(model, begin, end, _INITIALIZER):
                _turn(changed, model, first, last)
    except (IndexError, ValueError) as error:
        raise ModelError(f"no ONNX model: {error}") from None
    return bytes(changed)


def _turn(changed: bytearray, model: bytes, begin: int, end: int) -> None:
    """Take the sign from the tensor in model[begin:end], if it is of int8."""
    for value, at, _ in _fields(model, begin, end, _DATA_TYPE):
        if value != _INT8:
            return
        changed[at] = _UINT8
    for _, first, last in _fields(model, begin, end, _RAW_DATA):
        weights = np.frombuffer(changed, np.uint8, last - first, first)
        weights ^= 0x80


def _fields(data: bytes, begin: int, end: int, wanted: int) -> Iterator[tuple[int, int, int]]:
    """Value, begin and end of each field numbered `wanted` of the message data[begin:end]."""
    at = begin
    while at < end:
        key, at = _number(data, at)
        value, start = 0, at
        match key & 7:
            case kind if kind == _NUMBER:
                value, at = _number(data, at)
            case kind if kind == _BYTES:
                length, start = _number(data, at)
                at = start + length
            case kind if kind == _EIGHT:
                at += 8
            case kind if kind == _FOUR:
                at += 4
            case kind:
                raise ValueError(f"a field of kind {kind}")
        if at > end:
            raise ValueError("it is cut off")
        if key >> 3 == wanted:
            yield value, start, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")
