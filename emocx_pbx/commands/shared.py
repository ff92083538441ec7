"""What commands share: one-line usage errors, settings, results as text or JSON, times, progress."""

from __future__ import annotations

import argparse
import getpass
import math
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.settings.settings import Settings
    from emocx_pbx.store.account_rows import Actor
    from emocx_pbx.store.database import Store

#: Bad usage or input.
BAD_INPUT = 2
#: The command ran, and what it looked at is not in order (`check`).
NOT_IN_ORDER = 1

#: The place of settings, policy and certificates of an installation.
ETC = Path("/etc/emocx-pbx")
#: Where settings are looked for after --config and EMOCX_CONFIG.
USUAL_FILES = (Path("emocx.toml"), ETC / "emocx.toml")

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

Run = Callable[[argparse.Namespace], int]
AsyncRun = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to find help; exit 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_common(parser: argparse.ArgumentParser, run: Run, *, json: bool = True, config: bool = True) -> None:
    """Give a command its --json and --config, and say what runs it."""
    if json:
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    if config:
        parser.add_argument(
            "--config", type=Path, metavar="FILE", help="settings file (see docs/settings.md)"
        )
    parser.set_defaults(run=run)


def add_times(parser: argparse.ArgumentParser, example: str = "7d, 2026-11-24") -> None:
    """Add --since and --until, without which the command is about all time."""
    parser.add_argument("--since", type=moment, default=-math.inf, metavar="TIME", help=f"e.g. {example}")
    parser.add_argument("--until", type=moment, default=math.inf, metavar="TIME")


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Add --limit, by which a list is longer or shorter."""
    parser.add_argument("--limit", type=int, default=50, help="at most this many (default 50)")


def in_loop(run: AsyncRun) -> Run:
    """Turn an async command into a plain one; asyncio is loaded only when it runs."""

    def running(args: argparse.Namespace) -> int:
        import asyncio

        return asyncio.run(run(args))

    return running


def add_pbx(parser: argparse.ArgumentParser) -> None:
    """Add --pbx, by which the command is about one of several PBXes."""
    parser.add_argument("--pbx", metavar="NAME", help="name of the PBX, where there are several")


def read_settings(args: argparse.Namespace) -> Settings:
    """The settings by --config, EMOCX_CONFIG, the usual places, or defaults.

    The file that was read is named on stderr, so that stdout has only results.
    """
    from emocx_pbx.settings import settings

    path: Path | None = args.config
    if path is None and not os.environ.get(settings.CONFIG_VARIABLE):
        path = next((p for p in USUAL_FILES if p.is_file()), None)
    read = settings.load(path, os.environ)
    print(f"emocx-pbx: {settings_source(read)}", file=sys.stderr)
    return read


def settings_source(settings: Settings) -> str:
    """Where settings came from, in words."""
    if settings.file:
        return f"settings read from {settings.file}"
    return f"no settings file: defaults (looked for {', '.join(map(str, USUAL_FILES))})"


def show(args: argparse.Namespace, value: Any, text: Callable[[], str]) -> None:
    """Print a result: its JSON under --json, else its words."""
    if args.json:
        import msgspec

        print(msgspec.json.encode(value).decode())
    else:
        print(text())


@asynccontextmanager
async def existing_store(settings: Settings) -> AsyncIterator[Store]:
    """The database of a service that has run before.

    Raises:
        InputError: there is none: a typing error in the path must not create an empty one.
    """
    from emocx_pbx.store.database import Store

    place = settings.store_place()
    if isinstance(place, Path) and not place.is_file():
        raise InputError(f"{place}: no such database; has `emocx-pbx serve` run with these settings?")
    store = await Store.open(place, settings.webhooks, migrating=False)
    try:
        yield store
    finally:
        await store.close()


def system_user() -> Actor:
    """Who the audit log names for a command: the user of this machine who runs it."""
    from emocx_pbx.store.account_rows import Actor

    try:
        return Actor(getpass.getuser(), "command line")
    except (KeyError, OSError):
        return Actor(str(os.getuid()), "command line")


def moment(text: str) -> float:
    """Unix seconds of `2026-11-24`, `2026-11-24T10:00` (local time unless it says), or `7d` ago."""
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time() - float(ago[1]) * _UNIT_S[ago[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a time like 2026-11-24T10:00 or 7d, got {text!r}"
        ) from None


def local(at: float | None) -> str:
    """A time for people: local, to the second."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S") if at is not None else "-"


def mm_ss(t: float) -> str:
    """Time in a call: 75.2 -> 1:15."""
    return f"{int(t) // 60}:{int(t) % 60:02d}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> str:
    """Columns aligned for a terminal, or a sentence when there is no row."""
    if not rows:
        return empty
    cells = [[str(c) if c is not None else "-" for c in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )


@contextmanager
def without_chatter() -> Iterator[TextIO]:
    """Keep the banners of native libraries off stderr; Python's own errors are not lost.

    Gives the real stderr, for progress.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        with os.fdopen(os.dup(kept), "w") as stderr:
            yield stderr
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Progress:
    """A line on stderr that is rewritten, only when stderr is a terminal."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what, self._shown = what, -1
        self._stream = stream or sys.stderr
        self._on = self._stream.isatty()

    def __call__(self, share: float) -> None:
        """Show the share done, 0 to 1."""
        percent = int(100 * min(max(share, 0.0), 1.0))
        if self._on and percent != self._shown:
            self._shown = percent
            print(f"\r{self._what}: {percent:3d} %", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """End the line."""
        if self._on and self._shown >= 0:
            print("\r\x1b[K", end="", file=self._stream, flush=True)


def ask(question: str) -> None:
    """Ask before what can't be undone.

    Raises:
        InputError: the answer is not yes, or there is nobody to answer.
    """
    if not sys.stdin.isatty():
        raise InputError(f"{question} Say --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise InputError("nothing was changed")
