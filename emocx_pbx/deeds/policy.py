"""The deed of changing the policy: checks it, and saves it as the file that the service reads."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from emocx_pbx.errors import InputError
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import parse_policy, policy_text, unknown_queues
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import Entry
from emocx_pbx.store.database import Store


async def save_policy(
    store: Store, path: Path | None, text: str, based_on: str, queues: Mapping[str, QueueState], by: Actor
) -> None:
    """Replace the policy file; the caller has the service reread it.

    Args:
        store: its audit log notes both texts.
        path: the policy file; None: the built-in policy, which can't be changed.
        text: the new policy, as TOML.
        based_on: `digest` of the text that was edited.
        queues: names of the PBX's queues; empty: unknown.
        by: who does it.

    Raises:
        InputError: the policy is the built-in one, the text names a queue that the PBX does not have, or the
            file was changed meanwhile.
        SettingsError: the text is not a valid policy.
        OSError: the file can't be written.
    """
    if path is None:
        raise InputError("The built-in policy can't be changed: name a file in routing.policy.")
    policy = await asyncio.to_thread(parse_policy, text)  # a long one takes a while
    if queues and (unknown := unknown_queues(policy, queues)):
        raise InputError("; ".join(unknown))  # the service would refuse it as well
    before = policy_text(path) if _exists(path) else ""
    if digest(before) != based_on:
        raise InputError("The file was changed meanwhile by somebody else. Load it again.")
    entry = Entry(by, "policy.saved", path.name, {"text": before}, {"text": text})
    await store.audit.around(entry, lambda: write(path, text))


def _exists(path: Path) -> bool:
    return path.exists()


def digest(text: str) -> str:
    """Identifies a text, to see whether a file is still the one that a form was filled with."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: Path, text: str) -> None:
    """Replace a file atomically, even in a crash; the former one is kept beside it as .bak."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text if text.endswith("\n") else text + "\n")
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o777)
        backup = path.with_name(f"{path.name}.bak")
        backup.write_bytes(path.read_bytes())
    draft.replace(path)
