"""The public face as a type checker sees it from outside; checked by mypy --strict, never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_type

import aiohttp
import reactivex
from aiohttp import web
from reactivex import operators as ops
from reactivex.subject import Subject

import rx_toppy
from rx_toppy import (
    Announcement,
    AutopostEvent,
    AutopostFailed,
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    Client,
    IndividualUserVoteResult,
    IntegrationCreated,
    IntegrationDeleted,
    IntegrationReply,
    PollFailed,
    PostEvent,
    Project,
    RateLimit,
    Ratelimited,
    RequestEvent,
    SimpleUser,
    StandaloneBot,
    TopGG,
    ToppyError,
    User,
    Vote,
    VoteEvent,
    VoteInbox,
    VoteStatus,
    VoteWebhook,
    iterate,
    map_async,
    of_type,
    receive_votes,
    widgets,
)
from rx_toppy.models import Socials
from rx_toppy.sandbox import Sandbox
from rx_toppy.votes import (
    DeadLetter,
    Feed,
    LeaderboardEntry,
    Outcome,
    VoteCount,
    VoteReceiver,
    VoterJoined,
    VoterLeft,
    VoteWindow,
    active_voters,
    leaderboard,
    recent_votes,
    vote_reminders,
    votes_per,
)
from rx_toppy.votes.inbox import Inbox


async def calls(client: TopGG, user: Bot) -> None:
    """Each call gives what it says, awaited and iterated."""
    assert_type(await client.fetch_bot(user), Bot)
    assert_type(await client.fetch_bot("264811613708746752"), Bot)
    assert_type(await client.fetch_bots(10, 0, {"tags": "music"}, "-points"), BotSearchResults)
    assert_type(await client.bulk_fetch_bots(5_000), list[Bot])
    assert_type(await client.fetch_votes(), list[SimpleUser])
    assert_type(await client.upvote_check(1), IndividualUserVoteResult)
    assert_type(await client.get_stats(), BotStats)
    assert_type(await client.post_stats(force_shard_count=True), BotStatsPayload)
    assert_type(await client.fetch_user(1), User)
    assert_type(await client.is_weekend(), bool)
    async for bot in client.bulk_fetch_bots(5_000):
        assert_type(bot, Bot)
    async for one in client.fetch_bot(1):
        assert_type(one, Bot)
    async for posted in client.autopost:
        assert_type(posted, BotStatsPayload)


async def project(client: TopGG, commands: list[dict[str, object]], at: datetime) -> None:
    """The calls of v1 give what they say."""
    assert_type(await client.project.fetch(), Project)
    client.project.edit({"en": "Music, and no ads"}, page_content={"de": "..."}).subscribe()
    assert_type(await client.project.announce("Version 2", "Playlists are here."), Announcement)
    await client.project.post_metrics(server_count=5, shard_count=1)
    await client.project.post_metrics_batch([(None, {"server_count": 5}), (at, {"shard_count": 1})])
    await client.project.post_commands(commands)
    assert_type(await client.project.vote(1), VoteStatus | None)
    assert_type(await client.project.vote(1, source="topgg"), VoteStatus | None)
    assert_type(await client.project.votes(since=at), list[Vote])
    async for vote in client.project.votes(cursor="...", on_cursor=print):
        assert_type(vote, Vote)
        assert_type(vote.created_at, datetime | None)
        assert_type(vote.cast_at, datetime)
        assert_type(vote.voter_id, int | None)


async def polls(client: TopGG, at: datetime) -> None:
    """Polls are observables of what they find, and the operators on votes go on them."""
    votes: reactivex.Observable[Vote] = client.poll_votes(timedelta(minutes=1), at, None, print)
    assert_type(votes.pipe(votes_per(3600)), reactivex.Observable[VoteWindow])
    assert_type(votes.pipe(recent_votes(timedelta(hours=1))), reactivex.Observable[VoteCount])
    top = votes.pipe(leaderboard(3, by="weight"))
    assert_type(top, reactivex.Observable[tuple[LeaderboardEntry, ...]])
    assert_type(votes.pipe(active_voters()), reactivex.Observable[VoterJoined | VoterLeft])
    assert_type(votes.pipe(vote_reminders(after=60)), reactivex.Observable[Vote])
    assert_type(await client.project.votes().pipe(leaderboard()), tuple[LeaderboardEntry, ...])
    votes.subscribe(lambda vote: client.events.on_next(VoteEvent(vote)))

    async def coins_for(vote: Vote) -> int:
        return vote.weight or 1

    async def keep(cursor: str) -> None:
        print(cursor)

    assert_type(await client.project.votes(since=at, on_cursor=keep), list[Vote])
    polled = client.poll_votes(on_cursor=keep)
    assert_type(polled.pipe(map_async(coins_for)), reactivex.Observable[int])
    async for vote in client.poll_votes(every=60):
        assert_type(vote, Vote)
    async for voter in client.poll_voters():
        assert_type(voter, SimpleUser)
    async for found in client.poll(client.project.fetch, every=300):
        assert_type(found, Project)
    async for weekend in client.poll(lambda: client.is_weekend()):
        assert_type(weekend, bool)
    async for coins in client.poll(lambda: coins_for(Vote())):
        assert_type(coins, int)


async def reward(vote: Vote) -> None:
    """A handler of votes."""


async def reception(client: TopGG, at: datetime) -> None:
    """The whole arrangement, and its parts."""
    received = await receive_votes(
        client, reward, secret="whs_...", host="0.0.0.0", inbox="votes.db", since=at, every=60
    )
    assert_type(received, VoteReceiver)
    assert_type(received.inbox, Inbox)
    assert_type(received.webhook, VoteWebhook | None)
    assert_type(received.history, Feed | None)
    async with await receive_votes(client, reward, authorization="...", history=False) as other:
        assert_type(other, VoteReceiver)
    await received.close()


async def webhook(client: TopGG, inbox: VoteInbox, app: web.Application) -> None:
    """Deliveries, of votes and of integrations."""

    async def lookup(connection: str) -> str | None:
        return {"1": "whs_..."}.get(connection)

    async def connected(created: IntegrationCreated) -> IntegrationReply:
        assert_type(created.connection_id, int)
        return IntegrationReply(f"https://bot.example/votes/{created.connection_id}")

    VoteWebhook(secret=["whs_...", "whs_..."], on_integration=lambda _: "https://bot.example/votes")
    one = VoteWebhook(authorization="...", inbox=inbox, client=client, max_age=timedelta(minutes=5))
    one.add_to(app)
    two = VoteWebhook(secret="whs_...", secrets=lookup, on_integration=connected, port=0)
    two.votes.subscribe(lambda vote: print(vote.voter_id, vote.is_test, vote.query))
    assert_type(two.votes.pipe(leaderboard()), reactivex.Observable[tuple[LeaderboardEntry, ...]])
    async with two as listening:
        assert_type(listening, VoteWebhook)
        assert_type(two.port, int)
    async for told in two.integrations:
        assert_type(told, IntegrationCreated | IntegrationDeleted)


async def inboxes(client: TopGG, other: VoteWebhook, at: datetime) -> None:
    """Votes that are kept, and handled."""
    async with VoteInbox("votes.db") as inbox:
        client.on_close(inbox.close)
        assert_type(await inbox.add(Vote(platform_id=1)), bool)
        assert_type(inbox.feed(other.votes), Feed)
        history = inbox.follow(client, since=at, every=timedelta(minutes=2))
        history.subscribe(lambda vote: print(vote.voter_id))
        history.dispose()
        outcomes: reactivex.Observable[Outcome] = inbox.process(reward, max_concurrent=10, tries=9)
        outcomes.subscribe(lambda outcome: print(outcome.vote.voter_id, outcome.status))
        async for outcome in inbox.process(reward):
            assert_type(outcome.error, Exception | None)
            assert_type(outcome.retry_in, float | None)
        assert_type(await inbox.dead_letters(), list[DeadLetter])
        async for letter in inbox.dead_letters():
            assert_type(letter.tries, int)
            await inbox.retry(letter)
        assert_type(await inbox.votes(since=at), list[Vote])
        assert_type(inbox.votes().pipe(votes_per(3600)), reactivex.Observable[VoteWindow])
        assert_type(await inbox.top_voters(limit=3), list[LeaderboardEntry])


async def deliveries(sandbox: Sandbox, url: str) -> None:
    """What the sandbox sends."""
    with sandbox.send_to(url, secret="whs_...", duplicates=0.5) as endpoint:
        assert_type(await endpoint.send_test(), int | None)
        assert_type(sandbox.vote(1001, query="?a=1"), int)
        await endpoint.wait_idle()
        assert_type(endpoint.delivered, int)
    connection = await sandbox.connect(url, secret="whs_...")
    assert_type(connection.connection_id, str)
    assert_type(await connection.disconnect(), int | None)


def pictures() -> None:
    """Widgets are URLs."""
    assert_type(widgets.large(1), str)
    assert_type(widgets.votes("1", "roblox", "game"), str)
    colours = widgets.ColourOptions(topcolour="#7289da")
    assert_type(widgets.large_widget(1, "png", formatting=colours, datacolor=0xFFFFFF), str)
    assert_type(widgets.small_widget(1, key="upvotes"), str)


def outside_of_a_loop(client: TopGG) -> None:
    """run() gives the value itself."""
    assert_type(client.fetch_bot(1).run(), Bot)
    assert_type(client.bulk_fetch_bots(1).run(), list[Bot])


def is_certified(bot: Bot) -> bool:
    """For ops.filter."""
    return bool(bot.certified)


def servers(event: PostEvent) -> int:
    """For ops.map."""
    return event.stats.server_count


async def compositions(client: TopGG) -> None:
    """Calls and streams are reactivex's observables."""
    source: reactivex.Observable[Bot] = client.bulk_fetch_bots(10)
    source.pipe(ops.filter(is_certified), ops.take(10)).subscribe(print)
    client.fetch_bot(1).subscribe(print, print)
    posts = client.events.pipe(of_type(PostEvent))
    assert_type(posts, reactivex.Observable[PostEvent])
    assert_type(posts.pipe(ops.map(servers)), reactivex.Observable[int])
    both = client.events.pipe(of_type(PostEvent, AutopostEvent))
    assert_type(both, reactivex.Observable[PostEvent | AutopostEvent])

    async def double(stats: BotStatsPayload) -> float:
        return int(stats) * 2.0

    doubled = client.autopost.pipe(map_async(double, max_concurrent=2))
    assert_type(doubled, reactivex.Observable[float])
    async for number in iterate(doubled, buffer=10, overflow="drop_oldest"):
        assert_type(number, float)
    subject: Subject[Any] = client.events
    subject.on_next("mine")


async def the_rest(session: aiohttp.ClientSession) -> None:
    """Construction, models, events, errors."""
    bot = StandaloneBot(1, server_count=lambda: 5, shards=[2, 3])
    limits = (RateLimit(30, per=timedelta(minutes=1), prefix="/bots"),)
    client = Client(
        bot,
        token="...",
        autopost=False,
        interval=timedelta(minutes=30),
        session=session,
        timeout=5,
        retries=0,
        max_wait=None,
        rate_limits=limits,
        post_to="v1",
    )
    assert_type(client.session, aiohttp.ClientSession | None)
    assert_type(client.vote_url, str)
    client.autopost.change_interval(minutes=5)
    assert_type(client.autopost.next_iteration, datetime | None)
    async with Sandbox(seed=1) as sandbox, TopGG(bot, token="", base_url=sandbox.base_url) as other:
        assert_type(other, TopGG)
    try:
        user = await client.fetch_user(1)
    except Ratelimited as error:
        assert_type(error.retry_after, float)
        assert_type(error.internal, bool)
    except ToppyError as error:
        assert_type(error.status, int | None)
    else:
        assert_type(user.socials, Socials)
        assert_type(user.colour, int | None)
    request = RequestEvent("GET", "url", "/bots/{id}", 200, 0.1, 1, None)
    assert_type(request.at, datetime)
    assert_type(AutopostFailed(ToppyError(), 1.0).retry_in, float)
    assert_type(PollFailed(ToppyError(), 1.0).error, Exception)
    assert_type(VoteEvent(Vote(platform_id=1)).vote, Vote)
    assert_type(client.autopost.dropped, int)
    assert_type(rx_toppy.__version__, str)
