"""discord.py's forks as hosts: their real bots, each in an environment of its own.

Their import names clash, and installing them takes a while.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bot.strangers import ROOT, run_stranger
from tests.standin import StandIn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FORKS = {"py-cord": "discord", "disnake": "disnake", "nextcord": "nextcord"}


@pytest.fixture(scope="module", params=FORKS)
def fork(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A fork's import name, and the Python of an environment that has it and this project."""
    home = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", request.param, ROOT]
    subprocess.run(install, check=True)
    return FORKS[request.param], python


@pytest.mark.parametrize("end", ["close", "interrupt"])
@pytest.mark.parametrize("kind", ["Client", "Bot", "AutoShardedClient", "AutoShardedBot"])
async def test_a_fork_is_hosted_like_discord_py(
    fork: tuple[str, Path], kind: str, end: str, topgg: StandIn, tmp_path: Path
) -> None:
    """`bot.run(token)`: it posts once ready, its listeners hear of it, and it closes with the bot.

    Not from the project's folder, so that what was installed is what runs.
    """
    library, python = fork
    said = await run_stranger(topgg, python, ["-X", "dev"], library, kind, end, cwd=tmp_path)
    # The forks have warnings of their own; what is said of this project or by asyncio is ours.
    for word in ("rx_toppy", "never awaited", "Task was destroyed", "Task exception"):
        assert word not in said
