"""A 2xx is sent only when the vote is safe; until then top.gg is asked to try again."""

import asyncio
import threading
from typing import Any

import pytest
from reactivex import operators as ops

from rx_toppy import StandaloneBot, TopGG, VoteEvent, VoteInbox, map_async, of_type
from rx_toppy.sandbox import Sandbox
from tests.votes.webhook import SECRET, V0_BOT, V1_TEST, V1_VOTE, changed, serving


class Boom(Exception):
    """What subscribers of these tests raise."""


def raising(_: object) -> None:
    """A subscriber that takes nothing."""
    raise Boom


class Listening(StandaloneBot):
    """A bot that writes down what is dispatched to it."""

    def __init__(self) -> None:
        super().__init__(264811613708746752, server_count=1)
        self.heard: list[tuple[Any, ...]] = []

    def dispatch(self, *args: Any, **kwargs: Any) -> None:
        self.heard.append(args)


def client_of(bot: Any) -> TopGG:
    """A client that does nothing by itself."""
    return TopGG(bot, token="a-token", autopost=False)


# --- without an inbox ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "body"), [("v0", V0_BOT), ("v1", V1_VOTE), ("v1", V1_TEST)])
async def test_nobody_listens(kind, body):
    """Without a subscriber a delivery is a 503; when it comes again to one, it is taken."""
    async with serving(listening=False) as served:
        for _ in range(2):
            answer = await getattr(served, kind)(body)
            assert answer.status == 503
            assert answer.reason
        served.hook.votes.subscribe(served.votes.append)
        assert (await getattr(served, kind)(body)).status == 204
    assert len(served.votes) == 1


async def test_who_has_left_takes_nothing():
    """A subscription that was disposed counts for nothing."""
    async with serving(listening=False) as served:
        served.hook.votes.subscribe(served.votes.append).dispose()
        served.hook.votes.pipe(ops.take(1)).subscribe(served.votes.append)
        assert (await served.v0(V0_BOT)).status == 204
        assert (await served.v0(changed(V0_BOT, user="7"))).status == 503
    assert len(served.votes) == 1


async def test_a_subscriber_that_raises(caplog):
    """Where the only subscriber raises it is a 503 and a traceback in the log; it stays."""
    calls = []

    def fussy(vote):
        calls.append(vote)
        if len(calls) < 3:
            raise Boom

    async with serving(listening=False) as served:
        served.hook.votes.subscribe(fussy)
        found = [(await served.v1(V1_VOTE)).status for _ in range(4)]
    assert found == [503, 503, 204, 204]
    assert len(calls) == 3
    assert [r.exc_info[0] for r in caplog.records if r.exc_info] == [Boom, Boom]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_one_raises_and_one_takes_it(order):
    """When one of several has taken the vote it is safe, and it comes to nobody again."""
    calls = []

    def fussy(vote):
        calls.append(vote)
        raise Boom

    async with serving(listening=False) as served:
        for which in order:
            served.hook.votes.subscribe([fussy, served.votes.append][which])
        assert (await served.v1(V1_VOTE)).status == 204
        assert (await served.v1(V1_VOTE)).status == 204
    assert len(served.votes) == len(calls) == 1


async def test_an_operator_that_raises():
    """An operator's error ends its own pipeline; what nobody took is asked for again."""
    errors = []
    async with serving(listening=False) as served:
        served.hook.votes.pipe(ops.map(raising)).subscribe(on_error=errors.append)
        served.hook.votes.subscribe(served.votes.append)
        assert (await served.v0(V0_BOT)).status == 204
        assert (await served.v0(changed(V0_BOT, user="7"))).status == 204
    assert [type(error) for error in errors] == [Boom]
    assert len(served.votes) == 2


async def test_async_handlers():
    """`map_async` hands votes to a coroutine function, which is not waited for."""
    handled = []
    go = asyncio.Event()

    async def reward(vote):
        await go.wait()
        handled.append(vote.voter_id)

    async with serving(listening=False) as served:
        served.hook.votes.pipe(map_async(reward)).subscribe()
        for voter in (5, 6, 7):
            assert (await served.v0(changed(V0_BOT, user=voter))).status == 204
        assert handled == []
        go.set()
        while len(handled) < 3:
            await asyncio.sleep(0)
    assert handled == [5, 6, 7]


async def test_an_async_handler_that_raises():
    """Its error ends the pipeline; from then on nobody takes votes, and they are 503."""
    errors = []

    async def reward(vote):
        raise Boom

    async with serving(listening=False) as served:
        served.hook.votes.pipe(map_async(reward)).subscribe(on_error=errors.append)
        assert (await served.v0(V0_BOT)).status == 204
        while not errors:
            await asyncio.sleep(0)
        assert (await served.v0(changed(V0_BOT, user="7"))).status == 503
    assert isinstance(errors[0], Boom)


async def test_a_coroutine_function_as_subscriber():
    """It would never be awaited, and so is refused at once."""

    async def reward(vote): ...

    async with serving(listening=False) as served:
        with pytest.raises(TypeError, match=r"reward.*map_async"):
            served.hook.votes.subscribe(reward)


async def test_votes_arrive_on_the_loop():
    """Whichever thread subscribes, votes come on the thread of the webhook's loop."""
    threads = []
    async with serving(listening=False) as served:
        await asyncio.to_thread(
            served.hook.votes.subscribe, lambda _: threads.append(threading.get_ident())
        )
        assert (await served.v1(V1_VOTE)).status == 204
    assert threads == [threading.get_ident()]


async def test_the_same_vote_many_times_at_once():
    """Of many deliveries of a vote at the same time one is emitted, and all are acknowledged."""
    async with serving() as served:
        answers = await asyncio.gather(*(served.v1(V1_VOTE) for _ in range(20)))
    assert {answer.status for answer in answers} == {204}
    assert len(served.votes) == 1


async def test_retries_of_the_sandbox_bring_a_vote_home():
    """top.gg's retries deliver what a subscriber took only at the third time."""
    calls = []

    def fussy(vote):
        calls.append(vote)
        if len(calls) < 3:
            raise Boom

    async with (
        serving(listening=False, virtual_clock=False) as served,
        Sandbox(bots=3, votes=0, votes_per_minute=0) as sandbox,
    ):
        served.hook.votes.subscribe(fussy)
        url = f"http://127.0.0.1:{served.port}/votes"
        with sandbox.send_to(url, secret=SECRET, speed=1000) as endpoint:
            voter = sandbox.vote()
            await endpoint.wait_idle()
            [delivery] = endpoint.deliveries
    assert [one.status for one in delivery.tries] == [503, 503, 204]
    assert calls[-1].platform_id == voter


# --- with an inbox -------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", [None, raising])
async def test_an_inbox_makes_votes_safe(tmp_path, listener):
    """With an inbox the vote is on disk when the 204 is sent, whoever listens or raises."""
    async with VoteInbox(tmp_path / "votes.db") as inbox:
        async with serving(inbox=inbox, listening=False) as served:
            if listener is not None:
                served.hook.votes.subscribe(listener)
            assert (await served.v1(V1_VOTE)).status == 204
        async with VoteInbox(tmp_path / "votes.db") as other:
            kept = [vote async for vote in other.votes()]
    assert [vote.id for vote in kept] == [808499215864008704]


async def test_an_inbox_knows_votes_of_before(tmp_path):
    """A vote that the inbox has, from before a restart even, is acknowledged and not emitted."""
    async with VoteInbox(tmp_path / "votes.db") as inbox:
        for emitted in (1, 0):
            async with serving(inbox=inbox) as served:
                assert (await served.v1(V1_VOTE)).status == 204
                assert (await served.v1(V1_VOTE)).status == 204
            assert len(served.votes) == emitted


async def test_a_vote_that_can_not_be_kept(tmp_path, caplog):
    """A failure to store is a 503 and an error in the log, even when somebody listens."""
    bot = Listening()
    async with VoteInbox(tmp_path / "votes.db") as inbox, client_of(bot) as client:
        async with serving(inbox=inbox, client=client) as served:
            await inbox.close()
            answer = await served.v1(V1_VOTE)
        assert answer.status == 503
        assert answer.reason
    assert served.votes == bot.heard == []
    assert [r.levelname for r in caplog.records if r.exc_info] == ["ERROR"]


async def test_nothing_hostile_gets_into_an_inbox(tmp_path):
    """What is refused is not kept."""
    async with VoteInbox(tmp_path / "votes.db") as inbox:
        async with serving(inbox=inbox) as served:
            for answer in (
                await served.v1(V1_VOTE, secret="whs_another"),
                await served.v1(V1_VOTE, at=0),
                await served.v1(changed(V1_VOTE, user={"id": str(2**63)})),
            ):
                assert 400 <= answer.status < 500
        assert [vote async for vote in inbox.votes()] == []


# --- the client hears of it ----------------------------------------------------------------------


async def test_the_client_and_its_bot_hear_of_votes():
    """Each vote is a `VoteEvent` on `client.events` and a dispatch of "vote" at the bot, once."""
    bot, events = Listening(), []
    async with client_of(bot) as client:
        client.events.pipe(of_type(VoteEvent)).subscribe(events.append)
        async with serving(client=client) as served:
            for _ in range(2):
                assert (await served.v1(V1_VOTE)).status == 204
                assert (await served.v0(V0_BOT)).status == 204
    assert [event.vote for event in events] == served.votes
    assert bot.heard == [("vote", vote) for vote in served.votes]
    assert len(events) == 2
    assert all(event.at.tzinfo is not None for event in events)


async def test_the_client_hears_nothing_of_what_was_not_taken():
    """A 503 or 4xx is no vote; it is one when it has been taken."""
    bot, events = Listening(), []
    async with client_of(bot) as client:
        client.events.subscribe(events.append)
        async with serving(client=client, listening=False) as served:
            assert (await served.v1(V1_VOTE)).status == 503
            served.hook.votes.subscribe(raising)
            assert (await served.v1(V1_VOTE)).status == 503
            assert (await served.v1(V1_VOTE, secret="whs_another")).status == 401
            assert events == bot.heard == []
            served.hook.votes.subscribe(served.votes.append)
            assert (await served.v1(V1_VOTE)).status == 204
    assert len(events) == len(bot.heard) == 1


async def test_who_listens_to_the_client_does_not_make_a_vote_safe_unsaid():
    """Without an inbox it takes a subscriber of `webhook.votes`; those of events don't count."""
    async with client_of(Listening()) as client:
        client.events.subscribe(lambda _: None)
        async with serving(client=client, listening=False) as served:
            assert (await served.v1(V1_VOTE)).status == 503


async def test_a_bot_that_raises_does_no_harm(caplog):
    """What listeners of events or the bot raise is logged, and the vote is taken all the same."""

    class Broken(Listening):
        def dispatch(self, *args: Any, **kwargs: Any) -> None:
            raise Boom

    async with client_of(Broken()) as client:
        client.events.subscribe(raising)
        async with serving(client=client) as served:
            assert (await served.v1(V1_VOTE)).status == 204
    assert len(served.votes) == 1
    assert len([r for r in caplog.records if r.exc_info]) == 2


async def test_with_an_inbox_the_client_hears_of_a_vote_once(tmp_path):
    """The vote is kept, and the event comes, without any subscriber of `votes`."""
    bot = Listening()
    async with (
        VoteInbox(tmp_path / "votes.db") as inbox,
        client_of(bot) as client,
        serving(inbox=inbox, client=client, listening=False) as served,
    ):
        for _ in range(3):
            assert (await served.v1(V1_VOTE)).status == 204
    assert [name for name, _ in bot.heard] == ["vote"]
