"""Asterisk's own formats, and those that need PyAV: read, or refused with the command that helps."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from emocx_pbx.audio import by_av, formats
from emocx_pbx.audio.recording import open_recording
from emocx_pbx.errors import InputError

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"
SPEECH: Samples = soundfile.read(DATA / "call_customer.flac", dtype="int16")[0][:64_000]


def read(path: Path) -> Samples:
    with open_recording(path) as recording:
        return np.concatenate(list(recording.blocks()))


def likeness(samples: Samples) -> float:
    """Of read samples (n, 1) with SPEECH: correlation at the best delay of a codec, to 1."""
    one, other = samples[:, 0].astype(float), SPEECH.astype(float)
    size = 1 << 17
    product = np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size))
    best = float(np.fft.irfft(product)[:2000].max())
    return best / float(np.sqrt((one**2).sum() * (other**2).sum()))


def wide(rate: int) -> Samples:
    return np.asarray(soxr.resample(SPEECH, 8000, rate), np.int16)


def encode(path: Path, codec: str, rate: int, form: str, **options: str) -> Path:
    """SPEECH by one of FFmpeg's encoders."""
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono", options=options)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(wide(rate)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(
            stream.codec_context.format.name, "mono", rate, stream.codec_context.frame_size or 1024
        )
        for even in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(even))
    return path


@pytest.mark.parametrize(
    ("name", "rate"),
    [("sln", 8000), ("sln12", 12000), ("sln16", 16000), ("sln24", 24000), ("sln32", 32000), ("sln44", 44100),
     ("sln48", 48000), ("sln96", 96000), ("sln192", 192_000), ("slin16", 16000), ("raw", 8000)],
)  # fmt: skip
def test_signed_linear_at_any_rate(tmp_path: Path, name: str, rate: int) -> None:
    path = tmp_path / f"call.{name}"
    path.write_bytes(wide(rate).tobytes())
    samples = read(path)
    assert len(samples) == pytest.approx(len(SPEECH), abs=2)
    assert likeness(samples) > 0.99


@pytest.mark.parametrize(
    ("names", "subtype", "least"),
    [(("ulaw", "ul", "pcm", "mu", "ulw", "ULAW"), "ULAW", 0.99), (("alaw", "al", "alw"), "ALAW", 0.99),
     (("gsm",), "GSM610", 0.9), (("vox",), "VOX_ADPCM", 0.9)],
)  # fmt: skip
def test_a_name_tells_the_codec(tmp_path: Path, names: tuple[str, ...], subtype: str, least: float) -> None:
    for name in names:
        path = tmp_path / f"call.{name}"
        with path.open("wb") as stream:
            soundfile.write(stream, SPEECH, 8000, format="RAW", subtype=subtype)
        samples = read(path)
        assert len(samples) == pytest.approx(len(SPEECH), abs=320)
        assert likeness(samples) > least


@pytest.mark.parametrize(
    ("name", "codec", "rate", "form", "options", "least"),
    [
        ("call.g722", "g722", 16000, "g722", {}, 0.97),
        ("call.g726-40", "g726le", 8000, "g726le", {"code_size": "5"}, 0.98),
        ("call.g726-32", "g726le", 8000, "g726le", {"code_size": "4"}, 0.97),
        ("call.g726-24", "g726le", 8000, "g726le", {"code_size": "3"}, 0.93),
        ("call.g726-16", "g726le", 8000, "g726le", {"code_size": "2"}, 0.8),
        ("call.m4a", "aac", 44100, "ipod", {}, 0.95),
        ("call.mp4", "aac", 48000, "mp4", {}, 0.95),
        ("call.aac", "aac", 16000, "adts", {}, 0.95),
        ("call.webm", "libopus", 48000, "webm", {}, 0.9),
        ("call.mka", "libopus", 48000, "matroska", {}, 0.9),
        ("call.opus", "libopus", 48000, "ogg", {}, 0.9),
        ("lossless.m4a", "alac", 8000, "ipod", {}, 0.99),
        ("mp3-inside.wav", "libmp3lame", 16000, "wav", {}, 0.9),
        ("g722-inside.wav", "g722", 16000, "wav", {}, 0.97),
    ],
)
def test_what_ffmpeg_writes(
    tmp_path: Path, name: str, codec: str, rate: int, form: str, options: dict[str, str], least: float
) -> None:
    samples = read(encode(tmp_path / name, codec, rate, form, **options))
    assert len(samples) == pytest.approx(len(SPEECH), abs=1000)
    assert likeness(samples) > least


def test_another_decoder_hears_the_same_vox(tmp_path: Path) -> None:
    path = tmp_path / "call.vox"
    with path.open("wb") as stream:
        soundfile.write(stream, SPEECH, 8000, format="RAW", subtype="VOX_ADPCM")
    decoder = av.CodecContext.create("adpcm_ima_oki", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"  # type: ignore[attr-defined]
    theirs = np.concatenate([f.to_ndarray()[0] for f in decoder.decode(av.Packet(path.read_bytes()))])  # type: ignore[attr-defined]
    assert likeness(theirs[:, None]) > 0.9
    assert likeness(read(path)) == pytest.approx(likeness(theirs[:, None]), abs=0.01)


@pytest.mark.parametrize("name", ["call.m4a", "call.webm", "call.g722"])
def test_without_pyav_the_remedy_is_one_line(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes({"m4a": b"\0\0\0 ftypM4A ", "webm": b"\x1aE\xdf\xa3"}.get(name[5:], b"") + bytes(400))
    monkeypatch.setattr("emocx_pbx.audio.recording.is_installed", lambda: False)
    with pytest.raises(InputError) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert "pip install 'emocx-pbx[formats]'" in said
    assert f"ffmpeg -i {path}" in said


@pytest.mark.parametrize("name", formats.BY_ASTERISK)
def test_what_nobody_here_reads_names_asterisks_own_command(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"it's a call.{name}"
    path.write_bytes(bytes(400))
    with pytest.raises(InputError, match=r"asterisk -rx .*file convert") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0 ftypM4A " + bytes(3000), b"\x1aE\xdf\xa3" + b"\x07" * 3000, b"\xff\xf1" + b"\xab" * 3000,
        b"#!AMR\n" + b"\xff" * 2000, b"OggS" + bytes(2000), b"RIFF\xff\0\0\0WAVEfmt " + b"\x77" * 3000,
        b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x89PNG\r\n\x1a\n" + bytes(2000), b"%PDF-1.7\n" + bytes(2000),
    ],
)  # fmt: skip
def test_damaged_or_foreign_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    for name in ("call.wav", "call.m4a", "call"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "bits", "more"),
    [(1, 0, b""), (0x4711, 16, b""), (0xFFFE, 16, b"\x16\0\x10\0\x04\0\0\0" + bytes(16))],
)
def test_a_coding_that_nobody_knows_is_one_line_with_a_remedy(
    tmp_path: Path, tag: int, bits: int, more: bytes
) -> None:
    form = struct.pack("<HHIIHH", tag, 1, 8000, 16000, 2, bits) + more
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 4000) + bytes(4000)
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(
        InputError, match=r"that can be read .*; if a player plays it, convert it: ffmpeg"
    ) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = encode(tmp_path / "call.aac", "aac", 16000, "adts")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with open_recording(path) as recording:
        length = sum(len(block) for block in recording.blocks())
    assert recording.truncated
    assert 0.2 * len(SPEECH) < length < 0.9 * len(SPEECH)


def test_a_film_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        for frame in (picture, None):
            out.mux(stream.encode(frame))
    with pytest.raises(InputError, match="no sound"):
        read(path)


def test_a_cut_m4a_is_said_to_be_damaged_or_short(tmp_path: Path) -> None:
    path = encode(tmp_path / "call.m4a", "aac", 44100, "ipod", movflags="faststart")
    path.write_bytes(path.read_bytes()[:-8000])
    try:
        assert 8000 < len(read(path)) < len(SPEECH) + 1000
    except InputError as error:
        assert "\n" not in str(error)


def test_ffmpeg_is_loaded_only_when_it_is_needed() -> None:
    code = "import sys, emocx_pbx.audio.recording; print('av' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "False"
    assert by_av.is_installed()
