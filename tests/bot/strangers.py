"""Runs a stranger's bot in a process of its own, and looks at what every library has to do."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.bot.standin import BOT_ID, PATIENCE, Discord
from tests.standin import StandIn

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("stranger.py").read_text("utf-8")
STATS = f"/bots/{BOT_ID}/stats"


async def run_stranger(
    topgg: StandIn,
    python: str | Path,
    options: Sequence[str],
    library: str,
    kind: str,
    end: str,
    cwd: Path = ROOT,
) -> str:
    """Runs it until its first autopost is told of; then it closes itself or is interrupted.

    What it did is looked at here; what it wrote on stderr is the answer.
    """
    topgg.reply(f"POST {STATS}", json={})
    topgg.reply(f"/bots/{BOT_ID}", json={"id": str(BOT_ID), "username": "Luca"})
    pipe = asyncio.subprocess.PIPE
    async with Discord(guilds=7) as standin:
        arguments = (library, kind, standin.api, standin.gateway, topgg.base_url, end)
        process = await asyncio.create_subprocess_exec(
            python, *options, "-c", PROGRAM, *arguments, cwd=cwd, stdout=pipe, stderr=pipe
        )
        try:
            assert process.stdout is not None
            first = b""
            with suppress(TimeoutError):
                first = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
            if end == "interrupt" and first:
                process.send_signal(signal.SIGINT)
            ending = asyncio.ensure_future(process.communicate())
            await asyncio.wait([ending], timeout=PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        out, err = await ending
    said = err.decode()
    assert process.returncode == 0, said
    assert first, f"nothing was posted in time:\n{said}"
    is_sharded = kind.startswith("AutoSharded")
    numbers = {"shards": [3, 4], "shard_count": 2} if is_sharded else {"shards": []}
    stats = {"server_count": 7, "shard_count": 1} | numbers
    heard = [["request", "POST", STATS], ["post", stats], ["autopost", stats]]
    if (told := json.loads(first))["heard"][3:] == [["request", "GET", f"/bots/{BOT_ID}"]]:
        del told["heard"][3:]  # the listener that says this may or may not have run by then
    assert told == {"heard": heard, "is_me": True}, f"{told}\n{said}"
    assert json.loads(out) == {"closed": True, "running": False}, said
    assert topgg.paths == [f"POST {STATS}", f"GET /bots/{BOT_ID}"]
    return said
