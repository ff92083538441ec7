"""The part of the check that verifies the audit log against its hashes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import StoreError

if TYPE_CHECKING:
    from emocx_pbx.store.audit import Chain


def audit_finding(path: Path) -> Finding | None:
    """Whether every entry is there, as it was written; None: no service has run yet."""
    from emocx_pbx.store.audit import verify_file

    if not path.is_file():
        return None
    try:
        return chain_finding(verify_file(path))
    except StoreError as error:
        return Finding("fail", "audit", str(error), "is that the database, and may this user read it?")


def chain_finding(chain: Chain | None) -> Finding:
    """The result of verifying the log against its hashes, in words; None: it has no hashes yet."""
    if chain is None:
        return Finding("warn", "audit", "the log has no hashes yet", "start the service once: it adds them")
    if chain.problem:
        return Finding(
            "fail", "audit", f"the audit log was changed: {chain.problem}",
            "somebody wrote to the database beside the service: compare with a backup",
        )  # fmt: skip
    since = f"; those before entry {chain.sealed} got their hashes only then" if chain.sealed else ""
    summary = f"{chain.entries} entries, none missing or changed{since}; newest: {chain.head}"
    return Finding("ok", "audit", summary)
