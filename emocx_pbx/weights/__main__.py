"""`python -m emocx_pbx.weights`: what `emocx-pbx models fetch` does, before anything else is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emocx_pbx.errors import EmocxError
from emocx_pbx.weights.catalogue import SETS, set_of
from emocx_pbx.weights.download import Patience
from emocx_pbx.weights.fetch import fetch
from emocx_pbx.weights.places import default_weights_dir
from emocx_pbx.weights.sources import usual


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch. Exit status 1: no source had some file; 2: bad usage, or no place to write."""
    parser = argparse.ArgumentParser(
        prog="python -m emocx_pbx.weights", description="Fetch files of weights."
    )
    parser.add_argument("sets", nargs="+", metavar="SET", help=", ".join(one.name for one in SETS))
    parser.add_argument("--from", dest="sources", action="append", default=[], metavar="FOLDER|URL")
    parser.add_argument("--to", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--offline", action="store_true")
    args = parser.parse_args(argv)
    try:
        sets = [set_of(name) for name in args.sets]
        with usual(
            args.sources, args.to, offline=args.offline, patience=Patience(), progress=_silent
        ) as sources:
            files = list(fetch(sets, args.to, sources, _say))
    except EmocxError as error:
        _say(str(error))
        return 2
    for found in files:
        print(f"{found.state}  {found.path}  {found.source}".rstrip())
    return 0 if all(found.state != "missing" for found in files) else 1


def _say(line: str) -> None:
    print(f"emocx-pbx: {line}", file=sys.stderr)


def _silent(name: str, got: int, size: int) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
