"""Secrets that systemd hands over (LoadCredential): files that only the service can read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from emocx_pbx.errors import SettingsError

#: Names the folder that holds a file for each secret, named like the variable that would set it.
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"


def credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """Contents of the credentials that are settings, by the variable's name, without trailing white space.

    Raises:
        SettingsError: the folder or a file in it can't be read.
    """
    folder = environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        return {}
    try:
        files = [path for path in Path(folder).iterdir() if path.name.startswith("EMOCX_")]
        return {path.name: path.read_text(encoding="utf-8").strip() for path in files}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{CREDENTIALS_VARIABLE}: can't be read: {error}") from None
