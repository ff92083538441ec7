"""Which recordings are read, and by what, and what to do about others; docs/inputs.md says the same.

Headerless formats are known by their name alone (Asterisk's format_*.c); all others by their first bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from shlex import quote
from typing import Final


@dataclass(frozen=True, slots=True)
class Headerless:
    """How to read a file that doesn't say how."""

    rate: int
    subtype: str = ""
    """libsndfile's subtype; empty: read by PyAV."""
    demuxer: str = ""
    """FFmpeg's demuxer, where PyAV reads it."""
    options: tuple[tuple[str, str], ...] = ()
    """Options of the demuxer."""

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample if each has its own, so that sides can be interleaved; otherwise 0."""
        return {"PCM_16": 2, "ULAW": 1, "ALAW": 1}.get(self.subtype, 0)


def _g726(bits: int) -> Headerless:
    # Asterisk packs by RFC 3551, the first sample lowest; FFmpeg calls that little-endian.
    return Headerless(8000, demuxer="g726le", options=(("code_size", str(bits)),))


_SLIN: Final = Headerless(8000, "PCM_16")
_ULAW: Final = Headerless(8000, "ULAW")
_ALAW: Final = Headerless(8000, "ALAW")

#: By the name's ending, without its dot.
HEADERLESS: Final[dict[str, Headerless]] = {
    "raw": _SLIN,
    **{f"{name}{k}": Headerless(rate, "PCM_16") for name in ("sln", "slin") for k, rate in (
        ("", 8000), ("12", 12000), ("16", 16000), ("24", 24000), ("32", 32000), ("44", 44100),
        ("48", 48000), ("96", 96000), ("192", 192_000))},
    **dict.fromkeys(("ulaw", "ul", "pcm", "mu", "ulw"), _ULAW),
    **dict.fromkeys(("alaw", "al", "alw"), _ALAW),
    "gsm": Headerless(8000, "GSM610"),
    "vox": Headerless(8000, "VOX_ADPCM"),
    "g722": Headerless(16000, demuxer="g722"),
    "g726-16": _g726(2),
    "g726-24": _g726(3),
    "g726-32": _g726(4),
    "g726-40": _g726(5),
    "g729": Headerless(8000, demuxer="g729"),
}  # fmt: skip

#: Asterisk's own formats that no library here decodes; the Asterisk that made them converts them.
BY_ASTERISK: Final = ("siren7", "siren14", "g719", "g723", "g723sf", "ilbc")

#: What browsers can play as it is.
NATIVE: Final = {
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg",
    ".flac": "audio/flac", ".m4a": "audio/mp4", ".mp4": "audio/mp4", ".aac": "audio/aac",
    ".webm": "audio/webm",
}  # fmt: skip
#: What is turned into WAV, besides Asterisk's headerless formats.
_BY_CONTENT: Final = (
    ".wav49",
    ".wav16",
    ".au",
    ".aif",
    ".aiff",
    ".caf",
    ".w64",
    ".rf64",
    ".amr",
    ".mka",
    ".wma",
)
#: Every ending that a recording's name may have.
ENDINGS: Final = frozenset({*NATIVE, *_BY_CONTENT, *(f".{end}" for end in (*HEADERLESS, *BY_ASTERISK))})

#: Formats that PyAV reads: FFmpeg's demuxer, recognised by bytes at an offset. None of them opens other
#: files.
CONTAINERS: Final[tuple[tuple[str, str, int, bytes], ...]] = (
    ("M4A or MP4", "mov", 4, b"ftyp"),
    ("WebM or Matroska", "matroska", 0, b"\x1aE\xdf\xa3"),
    ("AAC", "aac", 0, b"\xff\xf1"),
    ("AAC", "aac", 0, b"\xff\xf9"),
    ("AMR", "amr", 0, b"#!AMR"),
    ("iLBC", "ilbc", 0, b"#!iLBC"),
    ("WMA", "asf", 0, b"0&\xb2u\x8ef\xcf\x11"),
    ("WavPack", "wv", 0, b"wvpk"),
    ("Ogg", "ogg", 0, b"OggS"),
    ("WAV", "wav", 0, b"RIFF"),
    ("Core Audio", "caf", 0, b"caff"),
)

EXTRA: Final = "pip install 'emocx-pbx[formats]'"


def ending(path: PurePath) -> str:
    """The name's ending, which identifies a headerless format: lower case, without the dot."""
    return path.suffix.lower().removeprefix(".")


def container(head: bytes) -> tuple[str, str] | None:
    """What a file is and FFmpeg's demuxer for it, by its first bytes."""
    for what, demuxer, at, magic in CONTAINERS:
        if head[at : at + len(magic)] == magic:
            return what, demuxer
    return None


def remedy(path: PurePath, *, extra: bool) -> str:
    """The command that makes a readable file of one that isn't.

    Args:
        path: of the file.
        extra: whether installing the extra `formats` would do.
    """
    if ending(path) in BY_ASTERISK:
        command = f"file convert {path} {path.with_suffix('.sln16')}"
        return f"convert it: asterisk -rx {quote(command)}"
    convert = f"ffmpeg -i {quote(str(path))} -c:a pcm_s16le {quote(str(path.with_suffix('.wav')))}"
    return f"{EXTRA}, or convert it: {convert}" if extra else f"convert it: {convert}"
