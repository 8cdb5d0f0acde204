"""`rx-toppy --version`: what a bug report should tell."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from ..client import __version__
from ..terminal.records import json_line

__all__ = ["show"]

LIBRARIES = ("aiohttp", "reactivex", "msgspec")
DISCORD_LIBRARIES = ("discord.py", "py-cord", "nextcord", "disnake")


def show(*, as_json: bool) -> None:
    """Prints the versions: a line each, or one JSON object."""
    about = {
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    libraries = {name: _version_of(name) for name in LIBRARIES}
    discord = {name: version for name in DISCORD_LIBRARIES if (version := _version_of(name))}
    if as_json:
        found = {"rx_toppy": __version__, "python": platform.python_version(), **about}
        line = json_line(found | {"libraries": libraries | discord}, sys.stdout.encoding)
        sys.stdout.write(f"{line}\n")
        return
    python = "{} ({implementation}, {system} {machine})".format(platform.python_version(), **about)
    lines: dict[str, str | None] = {
        "rx_toppy": __version__,
        "Python": python,
        **libraries,
        **(discord or {"discord": None}),
    }
    sys.stdout.writelines(
        f"{name:<11} {version or 'not installed'}\n" for name, version in lines.items()
    )


def _version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
