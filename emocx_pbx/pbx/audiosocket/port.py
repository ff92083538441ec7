"""Where AudioSocket connections are accepted, and with what patience."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudioPort:
    """Where connections are accepted, and how long each is waited for."""

    bind: str
    """Address to listen on."""
    port: int
    """Port to listen on; 0: any free one."""
    handshake_s: float
    """Seconds from the opening of a socket to its complete UUID."""
    idle_s: float
    """Seconds without a complete message that end a session."""
    max_sessions: int = 512
    """Connections beyond these are closed at once."""
    linger_s: float = 0.5
    """Seconds after our 0x00 in which the peer should close; then it is cut off."""
