"""Loading what packages of others run: whatever they raise becomes a ModelError of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emocx_pbx.errors import ModelError


@contextmanager
def loading(what: object) -> Iterator[None]:
    """Load `what`, a file or folder, inside.

    Raises:
        ModelError: it can't be loaded.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's errors share no base but Exception, nor do other packages'
        why = (str(error) or repr(error)).splitlines()[0]
        raise ModelError(f"{what}: can't be loaded: {why}") from error
