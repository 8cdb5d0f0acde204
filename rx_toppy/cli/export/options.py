"""`--export`, of whichever command has it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from .. import exit_codes
from ..arguments import AddArgument, cleaned, refuse
from ..records import json_line
from ..text import counted
from .formats import FORMATS, format_of
from .writing import Exported, Target


def add_export(add: AddArgument, what: str) -> None:
    """Adds `--export` and `--format`."""
    add(
        "--export",
        metavar="FILE",
        help=f"write {what} there, - for stdout; a file is replaced once all is read",
    )
    add(
        "--format",
        choices=("jsonl", "csv"),
        help="JSON Lines or CSV (default: csv for a file named so, and else jsonl)",
    )


def target_of(
    parser: argparse.ArgumentParser, given: argparse.Namespace, cursor: Path | None = None
) -> Target:
    """Where an export goes."""
    file = given.export
    if file == "-" and given.json:
        refuse(parser, "--json has no place beside an --export to stdout; see --format")
    format = FORMATS[given.format] if given.format else format_of(file)
    return Target(None if file == "-" else Path(file), format, cursor)


def exported(
    given: argparse.Namespace, target: Target, what: str, export: Callable[[], Exported | None]
) -> int:
    """Exports, and tells what came of it; the exit status."""
    done = export()
    where = "stdout" if target.path is None else given.export
    if done is None:
        left = "is not whole" if target.path is None else "is as it was"
        sys.stderr.write(cleaned(f"{given.prog}: interrupted; {where} {left}\n"))
        return exit_codes.INTERRUPTED
    if given.json:
        told = {
            "file": os.fsencode(given.export).decode(errors="replace"),
            "format": target.format.name,
            "written": done.written,
            "appended": done.is_more,
        }
        sys.stdout.write(f"{json_line(told, sys.stdout.encoding)}\n")
        return 0
    count = counted(done.written, f"new {what}" if done.is_more else what)
    sys.stderr.write(cleaned(f"{count} written to {where}\n"))
    return 0
