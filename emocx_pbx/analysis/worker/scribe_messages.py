"""What a worker and its scribe say to each other: phrases there, what their words say back."""

from __future__ import annotations

from emocx_pbx.wire.message import Message


class Hear(Message, frozen=True):
    """Transcribe a phrase and classify its words; answered by Understood with the same number."""

    number: int
    call_id: str
    """Whose words before it are its context."""
    pcm: bytes
    """16 bits little-endian, 8 kHz."""


class ForgetCall(Message, frozen=True):
    """No more comes of a call: let its words go. Not answered."""

    call_id: str


class ScribeReady(Message, frozen=True):
    """Sent once: the models are loaded, or can't be."""

    transcriber: str | None
    text_model: str | None
    """`name/version`."""
    problems: list[str]
    """One line for each that can't be loaded."""


class Understood(Message, frozen=True):
    """Answer to Hear; the words themselves only where they are to be kept."""

    number: int
    probabilities: tuple[float, float, float, float] | None
    """None: no words, not understood, or in a language that the text model does not know."""
    threshold: float
    text: str | None = None
    cpu_s: float = 0.0
    """What it cost."""


ToScribe = Hear | ForgetCall
FromScribe = ScribeReady | Understood
