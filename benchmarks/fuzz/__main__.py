"""Random and broken input for everything that strangers can reach, at any number of inputs.

    python -m benchmarks.fuzz [--number 10000000] [--only ami,forms] [--seed 1]

Each target either takes an input or refuses it by the error that it names; anything else is a finding,
told with the seed of the input, by which `--seed N --number 1` makes it again. The tests run 100,000 each.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import Final

from benchmarks.fuzz.run import fuzz, targets

NUMBER: Final = 10_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=NUMBER, help="inputs for each target")
    parser.add_argument("--only", default="", help="names of targets, with commas")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found = 0
    for name in args.only.split(",") if args.only else asyncio.run(_names()):
        begin = time.perf_counter()
        try:
            asyncio.run(fuzz(name, args.number, args.seed))
        except AssertionError as error:
            found += 1
            print(error, flush=True)
        else:
            seconds = time.perf_counter() - begin
            print(f"{name}: {args.number} inputs in {seconds:.0f} s, no finding", flush=True)
    return 1 if found else 0


async def _names() -> list[str]:
    return list(targets())


if __name__ == "__main__":
    sys.exit(main())
