"""What the inbox guarantees, judged from outside: processes that are killed, and system calls."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import aiohttp
import pytest

from rx_toppy.sandbox import Sandbox
from tests.conftest import require

from . import BOT, PATIENCE, ROOT, SECRET, WORDS, Life, command, kept, life, until


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip what watches system calls where that can't be done."""
    require("strace", "strace")
    if subprocess.run(["strace", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace is not allowed to watch processes here")


def handled(out: Path) -> list[int]:
    """What a handler has written down."""
    return [int(line) for line in out.read_text().split()] if out.exists() else []


async def deliver(session: aiohttp.ClientSession, port: int, voter: int) -> int | None:
    """Delivers a vote as v0 does, once: the status, or None where there was no answer."""
    try:
        async with session.post(
            f"http://127.0.0.1:{port}/votes",
            json={"bot": str(BOT), "user": str(voter), "type": "upvote"},
            headers={"Authorization": WORDS},
            timeout=aiohttp.ClientTimeout(PATIENCE),
        ) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return None


async def kill_amid_deliveries(folder: Path, seed: int, *, votes: int, kills: int) -> None:
    """Each vote with a 2xx is handled; only the few whose handler ran at a kill are twice."""
    rng = Random(seed)
    path, out, voters = folder / "votes.db", folder / "handled", list(range(1, votes + 1))
    ports: asyncio.Queue[int] = asyncio.Queue()  # has that of the receiver that lives, if one does
    acknowledged: set[int] = set()
    turns = iter(voters)

    async def send(session: aiohttp.ClientSession) -> None:
        for voter in turns:
            status = None
            while status != 204:
                port = await ports.get()
                ports.put_nowait(port)
                status = await deliver(session, port, voter)
                assert status in (None, 503, 204)
                await asyncio.sleep(0 if status == 204 else 0.02)
            acknowledged.add(voter)

    async with aiohttp.ClientSession() as session:
        sending = asyncio.gather(*(send(session) for _ in range(8)))
        for moment in sorted(rng.sample(range(20, votes - 20), kills)):
            with life("receive", path, out) as receiver:
                ports.put_nowait(await receiver.hear())
                await until(lambda moment=moment: len(acknowledged) >= moment)
                ports.get_nowait()  # which may soon be somebody else's
                receiver.kill()
                before = set(acknowledged)
                found = {vote.voter_id for vote in await kept(path)}
                assert before <= found
        with life("receive", path, out) as receiver:
            ports.put_nowait(await receiver.hear())
            await asyncio.wait_for(sending, PATIENCE)
            await until(lambda: set(voters) <= set(handled(out)))
            await asyncio.sleep(0.2)
    times = Counter(handled(out))
    assert set(times) == acknowledged == set(voters)
    assert times.total() - votes <= kills * 5
    assert max(times.values()) <= kills + 1


async def test_two_kills_in_the_middle_of_100_deliveries(tmp_path: Path) -> None:
    """Each vote with a 2xx is handled; only the few whose handler ran at a kill are twice."""
    await kill_amid_deliveries(tmp_path, 1, votes=100, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_seven_kills_in_the_middle_of_700_deliveries(tmp_path: Path, seed: int) -> None:
    """Each vote with a 2xx is handled; only the few whose handler ran at a kill are twice."""
    await kill_amid_deliveries(tmp_path, seed, votes=700, kills=7)


async def test_down_for_three_votes_a_live_one_first(
    path: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Killed, restarted, and the live vote comes before the history is fetched: none is missed."""
    out = tmp_path / "handled"
    arguments = (path, out, sandbox.base_url, sandbox.token, sandbox.bot_id)

    async def begin(running: Life) -> str:
        return f"http://127.0.0.1:{await running.hear()}/votes"

    with life("reception", *arguments) as running:
        with sandbox.send_to(await begin(running), secret=SECRET) as endpoint:
            sandbox.vote(1)
            await endpoint.wait_idle()
        await until(lambda: handled(out) == [1])
        await until(lambda: sum("cursor" in one.query for one in sandbox.requests) >= 2)
        running.kill()
    for voter in (2, 3, 4):
        sandbox.vote(voter)
    with life("reception", *arguments) as running:
        with sandbox.send_to(await begin(running), secret=SECRET) as endpoint:
            sandbox.vote(5)
            await endpoint.wait_idle()
        await until(lambda: len(handled(out)) >= 5)
        running.kill()
    with life("reception", *arguments) as running:
        await begin(running)
        await asyncio.sleep(0.3)
    # The one that had just been handled when a kill came may be handled again.
    assert set(handled(out)) == {1, 2, 3, 4, 5}
    assert len(handled(out)) <= 7


@pytest.mark.usefixtures("strace")
async def test_a_sync_between_body_and_answer(path: Path, tmp_path: Path) -> None:
    """Seen from outside: after the delivery is read, the disk is synced, then comes the 2xx."""
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,read,recvfrom,recv,recvmsg,write,writev,sendto,send,sendmsg"
    under = ("strace", "-f", "-s", "4096", "-o", str(trace), "-e", calls)
    with life("receive_one", path, under=under) as receiver:
        port = await receiver.hear()
        async with aiohttp.ClientSession() as session:
            assert await deliver(session, port, 777_000_777) == 204
        await asyncio.to_thread(receiver.process.wait, PATIENCE)
    lines = trace.read_text(errors="replace").splitlines()
    read = next(n for n, line in enumerate(lines) if "777000777" in line and "recv" in line)
    told = next(n for n, line in enumerate(lines) if "HTTP/1.1 204" in line and n > read)
    synced = re.compile(r"(fsync|fdatasync)(\(\d+\)| resumed>\)) += 0")
    assert [line for line in lines[read:told] if synced.search(line)]


@pytest.mark.usefixtures("strace")
async def test_a_burst_shares_a_sync(path: Path, tmp_path: Path) -> None:
    """200 votes that come at once cost a few syncs, and not 200."""
    trace = tmp_path / "trace"
    under = ["strace", "-f", "-o", str(trace), "-e", "trace=fsync,fdatasync,write"]
    await asyncio.to_thread(
        subprocess.run,
        under + command("burst", path, 200),
        cwd=ROOT,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    text = trace.read_text(errors="replace")
    between = text[text.index('"begin\\n"') : text.index('"end\\n"')]
    assert 1 <= len(re.findall(r"(?:fsync|fdatasync)\(", between)) <= 5
    assert len(await kept(path)) == 200
