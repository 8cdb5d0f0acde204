"""What is not from top.gg, or makes no sense: the right 4xx, and nothing of it anywhere."""

import asyncio
import gzip
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.votes.webhook import (
    AUTHORIZATION,
    LARGEST,
    NOW,
    SECRET,
    V0_BOT,
    V1_CREATED,
    V1_DELETED,
    V1_TEST,
    V1_VOTE,
    authorized,
    changed,
    chunked,
    digest,
    hang_up,
    head,
    serving,
    signed,
    statuses,
)

ROOT = Path(__file__).parents[3]
MAX_AGE = 300
MARK = "do-not-repeat-this"


def v1(body: bytes, **options: Any) -> bytes:
    """A signed delivery as bytes."""
    return head(signed(body, **options), len(body)) + body


def v0(body: bytes, authorization: str = AUTHORIZATION) -> bytes:
    """An authorized delivery as bytes."""
    return head(authorized(authorization), len(body)) + body


def of_header(value: str, body: bytes = V1_VOTE) -> bytes:
    """A delivery with this for a signature."""
    return head({"x-topgg-signature": value}, len(body)) + body


GOOD = digest(V1_VOTE)
RIGHT = f"v1={GOOD}"

FORGED = {
    "no header": head({}, len(V1_VOTE)) + V1_VOTE,
    "no header, v0 body": head({}, len(V0_BOT)) + V0_BOT,
    "another secret": v1(V1_VOTE, secret="whs_another"),
    "an empty secret": v1(V1_VOTE, secret=""),
    "the secret of v0": v1(V1_VOTE, secret=AUTHORIZATION),
    "the signature of another body": head(signed(V1_TEST), len(V1_VOTE)) + V1_VOTE,
    "the body without its end": head(signed(V1_VOTE), len(V1_VOTE) - 1) + V1_VOTE[:-1],
    "a space more": head(signed(V1_VOTE), len(V1_VOTE) + 1) + V1_VOTE + b" ",
    "a signature of the body alone": of_header(
        f"t={NOW},v1={digest(V1_VOTE.partition(b'.')[2], V1_VOTE.partition(b'.')[0].decode())}"
    ),
    "the time of another signature": of_header(f"t={NOW + 1},{RIGHT}"),
    "authorized, but with a wrong signature": (
        head(authorized() | signed(V1_VOTE, secret="whs_another"), len(V1_VOTE)) + V1_VOTE
    ),
    "authorized, but with an empty signature": (
        head(authorized() | {"x-topgg-signature": ""}, len(V0_BOT)) + V0_BOT
    ),
    "wrong words": v0(V0_BOT, "guess"),
    "empty words": v0(V0_BOT, ""),
    "words in upper case": v0(V0_BOT, AUTHORIZATION.upper()),
    "words with a prefix": v0(V0_BOT, f"Bearer {AUTHORIZATION}"),
    "words without their end": v0(V0_BOT, AUTHORIZATION[:-1]),
    "words and more": v0(V0_BOT, AUTHORIZATION + "x"),
    "words that are no UTF-8": v0(V0_BOT, "\xff\xfe\x80"),
    "the secret of v1": v0(V0_BOT, SECRET),
    "forged, and no JSON": head(signed(V1_VOTE), 1) + b"{",
    "forged, and no body": head(signed(V1_VOTE), 0),
}

HEADERS = {
    "empty": "",
    "no time": RIGHT,
    "no signature": f"t={NOW}",
    "two times": f"t={NOW},t={NOW},{RIGHT}",
    "an empty time": f"t=,{RIGHT}",
    "a time with a sign": f"t=+{NOW},{RIGHT}",
    "a time with a fraction": f"t={NOW}.0,{RIGHT}",
    "a time with an underscore": f"t={str(NOW)[:3]}_{str(NOW)[3:]},{RIGHT}",
    "a time of letters": f"t=now,{RIGHT}",
    "a time beyond all": f"t={'9' * 4000},{RIGHT}",
    "a time beyond all, signed": f"t={'9' * 4400},v1={digest(V1_VOTE, '9' * 4400)}",
    "a time in other digits": f"t={''.join(chr(0xB2) for _ in range(3))},{RIGHT}",
    "a negative time": f"t=-1,v1={digest(V1_VOTE, -1)}",
    "infinity": f"t=inf,v1={digest(V1_VOTE, 'inf')}",
    "a space before the time": f"t= {NOW},{RIGHT}",
    "another version": f"t={NOW},v2={GOOD}",
    "upper-case keys": f"T={NOW},V1={GOOD}",
    "semicolons": f"t={NOW};{RIGHT}",
    "the hex alone": GOOD,
    "half of the hex": f"t={NOW},v1={GOOD[:32]}",
    "hex and more": f"t={NOW},v1={GOOD}00",
    "an empty signature": f"t={NOW},v1=",
    "nothing but commas": "," * 1000,
    "nothing but signatures": f"t={NOW}," + ",".join([f"v1={'0' * 64}"] * 100),
    "bytes beyond ASCII": "t=\xb2\xff,v1=\xe9\xfc",
    "very long": "t=1,v1=" + "a" * 7000,
}
FORGED |= {f"header: {name}": of_header(value) for name, value in HEADERS.items()}

STALE = {
    "one second too old": v1(V1_VOTE, at=NOW - MAX_AGE - 1),
    "one second too far ahead": v1(V1_VOTE, at=NOW + MAX_AGE + 1),
    "of 1970": v1(V1_VOTE, at=0),
    "of the year 33,658": v1(V1_VOTE, at=999_999_999_999),
    "an integration of yesterday": v1(V1_CREATED, at=NOW - 86_400),
}

NO_JSON = {
    "nothing": b"",
    "a brace": b"{",
    "text": b"hello",
    "two values": V1_VOTE + V1_VOTE,
    "a comma too many": V1_VOTE[:-1] + b",}",
    "no UTF-8": b"\xff\xfe" + V1_VOTE,
    "no UTF-8 in a text": V1_VOTE.replace(b"username", b"user\xffname"),
    "no UTF-8 in what nobody asks for": V1_VOTE.replace(b"a.png", b"\xff.png"),
    "half a surrogate": V1_VOTE.replace(b"vote.create", b"\\ud800"),
    "UTF-16": V1_VOTE.decode().encode("utf-16"),
    "NaN": V1_VOTE.replace(b'"weight": 1', b'"weight": NaN'),
    "very deep": b"[" * 30_000 + b"]" * 30_000,
    "very deep, half": b'{"data": ' * 5_000,
    "NUL": b"\0" * 100,
}

NO_DELIVERY = {
    "null": b"null",
    "a number": b"5",
    "an array": b"[" + V1_VOTE + b"]",
    "an empty object": b"{}",
    "neither type nor data": b'{"what": "ever"}',
}

IDS = {
    "beyond 63 bits": str(2**63),
    "beyond 63 bits as a number": 2**63,
    "beyond 64 bits": 2**64,
    "very long": "9" * 1000,
    "a very long number": 10**4000,
    "zero": "0",
    "zero as a number": 0,
    "negative": -5,
    "a sign": "+5",
    "a minus": "-5",
    "letters": "abc",
    "hex": "0x10",
    "empty": "",
    "a space": " 5",
    "a line end": "5\n",
    "an underscore": "5_0",
    "other digits": "١٢٣",
    "superscript": "²",
    "a fraction": 1.5,
    "an exponent": "1e5",
    "a bool": True,
    "an array": ["5"],
    "an object": {"id": "5"},
}

MALFORMED = {f"v1: {name}": v1(body) for name, body in (NO_JSON | NO_DELIVERY).items()}
MALFORMED |= {f"v0: {name}": v0(body) for name, body in (NO_JSON | NO_DELIVERY).items()}
for _name, _id in IDS.items():
    MALFORMED |= {
        f"v0: user {_name}": v0(changed(V0_BOT, user=_id)),
        f"v0: bot {_name}": v0(changed(V0_BOT, bot=_id)),
        f"v0: guild {_name}": v0(changed(V0_BOT, bot=..., guild=_id)),
        f"v1: id {_name}": v1(changed(V1_VOTE, id=_id)),
        f"v1: user {_name}": v1(changed(V1_VOTE, user={"id": _id, "platform_id": "5"})),
        f"v1: user on Discord {_name}": v1(changed(V1_VOTE, user={"platform_id": _id})),
        f"v1: project {_name}": v1(changed(V1_VOTE, project={"id": "5", "platform_id": _id})),
        f"v1: test's user {_name}": v1(changed(V1_TEST, user={"id": _id})),
        f"v1: new connection {_name}": v1(changed(V1_CREATED, connection_id=_id)),
        f"v1: connection {_name}": v1(changed(V1_DELETED, connection_id=_id)),
    }
MALFORMED |= {
    "v0: no user": v0(changed(V0_BOT, user=...)),
    "v0: user is null": v0(changed(V0_BOT, user=None)),
    "v0: neither bot nor guild": v0(changed(V0_BOT, bot=...)),
    "v0: no type": v0(changed(V0_BOT, type=...)),
    "v1: data is text": v1(b'{"type": "vote.create", "data": "vote"}'),
    "v1: data is null": v1(b'{"type": "vote.create", "data": null}'),
    "v1: no data": v1(b'{"type": "vote.create"}'),
    "v1: type is a number": v1(b'{"type": 5, "data": {}}'),
    "v1: no user": v1(changed(V1_VOTE, user=...)),
    "v1: user is null": v1(changed(V1_VOTE, user=None)),
    "v1: user has no id": v1(changed(V1_VOTE, user={"name": "username"})),
    "v1: created_at is a date": v1(changed(V1_VOTE, created_at="2026-02-09")),
    "v1: created_at has no offset": v1(changed(V1_VOTE, created_at="2026-02-09T00:47:14")),
    "v1: created_at is text": v1(changed(V1_VOTE, created_at="now")),
    "v1: created_at is a number": v1(changed(V1_VOTE, created_at=NOW)),
    "v1: created_at can't be": v1(changed(V1_VOTE, created_at="2026-02-30T00:00:00Z")),
    "v1: an integration without a secret": v1(changed(V1_CREATED, webhook_secret=...)),
    "v1: an integration with an empty secret": v1(changed(V1_CREATED, webhook_secret="")),
    "v1 body, authorized": v0(V1_VOTE),
}

UNKNOWN = {
    "v0: another type": v0(changed(V0_BOT, type="downvote")),
    "v0: type in upper case": v0(changed(V0_BOT, type="UPVOTE")),
    "v0: an empty type": v0(changed(V0_BOT, type="")),
    "v1: another type": v1(V1_VOTE.replace(b"vote.create", b"vote.delete")),
    "v1: type of v0": v1(V1_VOTE.replace(b"vote.create", b"upvote")),
    "v0 body, signed": v1(V0_BOT),
    "v1: an empty type": v1(V1_VOTE.replace(b"vote.create", b"")),
}

TOO_LARGE = V1_VOTE.ljust(LARGEST + 1)
BOMB = gzip.compress(b" " * 10_000_000)
OVERSIZED = {
    "by its Content-Length": v1(TOO_LARGE),
    "by its Content-Length, v0": v0(V0_BOT.ljust(LARGEST + 1)),
    "by its Content-Length, which alone has come": head(signed(TOO_LARGE), 10**12),
    "in chunks": head(signed(TOO_LARGE), None) + chunked([TOO_LARGE[:1000], TOO_LARGE[1000:]]),
    "in one chunk, v0": head(authorized(), None) + chunked([V0_BOT.ljust(LARGEST + 1)]),
    "without an end to its chunks": (
        head(signed(TOO_LARGE), None) + b"%x\r\n%b" % (10**12, TOO_LARGE)
    ),
    "compressed": head(signed(BOMB) | {"Content-Encoding": "gzip"}, len(BOMB)) + BOMB,
    "compressed, v0": head(authorized() | {"Content-Encoding": "gzip"}, len(BOMB)) + BOMB,
}

HOSTILE = [
    (f"{kind}: {name}", status, request)
    for kind, status, requests in [
        ("forged", 401, FORGED),
        ("stale", 401, STALE),
        ("malformed", 400, MALFORMED),
        ("unknown", 422, UNKNOWN),
        ("oversized", 413, OVERSIZED),
    ]
    for name, request in requests.items()
]


def reason_of(answer: bytes) -> str:
    """The reason that an answer gives, as JSON."""
    headers, _, body = answer.partition(b"\r\n\r\n")
    if b"content-type: application/json" not in headers.lower():
        return ""
    return str(json.loads(body)["error"])


@pytest.mark.parametrize("kind", sorted({name.partition(":")[0] for name, _, _ in HOSTILE}))
async def test_hostile_deliveries(kind):
    """Each gets its 4xx with a short reason, which repeats nothing, and nothing is emitted."""
    cases = [case for case in HOSTILE if case[0].startswith(f"{kind}:")]
    async with serving(max_age=MAX_AGE) as served:
        for name, status, request in cases:
            answer = await served.raw(request)
            assert statuses(answer) == [status], name
            assert 0 < len(reason_of(answer)) < 100, name
            assert SECRET.encode() not in answer, name
            assert AUTHORIZATION.encode() not in answer, name
            assert served.votes == served.integrations == [], name
        assert (await served.v1(V1_VOTE)).status == 204  # the webhook is as good as before
        assert len(served.votes) == 1


async def _all_of_it() -> dict[str, Any]:
    results: dict[str, Any] = {}
    async with serving(max_age=MAX_AGE) as served:
        for name, _, request in HOSTILE:
            results[name] = statuses(await served.raw(request))
        results["emitted"] = len(served.votes) + len(served.integrations)
        results["fine"] = [(await served.v1(V1_VOTE)).status, (await served.v0(V0_BOT)).status]
        results["taken"] = len(served.votes)
    return results


def report() -> None:
    """Sends all that is hostile, and prints how it was answered: for another process."""
    assert False, "asserts are gone here"  # noqa: B011, PT015
    warnings.simplefilter("error")
    print(json.dumps(asyncio.run(_all_of_it())))


def test_hostile_deliveries_under_python_o():
    """Without asserts (`python -O`) every one of them is refused just the same."""
    code = "from tests.votes.webhook.test_hostile import report; report()"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.pop("emitted") == 0
    assert results.pop("fine") == [204, 204]
    assert results.pop("taken") == 2
    assert results == {name: [status] for name, status, _ in HOSTILE}


async def test_a_delivery_replayed():
    """One that was caught and sent again, over and over, is emitted once."""
    async with serving() as served:
        for _ in range(5):
            assert statuses(await served.raw(v1(V1_VOTE, at=NOW))) == [204]
            served.now += MAX_AGE / 4
        served.now = NOW + MAX_AGE + 1
        assert statuses(await served.raw(v1(V1_VOTE, at=NOW))) == [401]
    assert len(served.votes) == 1


# --- how old a signature may be ------------------------------------------------------------------


@pytest.mark.parametrize("max_age", [300.0, 10])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("beyond", "status"), [(-1, 204), (0, 204), (0.5, 401), (1, 401)])
async def test_the_edge_of_max_age(max_age, side, beyond, status):
    """Up to `max_age` a signature may be old or ahead, and not a moment more."""
    async with serving(max_age=max_age) as served:
        served.now = NOW + side * (max_age + beyond)
        answer = await served.v1(V1_VOTE, at=NOW)
    assert answer.status == status
    assert len(served.votes) == (status == 204)


def warnings_of_the_clock(caplog):
    return [r for r in caplog.records if "clock" in r.getMessage()]


@pytest.mark.parametrize(("off", "word"), [(4000, "ago"), (-4000, "ahead")])
async def test_a_clock_that_is_wrong_is_warned_of(caplog, off, word):
    """When three rightly signed deliveries in a row are too old or too new, it says so once."""
    async with serving() as served:
        served.now = NOW + off
        for _ in range(2):
            await served.v1(V1_VOTE, at=NOW)
        assert not warnings_of_the_clock(caplog)
        for _ in range(5):
            await served.v1(V1_VOTE, at=NOW)
    [warning] = warnings_of_the_clock(caplog)
    assert warning.levelno == logging.WARNING
    assert "4000 s" in warning.getMessage()
    assert word in warning.getMessage()


async def test_a_right_time_between_odd_ones_is_no_wrong_clock(caplog):
    """As long as some deliveries are in time, the clock is not in doubt."""
    async with serving() as served:
        for _ in range(4):
            await served.v1(V1_VOTE, at=NOW - 4000)
            await served.v1(V1_VOTE, at=NOW - 4000)
            await served.v1(V1_VOTE, at=NOW)
    assert not warnings_of_the_clock(caplog)


async def test_forged_deliveries_say_nothing_of_the_clock(caplog):
    """Whoever has no secret can neither cause that warning nor keep it from being given."""
    async with serving() as served:
        for _ in range(5):
            await served.v1(V1_VOTE, at=NOW - 4000, secret="whs_another")
        assert not warnings_of_the_clock(caplog)
        for _ in range(3):
            await served.v1(V1_VOTE, at=NOW - 4000)
            await served.v1(V1_VOTE, at=NOW, secret="whs_another")
    assert len(warnings_of_the_clock(caplog)) == 1


# --- what is written down ------------------------------------------------------------------------

MARKED = changed(V1_VOTE, note=MARK)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(request, id=name)
        for name, request in {
            "no header": head({}, len(MARKED)) + MARKED,
            "wrong words": v0(changed(V0_BOT, note=MARK), "guess"),
            "words that tell": v0(V0_BOT, MARK),
            "another secret": v1(MARKED, secret="whs_another"),
            "a header that tells": of_header(f"t={NOW},v1={MARK}"),
            "a header of another form": of_header(MARK),
            "no JSON": head(signed(b"", secret="whs_another"), len(MARK)) + MARK.encode(),
            "too large": v1(MARKED.ljust(LARGEST + 1), secret="whs_another"),
            "in chunks": head(signed(b""), None) + chunked([MARKED]),
            "too old": v1(MARKED, at=0, secret="whs_another"),
        }.items()
    ],
)
async def test_nothing_of_a_forged_delivery_is_logged(caplog, request_):
    """Neither body nor header of what is not from top.gg gets into any log or answer."""
    caplog.set_level(logging.DEBUG)
    async with serving() as served:
        answer = await served.raw(request_)
        said = repr(served.hook)
    assert statuses(answer)[0] in {401, 413}
    assert MARK not in caplog.text
    assert MARK.encode() not in answer
    assert MARK not in said


async def test_a_refusal_is_logged(caplog):
    """The first of its kind is a warning with status and reason; more of it are for debugging."""
    caplog.set_level(logging.DEBUG, "rx_toppy")
    async with serving() as served:
        for _ in range(3):
            answer = await served.v1(V1_VOTE, secret="whs_another")
        await served.v1(b"{")
    told = [record for record in caplog.records if "answered" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING", "DEBUG", "DEBUG", "WARNING"]
    assert "401" in told[0].getMessage()
    assert answer.reason in told[0].getMessage()


async def test_secrets_are_shown_nowhere(caplog):
    """Neither logs nor reprs nor answers have a secret, whatever was delivered."""
    caplog.set_level(logging.DEBUG)
    words = [SECRET, AUTHORIZATION, "whs_looked_up", "whs_abcd"]
    options = {"secrets": lambda _: "whs_looked_up", "on_integration": lambda _: "http://a.example"}
    answers = []
    async with serving(max_age=MAX_AGE, **options) as served:
        for name, _, request in HOSTILE:
            if not name.startswith("malformed"):
                answers.append(repr(await served.raw(request)))
        answers += [repr(await served.v1(body)) for body in (V1_VOTE, V1_CREATED, V1_DELETED)]
        answers.append(repr(await served.v0(V0_BOT)))
        answers.append(repr(await served.v1(V1_TEST, secret="whs_looked_up", path="/votes/5")))
        shown = [repr(served.hook), repr(served.hook.votes), repr(served.hook.integrations)]
        shown += map(repr, served.votes + served.integrations)
    assert len(served.votes) == 3
    assert len(served.integrations) == 2
    for text in [caplog.text, *answers, *shown]:
        assert not [word for word in words if word in text]


# --- bodies that do not come ---------------------------------------------------------------------


async def test_slow_bodies(caplog):
    """A body that does not come in time is a 503 well within top.gg's five seconds, no 4xx."""
    dribble = [V1_VOTE[i : i + 1] for i in range(8)]
    slow = {
        "nothing": [head(signed(V1_VOTE), len(V1_VOTE))],
        "half": [head(signed(V1_VOTE), len(V1_VOTE)) + V1_VOTE[:100]],
        "all but one": [head(authorized(), len(V0_BOT)) + V0_BOT[:-1]],
        "bit by bit": [head(signed(V1_VOTE), len(V1_VOTE)), *dribble],
        "chunks without an end": [head(signed(V1_VOTE), None) + chunked([V1_VOTE])[:-5]],
    }
    async with serving() as served:
        now = asyncio.get_running_loop().time
        began = now()
        answers = await asyncio.gather(*(served.raw(*parts, pause=0.3) for parts in slow.values()))
        assert now() - began < 4.9
        assert [statuses(answer) for answer in answers] == [[503]] * len(slow)
        assert all(0 < len(reason_of(answer)) < 100 for answer in answers)
        assert served.votes == []
        assert (await served.v1(V1_VOTE)).status == 204
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("kind", ["v0", "v1", "chunks"])
async def test_a_connection_that_is_cut(kind, reset, caplog):
    """When the line drops in the middle of a body, nothing is emitted, and nothing breaks."""
    begun = {
        "v0": head(authorized(), len(V0_BOT)) + V0_BOT[:50],
        "v1": head(signed(V1_VOTE), len(V1_VOTE)) + V1_VOTE[:-1],
        "chunks": head(signed(V1_VOTE), None) + chunked([V1_VOTE])[:-5],
    }[kind]
    async with serving() as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(begun)
        await asyncio.sleep(0.02)
        if reset:
            writer.transport.abort()
        await hang_up(writer)
        await asyncio.sleep(0.02)
        assert served.votes == []
        assert (await served.v1(V1_VOTE)).status == (await served.v0(V0_BOT)).status == 204
    assert len(served.votes) == 2
    assert not [record for record in caplog.records if record.exc_info]


async def test_more_than_the_content_length_said():
    """What comes behind the end of a body is no part of it, and no delivery either."""
    async with serving() as served:
        request = head(signed(V1_VOTE), len(V1_VOTE), last=False) + V1_VOTE
        answer = await served.raw(request, V1_VOTE, pause=0.05)
    assert statuses(answer) == [204]
    assert not re.search(rb"HTTP/1\.[01] 5", answer)
    assert len(served.votes) == 1


# --- anything at all -----------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["5", "2026-02-09T00:47:14Z", "upvote", "test", "vote.create", "?a=b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
plausible_ids = st.sampled_from(["5", 5, str(2**63 - 1), str(2**63), "0", None]) | values
parties = st.fixed_dictionaries({}, optional={"id": plausible_ids, "platform_id": plausible_ids})
times = st.datetimes().map(lambda time: time.isoformat() + "Z") | values
v0_like = st.fixed_dictionaries(
    {"user": plausible_ids, "type": st.sampled_from(["upvote", "test"]) | values},
    optional={
        "bot": plausible_ids,
        "guild": plausible_ids,
        "isWeekend": st.booleans() | values,
        "query": st.text() | values,
    },
)
v1_like = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["vote.create", "webhook.test", "integration.create", "integration.delete"]
        ),
        "data": st.fixed_dictionaries(
            {},
            optional={
                "id": plausible_ids,
                "user": parties | values,
                "project": parties | values,
                "weight": st.integers() | values,
                "created_at": times,
                "expires_at": times,
                "connection_id": plausible_ids,
                "webhook_secret": values,
            },
        ),
    }
)
bodies = (
    st.binary(max_size=200)
    | (values | v0_like | v1_like).map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda sample, cut, put: sample[:cut] + put + sample[cut:],
        st.sampled_from([V0_BOT, V1_VOTE, V1_TEST]),
        st.integers(0, 300),
        st.binary(max_size=5),
    )
)


@settings(max_examples=20)
@given(sent=st.lists(st.tuples(st.sampled_from(["v0", "v1"]), bodies), min_size=1, max_size=15))
async def test_any_signed_body(sent):
    """Whatever the body, with the right secret: no 5xx, and nothing emitted but valid votes."""
    async with serving() as served:
        for kind, body in sent:
            before = len(served.votes)
            answer = await getattr(served, kind)(body)
            assert answer.status in {204, 400, 422}
            new = served.votes[before:]
            assert len(new) <= (answer.status == 204)
            for vote in new:
                assert 0 < vote.voter_id < 2**63
                for id in (vote.id, vote.user_id, vote.platform_id, vote.project_id):
                    assert id is None or 0 < id < 2**63
                for time in (vote.created_at, vote.expires_at):
                    assert time is None or time.tzinfo is not None
                assert all(isinstance(item, str) for pair in vote.query.items() for item in pair)
                assert vote.source == f"webhook_{kind}"
                hash(vote)


test_any_signed_body_at_length = pytest.mark.slow(
    settings(max_examples=60)(
        given(
            sent=st.lists(st.tuples(st.sampled_from(["v0", "v1"]), bodies), min_size=1, max_size=15)
        )(test_any_signed_body.hypothesis.inner_test)
    )
)


printable = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=200
)


@settings(max_examples=20)
@given(
    sent=st.lists(
        st.tuples(st.sampled_from(["x-topgg-signature", "Authorization"]), printable),
        min_size=1,
        max_size=10,
    )
)
async def test_any_header(sent):
    """Whatever stands in a header for a secret, without the secret it is a 401."""
    async with serving() as served:
        for name, value in sent:
            assert statuses(await served.raw(head({name: value}, len(V1_VOTE)) + V1_VOTE)) == [401]
    assert served.votes == []


test_any_header_at_length = pytest.mark.slow(
    settings(max_examples=60)(
        given(
            sent=st.lists(
                st.tuples(st.sampled_from(["x-topgg-signature", "Authorization"]), printable),
                min_size=1,
                max_size=10,
            )
        )(test_any_header.hypothesis.inner_test)
    )
)


PARTS = {
    f"t={NOW}": "time",
    f"v1={GOOD}": "right",
    f"v1={GOOD.upper()}": "right",
    f"v1={'0' * 64}": "",
    "v1=": "",
    f"v0={GOOD}": "",
    "t": "",
    "": "",
    "x=y": "",
    "\xfc": "",
}


@settings(max_examples=40)
@given(
    parts=st.lists(st.tuples(st.sampled_from(list(PARTS)), st.sampled_from(["", " "])), max_size=8)
)
async def test_any_order_of_parts(parts):
    """A signature is taken when it has exactly one time and a right signature, and else never."""
    meanings = [PARTS[part] for part, _ in parts]
    # A `t` without a value is a time as well, if no good one.
    times = meanings.count("time") + [part for part, _ in parts].count("t")
    is_right = meanings.count("time") == times == 1 and "right" in meanings
    header = ",".join(space + part + space for part, space in parts)
    async with serving() as served:
        answer = await served.raw(of_header(header))
    assert statuses(answer) == [204 if is_right else 401]
    assert len(served.votes) == is_right


test_any_order_of_parts_at_length = pytest.mark.slow(
    settings(max_examples=100)(
        given(
            parts=st.lists(
                st.tuples(st.sampled_from(list(PARTS)), st.sampled_from(["", " "])), max_size=8
            )
        )(test_any_order_of_parts.hypothesis.inner_test)
    )
)
