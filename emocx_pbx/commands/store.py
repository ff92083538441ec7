"""`emocx-pbx store copy`: moves the records from the SQLite file to PostgreSQL."""

from __future__ import annotations

import argparse
import sys

from emocx_pbx.commands.shared import add_common, in_loop, read_settings, show, table
from emocx_pbx.errors import InputError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("store", help="move the records to PostgreSQL")
    inner = parser.add_subparsers(dest="store_command", required=True, metavar="COMMAND")
    copying = inner.add_parser(
        "copy", help="copy all records from the SQLite file into an empty database, and compare them"
    )
    copying.add_argument(
        "--to",
        metavar="URL",
        help="postgresql://user@host/database; without it store.url of the settings (or EMOCX_STORE_URL)",
    )
    add_common(copying, in_loop(_copy))


async def _copy(args: argparse.Namespace) -> int:
    from emocx_pbx.store.copy_postgres import copy_to_postgres
    from emocx_pbx.store.postgres_place import is_postgresql, shown_place

    settings = read_settings(args)
    place = args.to or settings.store.url
    if not is_postgresql(place):
        raise InputError("say where to: --to postgresql://user@host/database")
    source = settings.store_path()
    if not source.is_file():
        raise InputError(f"{source}: no such database; store.path says where it is")
    copied = await copy_to_postgres(
        source, place, lambda one: print(f"{one.table}: {one.rows} rows", file=sys.stderr)
    )
    rows = [(one.table, one.rows, one.checksum) for one in copied]

    def words() -> str:
        return (
            f"{table(('table', 'rows', 'checksum'), rows, 'nothing')}\n"
            f"all of {source} is in {shown_place(place)}, read back and compared; now set store.url there"
            " and start the service"
        )

    show(args, {"to": shown_place(place), "tables": copied}, words)
    return 0
