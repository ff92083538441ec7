"""`emocx-pbx init`: settings, policy and manager user to start from."""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import shutil
import sys
from pathlib import Path

from emocx_pbx.commands.shared import ETC, add_common
from emocx_pbx.errors import InputError

#: The service's user and group: what init writes as root is readable by it, and by nobody else.
SERVICE = "emocx"
#: Where the database goes if the settings are under /etc, which the service can't write to.
STATE = Path("/var/lib/emocx-pbx")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("init", help="write settings, policy and manager user to start from")
    parser.add_argument(
        "directory", nargs="?", type=Path, default=Path(), metavar="DIR",
        help=f"gets emocx.toml, policy.toml and manager-emocx.conf; {ETC} is where they are looked for",
    )  # fmt: skip
    parser.add_argument("--table", action="store_true", help="print the settings as Markdown instead")
    add_common(parser, run, json=False, config=False)


def run(args: argparse.Namespace) -> int:
    """Write the files, each with secrets of its own; none that is there is touched.

    Raises:
        InputError: one of them exists, or the directory can't be written to.
    """
    from emocx_pbx.routing.policy import policy_text
    from emocx_pbx.settings.sample import sample_toml, settings_table

    if args.table:
        print(settings_table(), end="")
        return 0
    directory: Path = args.directory
    settings = directory / "emocx.toml"
    if directory.is_file() or (directory.suffix and not directory.exists()):
        raise InputError(f"{directory}: expected a directory, for emocx.toml and policy.toml in it")
    secret = secrets.token_urlsafe(24)
    chosen = {
        "asterisk.secret": secret,
        "http.api_token": secrets.token_urlsafe(32),
        "store.path": _database(directory),
        "routing.policy": "policy.toml",
    }
    webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    texts = {
        settings: sample_toml(webhook_secret, chosen),
        directory / "policy.toml": policy_text(None),
        directory / "manager-emocx.conf": _manager_user(secret),
    }
    _write(directory, texts)
    for path in texts:
        print(f"{path} written", file=sys.stderr)
    for line in _steps(directory):
        print(line, file=sys.stderr)
    return 0


def _database(directory: Path) -> str:
    """The setting store.path: beside the settings, or where a service under /etc may write."""
    return str(STATE / "emocx.db") if Path("/etc") in directory.absolute().parents else "emocx.db"


def _manager_user(secret: str) -> str:
    """The manager user to include in Asterisk's manager.conf."""
    from emocx_pbx.lab.conf import shipped

    text = (shipped("dialplan") / "manager-emocx.conf").read_text(encoding="utf-8")
    # The secret is random, and also in the settings: changed only here, it would no longer match.
    text = text.replace(", change the secret, then", ", then")
    return re.sub(r"(?m)^secret *=.*$", f"secret = {secret}", text)


def _write(directory: Path, texts: dict[Path, str]) -> None:
    """All of the files or none; readable by their owner, and by the service's group if there is one."""
    written: list[Path] = []
    shared = _shared()
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, mode=0o750)
            if shared:
                shutil.chown(directory, group=SERVICE)
                # The service saves its policy here, and can neither replace nor remove root's settings.
                directory.chmod(0o1770)
        for path in texts:
            # The manager user is Asterisk's to read, which runs in a group of its own.
            path.touch(mode=0o640 if shared or path.suffix == ".conf" else 0o600, exist_ok=False)
            written.append(path)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
            if shared:
                # The policy is saved from the pages.
                shutil.chown(path, user=SERVICE if path.name == "policy.toml" else None, group=SERVICE)
    except OSError as e:
        for path in written:
            path.unlink(missing_ok=True)
        at = e.filename or directory
        if isinstance(e, FileExistsError):
            raise InputError(f"{at}: exists already; nothing was written") from None
        raise InputError(f"{at}: can't be written: {e.strerror}") from None


def _shared() -> bool:
    """Whether what is written is for the service's user and group, not for who runs the command."""
    import grp
    import pwd

    try:
        grp.getgrnam(SERVICE)
        pwd.getpwnam(SERVICE)
    except KeyError:
        return False
    return os.geteuid() == 0


def _steps(directory: Path) -> list[str]:
    """The remaining steps, ready to be copied."""
    from emocx_pbx.lab.conf import shipped

    dialplan = shipped("dialplan")
    program = "emocx-pbx" if shutil.which("emocx-pbx") else f"{sys.prefix}/bin/emocx-pbx"
    # A database that root creates belongs to root.
    serve = f"runuser -u {SERVICE} -- {program} serve" if _shared() else f"{program} serve"
    absolute = directory.resolve()
    at = "" if absolute == ETC else f" --config {absolute / 'emocx.toml'}"
    return [
        "Three steps are left, as root on the machine of Asterisk:",
        f"1. install -o root -g asterisk -m 640 {absolute / 'manager-emocx.conf'} /etc/asterisk/ &&"
        " echo '#include \"manager-emocx.conf\"' >> /etc/asterisk/manager.conf &&"
        " asterisk -rx 'manager reload'",
        f"2. install -m 644 {dialplan / 'emocx.conf'} /etc/asterisk/, include it in extensions.conf, and ask"
        f" before your Queue() as {dialplan / 'extensions-example.conf'} does",
        f"3. {program} check{at} && {serve}{at}",
    ]
