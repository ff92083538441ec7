"""The encoders of `voice`: as Whisper's own, made from files that are checked, and checked themselves."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.emotion import encoders, whisper
from emocx_pbx.emotion.encoders import newest
from emocx_pbx.emotion.signs import without_sign
from emocx_pbx.emotion.voice import ENCODERS, RELATIVE, WIDTHS, VoiceFrontEnd, blocks, new_recipe
from emocx_pbx.emotion.whisper import (
    PROBE,
    PROBED,
    WhisperEncoder,
    adds_exactly,
    installed,
    log_mel_16k,
    session,
)
from emocx_pbx.errors import ModelError
from emocx_pbx.training.encoders.graph import graph
from emocx_pbx.training.encoders.make import make, probe
from emocx_pbx.training.encoders.original import ORIGINALS, parse, weights_of
from emocx_pbx.weights.catalogue import SPEECH_TO_TEXT
from emocx_pbx.weights.places import folder_of

Array = npt.NDArray[Any]
RNG = np.random.default_rng(5)


def sound(seconds: float = 2.0) -> FloatArray:
    """Noise whose loudness and colour wander, so that every frame is different."""
    noise = np.cumsum(RNG.standard_normal(int(8000 * seconds))).astype(np.float32)
    noise -= np.convolve(noise, np.ones(200, np.float32) / 200, mode="same")
    even: FloatArray = 0.1 * noise / np.abs(noise).max()
    return even


def model_bin(variables: Mapping[str, Array], version: int = 6) -> bytes:
    """A file of CTranslate2's format: name -> array."""
    out = struct.pack("<IH", version, 2) + b"w\0" + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        kind = {np.dtype(np.float16): 4, np.dtype(np.int16): 2}[array.dtype]
        out += struct.pack("<H", len(name) + 1) + name.encode() + b"\0"
        out += (
            struct.pack(f"<B{array.ndim}IBI", array.ndim, *array.shape, kind, array.nbytes) + array.tobytes()
        )
    return out + struct.pack("<I", 0)


def tiny() -> dict[str, Array]:
    """An encoder of 8 channels, two heads and two layers."""
    sizes: dict[str, tuple[int, ...]] = {
        "conv1/weight": (8, 80, 3), "conv1/bias": (8,),
        "conv2/weight": (8, 8, 3), "conv2/bias": (8,),
        "position_encodings/encodings": (50, 8),
        "layer_norm/gamma": (8,), "layer_norm/beta": (8,),
    }  # fmt: skip
    for layer in ("layer_0", "layer_1"):
        for part in ("self_attention", "ffn"):
            sizes |= {f"{layer}/{part}/layer_norm/gamma": (8,), f"{layer}/{part}/layer_norm/beta": (8,)}
        for name, rows, columns in (
            ("self_attention/linear_0", 24, 8), ("self_attention/linear_1", 8, 8),
            ("ffn/linear_0", 32, 8), ("ffn/linear_1", 8, 32),
        ):  # fmt: skip
            sizes |= {f"{layer}/{name}/weight": (rows, columns), f"{layer}/{name}/bias": (rows,)}
    return {name: RNG.normal(0, 0.3, shape).astype(np.float16) for name, shape in sizes.items()}


def written(arrays: Mapping[str, Array]) -> bytes:
    heads: dict[str, Array] = {"encoder/num_heads": np.array(2, np.int16)}
    return model_bin(heads | {f"encoder/{name}": array for name, array in arrays.items()})


def test_whisper_mel_equals_its_own() -> None:
    import soxr
    from faster_whisper.feature_extractor import FeatureExtractor

    noise = sound()
    theirs = FeatureExtractor()(soxr.resample(noise, 8000, 16000), padding=0)
    np.testing.assert_allclose(log_mel_16k(noise), theirs, atol=1e-4)


def tiny_en() -> WhisperEncoder:
    """The shipped encoder, all of its layers."""
    card = newest("tiny.en")
    return WhisperEncoder("tiny.en", card.layers, card.sha256)


def test_the_whole_encoder_says_what_ctranslate2_says(tmp_path: Path) -> None:
    """Both round to 8 bits, each in its way: so frames are alike, not equal."""
    import ctranslate2

    model = ctranslate2.models.Whisper(
        str(folder_of(SPEECH_TO_TEXT)), device="cpu", compute_type="float32", intra_threads=1
    )
    mel = log_mel_16k(sound(4.0))
    theirs = np.asarray(model.encode(ctranslate2.StorageView.from_array(mel[None])))[0]
    (tmp_path / "whole.onnx").write_bytes(graph(weights_of("tiny.en"), [4]))
    (ours,) = session(tmp_path / "whole.onnx").run(None, {"mel": mel[None]})
    assert ours[0].shape == theirs.shape
    assert np.abs(ours[0] - theirs).mean() < 0.1 * np.abs(theirs).mean()


def test_the_shipped_file_is_what_the_command_makes_of_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, card and licence too; what is there already is left."""
    import emocx_pbx.training.encoders.make as making

    monkeypatch.setattr(making, "ENCODERS", [one for one in ENCODERS if one[0] == "tiny.en"])
    ((card, folder, new),) = make(tmp_path)
    assert new and card == newest("tiny.en")
    (shipped,) = encoders.versions("tiny.en")
    for path in shipped.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert [new for _, _, new in make(tmp_path)] == [False]


def test_the_shipped_probe_is_what_is_made() -> None:
    assert PROBE.read_bytes() == probe()


@pytest.mark.parametrize("source", [source for source, _ in ENCODERS])
def test_shipped_encoders_say_where_they_come_from(source: str) -> None:
    card = newest(source)
    folder = encoders.find(source, card.sha256)
    assert encoders.find(source, card.original_sha256) == folder, "older models name the original"
    wanted, name = ORIGINALS[source]
    assert card.original_sha256 in {file.sha256 for file in wanted.files if file.name == name}
    assert "MIT" in card.licence and (folder / "LICENSE").is_file()
    assert (folder / encoders.FILE).stat().st_size == card.bytes
    assert card.sha256 in (folder / "card.md").read_text()


def test_a_layer_is_the_same_whichever_others_are_asked_for() -> None:
    mel = log_mel_16k(sound())
    sha = newest("tiny.en").sha256
    together = WhisperEncoder("tiny.en", [1, 3], sha).frames(mel)
    alone = WhisperEncoder("tiny.en", [3], sha).frames(mel)
    np.testing.assert_array_equal(together[1], alone[0])


@pytest.mark.parametrize("size", [100, 4000, 4079, 32000])
def test_any_length_has_finite_frames(size: int) -> None:
    for samples in (np.zeros(size, np.float32), sound(4.0)[:size]):
        for frames in WhisperEncoder("tiny.en", [1], newest("tiny.en").sha256)(samples):
            assert len(frames) == -(-log_mel_16k(samples).shape[1] // 2)
            assert np.isfinite(frames).all()


def test_the_front_end_measures_every_layer() -> None:
    assert VoiceFrontEnd(new_recipe())(sound()).shape == (sum(WIDTHS),)
    assert blocks(RELATIVE)[-1].stop == sum(WIDTHS)


def test_recipes_of_older_models_name_one_layer() -> None:
    recipe = {"encoders": [{"source": "tiny.en", "layers": 2, "sha256": newest("tiny.en").original_sha256}]}
    assert VoiceFrontEnd(recipe)(sound()).shape == (3 * 384,)


def test_weights_are_read_as_they_were_written() -> None:
    arrays = tiny()
    read = parse(written(arrays))
    assert (read.heads, read.width, read.layers) == (2, 8, 2)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array.astype(np.float32))


def test_weights_without_sign_say_the_same() -> None:
    """Largest activations times largest weights, in pairs: exact, or the sign is taken away."""
    import onnxruntime

    rows = np.full((1, PROBED), 255, np.uint8)
    if adds_exactly():
        (sums,) = onnxruntime.InferenceSession(PROBE.read_bytes()).run(None, {"rows": rows})
        assert (sums == PROBED * 255 * 127).all()
    mel = log_mel_16k(sound(1.0))
    card = newest("tiny.en")
    plain = session(encoders.find("tiny.en", card.sha256) / encoders.FILE, exact=False)
    for ours, theirs in zip(tiny_en().frames(mel), plain.run(None, {"mel": mel[None]}), strict=True):
        np.testing.assert_array_equal(ours, theirs[0])


def test_the_sign_goes_from_weights_and_from_their_zeros_and_from_nothing_else() -> None:
    import onnx

    def stored(model: bytes) -> dict[str, Array]:
        weights = onnx.load_from_string(model).graph.initializer
        return {t.name: onnx.numpy_helper.to_array(t) for t in weights}

    model = graph(parse(written(tiny())), [2])
    before, after = stored(model), stored(without_sign(model))
    products = [n for n in onnx.load_from_string(model).graph.node if n.op_type == "MatMulIntegerToFloat"]
    signed = {name for node in products[1:] for name in (node.input[1], node.input[5])}
    assert {before[node.input[1]].dtype for node in products[1:]} == {np.dtype(np.int8)}
    for name, array in before.items():
        wanted = (array.astype(np.int16) + 128).astype(np.uint8) if name in signed else array
        np.testing.assert_array_equal(after[name], wanted)
        assert after[name].dtype == wanted.dtype
    first = products[0]
    assert before[first.input[1]].dtype == np.uint8, "a log-mel has one sign: its products always saturate"


@pytest.mark.parametrize("model", [b"\x3a\xff", b"\x3a\x05abc", b"\xff" * 30, b"\x0b"])
def test_what_is_no_model_has_no_sign_to_take(model: bytes) -> None:
    with pytest.raises(ModelError, match="no ONNX model"):
        without_sign(model)


def test_a_processor_that_saturates_gets_weights_without_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    mel = log_mel_16k(sound(1.0))
    exact = tiny_en().frames(mel)
    monkeypatch.setattr(whisper, "adds_exactly", lambda: False)
    for ours, theirs in zip(exact, tiny_en().frames(mel), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("layers", [[], [0], [1, 3]])
def test_layers_that_there_are_not_are_refused(layers: Any) -> None:
    with pytest.raises(ModelError, match="has 1 to 2"):
        graph(parse(written(tiny())), layers)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "can't be read"),
        (b"\x06\x00\x00\x00garbage", "can't be read"),
        (model_bin({}, version=9), "format 9"),
        (model_bin({}), "no encoder"),
        (written(tiny())[:-900], "cut off"),
    ],
)
def test_files_that_are_not_such_weights_are_refused(data: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        parse(data)


def test_another_encoder_than_it_was_trained_with_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no encoder tiny\.en with the checksum 000000000000"):
        WhisperEncoder("tiny.en", [1], "0" * 64)


def test_layers_that_the_file_has_not_are_refused() -> None:
    with pytest.raises(ModelError, match=r"layers \[4\] asked for, .* has \[1, 2, 3\]"):
        WhisperEncoder("tiny.en", [4], newest("tiny.en").sha256)


def test_a_damaged_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(encoders.default_models_dir() / encoders.KIND, tmp_path / encoders.KIND)
    monkeypatch.setattr(encoders, "default_models_dir", lambda: tmp_path)
    tiny_en()
    with (tmp_path / "encoder/tiny.en/1/encoder.onnx").open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"x")
    with pytest.raises(ModelError, match="damaged"):
        tiny_en()
    (tmp_path / "encoder/tiny.en/1/card.json").write_text("{}")
    with pytest.raises(ModelError, match="no card of an encoder"):
        tiny_en()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not installed("no such")
    with pytest.raises(ModelError, match="no encoder huge"):
        newest("huge")
    monkeypatch.setattr("emocx_pbx.emotion.whisper.find_spec", lambda name: None)
    assert not installed("base")
    with pytest.raises(ModelError, match="onnxruntime"):
        WhisperEncoder("base", [2], newest("base").sha256)


def test_the_encoders_that_are_shipped_for_are_installed() -> None:
    assert all(installed(source) for source, _ in ENCODERS)


def test_the_voice_model_is_served_by_onnxruntime_alone() -> None:
    """Neither onnx, nor what speech-to-text brings."""
    script = (
        "import sys; from emocx_pbx.emotion.speech import load_speech; "
        "from emocx_pbx.emotion.registry import Registry; load_speech(Registry(), 'voice'); "
        "others = {'onnx', 'ctranslate2', 'faster_whisper', 'tokenizers', 'av'}; "
        "print(*others & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
