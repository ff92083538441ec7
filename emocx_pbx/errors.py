"""The error tree: whatever this package raises on purpose derives from EmocxError.

EmocxError
├── SettingsError      a setting, policy or rubric file is wrong; names file, place and what was expected
├── InputError         a recording, CSV or argument can't be used; one line, says what and where
│   ├── NotFoundError  what was named is not there, or not for the asker to see
│   └── NotAllowedError the asker may not do this
├── ModelError         a model is missing, damaged (checksum) or of another kind than asked for
├── ProtocolError      a peer (AudioSocket, FastAGI, AMI) broke its protocol
├── PeerUnavailable    a peer is not connected, or did not answer within its deadline
├── RefusedError       a peer answered, and the answer was no (AMI Response: Error, wrong login)
└── StoreError         the database can't be opened, migrated or written
    ├── LeaseLost          another controller acts for this PBX: what was to be written is not
    └── StoreUnavailable   it does not take changes now: disk full, locked for too long, I/O error
"""

from __future__ import annotations


class EmocxError(Exception):
    """Something went wrong in EmoCX PBX."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").split("\n", 1)[0])


class SettingsError(EmocxError):
    """A setting is wrong."""


class InputError(EmocxError):
    """The input can't be used."""


class NotFoundError(InputError):
    """What was named is not there, or (said alike) not for the asker to see."""


class NotAllowedError(InputError):
    """The asker may not do this."""


class ModelError(EmocxError):
    """The model can't be used."""


class ProtocolError(EmocxError):
    """The peer broke its protocol."""


class PeerUnavailable(EmocxError):
    """The peer is not there, or did not answer in time."""


class OutcomeUnknown(PeerUnavailable):
    """The peer was asked, and did not answer in time: it may still do what it was asked."""


class RefusedError(EmocxError):
    """The peer refused the request."""


class StoreError(EmocxError):
    """The store can't be used."""


class StoreUnavailable(StoreError):
    """The store does not take changes now."""


class LeaseLost(StoreError):
    """Another controller acts for this PBX."""
