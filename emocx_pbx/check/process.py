"""The check in a process of its own: settings as JSON on stdin, findings as JSON on stdout.

The check looks at everything that a service would load, which the controller itself must not load.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from emocx_pbx.check.finding import Finding, Role
from emocx_pbx.errors import EmocxError, PeerUnavailable
from emocx_pbx.settings.settings import Settings

#: Seconds; the check's own deadlines end it long before that.
DEADLINE_S = 90.0


async def findings_of(
    settings: Settings, tap: bool = True, deadline_s: float = DEADLINE_S, role: Role = "all"
) -> list[Finding]:
    """Run the check of a role in another process; `tap`: with a tapped test call.

    Raises:
        PeerUnavailable: it did not end in time, or without an answer.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        *([] if tap else ["--no-tap"]),
        *(["--web"] if role == "web" else []),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(deadline_s):
            out, _ = await process.communicate(msgspec.json.encode(settings))
    except TimeoutError:
        raise PeerUnavailable(f"the check did not end within {deadline_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(out, type=list[Finding])
    except msgspec.DecodeError:
        raise PeerUnavailable("the check ended without an answer; see `emocx-pbx check`") from None


def main() -> None:
    """Run the check that stdin asks for."""
    import logging

    import structlog

    from emocx_pbx.check.check import check

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    try:
        role: Role = "web" if "--web" in sys.argv else "all"
        findings = asyncio.run(check(settings, "--no-tap" not in sys.argv, role))
    except EmocxError as error:
        findings = [Finding("fail", "settings", str(error), "correct the settings")]
    sys.stdout.buffer.write(msgspec.json.encode(findings))


if __name__ == "__main__":
    main()
