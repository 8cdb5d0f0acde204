"""Each model as a card, and those that come in lists as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable

from ..models import (
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    Project,
    SimpleUser,
    User,
    Vote,
    VoteStatus,
)
from ..votes.operators.leaderboard import LeaderboardEntry
from ..votes.worker import DeadLetter
from .html import Element, Node, Url, discord_invite, web_url
from .style import (
    ROWS,
    Column,
    badge,
    date,
    facts,
    heading,
    link,
    listing,
    moment,
    muted,
    named,
    number,
    panel,
    picture,
    quoted,
    spaced,
    tagged,
)

LONGEST_DESCRIPTION = 240
LONGEST_PREFIX = 20

BOT_COLUMNS = (
    Column("Name"),
    Column("Servers", is_number=True),
    Column("Votes this month", is_number=True),
    Column("Votes in all", is_number=True),
    Column("Tags"),
)


def card(bot: Bot, *, images: bool = False) -> Element:
    """A bot's page in short."""
    return panel(
        heading(
            picture(bot.avatar_url, 40) if images else None,
            Element("strong", named(bot.username)),
            badge("certified", bot.certified),
            muted(f"{bot.id}"),
        ),
        Element("div", quoted(bot.short_description, LONGEST_DESCRIPTION)),
        facts(
            ("Servers", number(bot.server_count)),
            ("Shards", number(bot.shard_count)),
            ("Votes this month", number(bot.monthly_votes)),
            ("Votes in all", number(bot.all_time_votes)),
            ("Prefix", quoted(bot.prefix, LONGEST_PREFIX)),
            ("Owners", number(len(bot.owners) or None)),
            ("Approved", date(bot.approved_at)),
        ),
        Element("div", tagged(bot.tags)),
        heading(*_links(bot)),
    )


def _links(bot: Bot) -> list[Node]:
    website = web_url(bot.website)
    return [
        link("top.gg", Url(f"https://top.gg/bot/{bot.id}")),
        link("invite", web_url(bot.invite)),
        link("support", discord_invite(bot.support)),
        None if website is None else link(website.host, website),
        link("source", web_url(bot.github)),
    ]


def bot_row(bot: Bot, *, images: bool = False) -> tuple[Node, ...]:
    """A bot among others."""
    return (
        Element(
            "span",
            *spaced(
                picture(bot.avatar_url, 20) if images else None,
                named(bot.username),
                badge("certified", bot.certified),
            ),
        ),
        number(bot.server_count),
        number(bot.monthly_votes),
        number(bot.all_time_votes),
        tagged(bot.tags),
    )


def search(page: BotSearchResults, *, images: bool = False) -> Element:
    """A page of a search: how much of the whole it is, and its first bots."""
    here, total = len(page), number(page.total)
    size = f"{here:,} bots" if total is None else f"{here:,} of {total} bots"
    rows = [bot_row(bot, images=images) for bot in page[:ROWS]]
    return panel(
        heading(
            Element("strong", size),
            muted(f"from {number(page.offset)} on") if page.offset else None,
            muted(f"({page.skipped:,} malformed ones left out)") if page.skipped else None,
        ),
        *listing(BOT_COLUMNS, rows, here),
    )


LONGEST_BIO = 240
LONGEST_ACCOUNT = 40

USER_COLUMNS = (Column("Name"), Column("Id", is_number=True))


def profile(user: User, *, images: bool = False) -> Element:
    """A user's profile."""
    accounts = user.socials
    return panel(
        heading(
            picture(user.avatar_url, 40) if images else None,
            Element("strong", named(user.name)),
            *_badges(user),
            muted(f"{user.id}"),
        ),
        Element("div", quoted(user.bio, LONGEST_BIO)),
        facts(
            ("Colour", _colour(user.colour)),
            # As they typed them: links are nothing that a profile's text may make.
            ("YouTube", quoted(accounts.youtube, LONGEST_ACCOUNT)),
            ("Reddit", quoted(accounts.reddit, LONGEST_ACCOUNT)),
            ("Instagram", quoted(accounts.instagram, LONGEST_ACCOUNT)),
            ("GitHub", quoted(accounts.github, LONGEST_ACCOUNT)),
            ("Twitter", quoted(accounts.twitter, LONGEST_ACCOUNT)),
        ),
    )


def profile_row(user: User, *, images: bool = False) -> tuple[Node, ...]:
    """A user among others."""
    face = picture(user.avatar_url, 20) if images else None
    return Element("span", *spaced(face, named(user.name), *_badges(user))), f"{user.id}"


def voter(user: SimpleUser, *, images: bool = False) -> Element:
    """A voter."""
    face = picture(user.avatar, 40) if images else None
    return panel(heading(face, Element("strong", named(user.username)), muted(f"{user.id}")))


def voter_row(user: SimpleUser, *, images: bool = False) -> tuple[Node, ...]:
    """A voter among others."""
    face = picture(user.avatar, 20) if images else None
    return Element("span", *spaced(face, named(user.username))), f"{user.id}"


def has_voted(result: IndividualUserVoteResult, *, images: bool = False) -> Element:
    """Whether somebody voted."""
    answer = "voted" if result.voted else "did not vote"
    return panel(heading(Element("strong", answer), muted("within the last 12 hours")))


def _badges(user: User) -> list[Node]:
    return [
        badge("certified", user.certified),
        badge("supporter", user.supporter),
        badge("moderator", user.moderator),
        badge("admin", user.admin),
    ]


def _colour(colour: int | None) -> Element | None:
    if colour is None:
        return None
    code = f"#{colour:06x}"
    swatch = Element("span", style=f"display:inline-block;width:.8em;height:.8em;background:{code}")
    return Element("span", *spaced(swatch, code))


LONGEST_HEADLINE = 240
LONGEST_KIND = 20


def page(project: Project, *, images: bool = False) -> Element:
    """A project's page in short."""
    score = project.review_score
    return panel(
        heading(
            Element("strong", named(project.name)),
            quoted(f"{project.platform or ''} {project.type or ''}", LONGEST_KIND),
            muted(f"{project.id}"),
        ),
        Element("div", quoted(project.headline, LONGEST_HEADLINE)),
        facts(
            ("Votes this month", number(project.votes)),
            ("Votes in all", number(project.votes_total)),
            ("Reviews", number(project.review_count)),
            ("Score", None if score is None else f"{score:.3g} of 5"),
        ),
        Element("div", tagged(project.tags)),
    )


SHARDS = 12
WIDEST = 160

BAR = "display:inline-block;height:.6em;background:currentColor;opacity:.45;width:"


def as_known(stats: BotStats, *, images: bool = False) -> Element:
    """A bot's statistics, as top.gg has them."""
    shards = stats.shards
    return panel(
        _total(stats.server_count, stats.shard_count, _reliability(stats, shards)),
        *_bars(list(shards.items()), sum(shards.values())),
    )


def _reliability(stats: BotStats, shards: dict[int, int]) -> Element | None:
    if stats.reliable:
        return badge("the sum of its shards")
    if shards and stats.server_count is not None:
        return badge(f"not reliable: its shards have {number(sum(shards.values()))}")
    return None


def as_posted(stats: BotStatsPayload, *, images: bool = False) -> Element:
    """Statistics that were posted."""
    # A process that runs some of its bot's shards does not say which these are.
    is_whole = len(stats.shards) == stats.shard_count
    shards = list(enumerate(stats.shards))
    part = None if is_whole or not shards else badge(f"{len(shards):,} of the shards")
    return panel(
        _total(stats.server_count, stats.shard_count, badge("posted"), part),
        *(_bars(shards, sum(stats.shards)) if is_whole else []),
    )


def _total(servers: int | None, shards: int | None, *badges: Node) -> Element:
    if servers is None:
        return heading(Element("strong", "no servers posted"), *badges)
    count = None if shards is None else muted(f"on {number(shards)} shard{'s' * (shards != 1)}")
    return heading(
        Element("strong", f"{number(servers)} server{'s' * (servers != 1)}"), count, *badges
    )


def _bars(shards: list[tuple[int, int]], total: int) -> Iterable[Node]:
    columns = (Column("Shard", is_number=True), Column("Servers", is_number=True), Column(""))
    shown = shards[:SHARDS]
    most = max((count for _, count in shown), default=0)
    rows = [(number(id), number(count), _bar(count, most)) for id, count in shown]
    return listing(columns, rows, len(shards))


def _bar(count: int, most: int) -> Element | None:
    if count <= 0 or most <= 0:
        return None
    return Element("span", style=f"{BAR}{max(1, WIDEST * count // most)}px")


LONGEST_ERROR = 120
LONGEST_QUERY = 40
MOST_QUERIES = 5

VOTE_COLUMNS = (
    Column("Voted (UTC)"),
    Column("Voter", is_number=True),
    Column("Weight", is_number=True),
    Column("From"),
)
LETTER_COLUMNS = (*VOTE_COLUMNS, Column("Tries", is_number=True), Column("Error"))
STANDING_COLUMNS = (
    Column("Voter", is_number=True),
    Column("Votes", is_number=True),
    Column("Weight", is_number=True),
)


def one(vote: Vote, *, images: bool = False) -> Element:
    """One vote."""
    return panel(*_about(vote))


def letter(letter: DeadLetter, *, images: bool = False) -> Element:
    """A vote that was given up."""
    return panel(
        *_about(letter),
        heading(
            badge("dead letter"),
            f"after {number(letter.tries)} tries:",
            quoted(letter.error, LONGEST_ERROR),
        ),
    )


def _about(vote: Vote) -> list[Node]:
    query = [
        quoted(f"{key}={value}", LONGEST_QUERY)
        for key, value in list(vote.query.items())[:MOST_QUERIES]
    ]
    return [
        heading(
            Element("strong", "Vote of"),
            _voter(vote),
            badge("test", vote.is_test),
            badge(f"weight {number(vote.weight)}", vote.weight not in (None, 1)),
        ),
        facts(
            ("Voted (UTC)", moment(vote.created_at)),
            ("Came in (UTC)", moment(vote.received_at)),
            ("May vote again (UTC)", moment(vote.expires_at)),
            ("For", _id(vote.project_id)),
            ("From", quoted(vote.source, LONGEST_QUERY)),
            ("Query", Element("span", *spaced(*query)) if query else None),
        ),
    ]


def vote_row(vote: Vote, *, images: bool = False) -> tuple[Node, ...]:
    """A vote among others."""
    return (
        moment(vote.cast_at),
        _voter(vote),
        number(vote.weight),
        Element("span", *spaced(quoted(vote.source, LONGEST_QUERY), badge("test", vote.is_test))),
    )


def letter_row(letter: DeadLetter, *, images: bool = False) -> tuple[Node, ...]:
    """A vote that was given up, among others."""
    return *vote_row(letter), number(letter.tries), quoted(letter.error, LONGEST_ERROR)


def status(status: VoteStatus, *, images: bool = False) -> Element:
    """A vote that still counts."""
    return panel(
        heading(
            Element("strong", "voted"),
            badge(f"weight {number(status.weight)}", status.weight not in (None, 1)),
        ),
        facts(
            ("Voted (UTC)", moment(status.created_at)),
            ("May vote again (UTC)", moment(status.expires_at)),
        ),
    )


def standing(standing: LeaderboardEntry, *, images: bool = False) -> Element:
    """Somebody's place on a leaderboard."""
    return panel(
        heading(Element("strong", f"{standing.voter_id}"), f"{number(standing.votes)} votes"),
        facts(("Weight", number(standing.weight))),
    )


def standing_row(standing: LeaderboardEntry, *, images: bool = False) -> tuple[Node, ...]:
    """A place on a leaderboard."""
    return f"{standing.voter_id}", number(standing.votes), number(standing.weight)


def _voter(vote: Vote) -> Node:
    return _id(vote.voter_id) or muted("(unknown)")


def _id(id: int | None) -> str | None:
    return None if id is None else f"{id}"
