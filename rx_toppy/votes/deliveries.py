"""What top.gg delivers, from headers and bytes to a vote, or to the reason why it is refused.

Pure: no I/O, no clock. The order matters: who sent it is settled before a byte of it is read as
anything but bytes.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar, get_args
from urllib.parse import parse_qsl

import msgspec

from ..models import IntegrationCreated, IntegrationDeleted, Vote
from ..models.fields import Text, aware, digits

T = TypeVar("T")

RawId = str | int | None

USUAL_SIGNATURE = re.compile("t=([0-9]{1,12}),v1=([0-9a-f]{64})")
MOST_SIGNATURES = 10


class Refused(Exception):
    """A delivery that is not taken, with the HTTP status to answer and a reason to give.

    The reason never repeats what was sent.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def is_authorized(given: str | None, authorization: bytes | None) -> bool:
    """Whether a v0 delivery carries the secret, compared in constant time."""
    if given is None or authorization is None:
        return False
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), authorization)


def signing_key(secret: str) -> hmac.HMAC:
    """A webhook secret, ready to sign with: to begin with it anew each time would take longer."""
    return hmac.new(secret.encode(), digestmod="sha256")


def signed_at(header: str, body: bytes, keys: Iterable[hmac.HMAC]) -> int:
    """When a v1 delivery was signed with one of the keys, in seconds since 1970.

    Raises:
        Refused: it was not.
    """
    usual = USUAL_SIGNATURE.fullmatch(header)
    if usual is not None:
        moment, signatures = usual[1], [usual[2]]
    else:
        moment, signatures = _parts(header)
    for key in keys:
        signature = key.copy()
        signature.update(b"%s.%s" % (moment.encode(), body))
        expected = signature.hexdigest()
        if any([hmac.compare_digest(expected, given) for given in signatures]):
            return int(moment)
    raise Refused(401, "the signature does not fit")


def _parts(header: str) -> tuple[str, list[str]]:
    """The time and the signatures of `t=<unix seconds>,v1=<hex>`."""
    moments: list[str] = []
    signatures: list[str] = []
    for part in header.split(",", MOST_SIGNATURES):
        key, _, value = part.strip().partition("=")
        if key == "t":
            moments.append(value)
        elif key == "v1":
            signatures.append(value.lower() if value.isascii() else "")
    if len(moments) != 1 or not re.fullmatch("[0-9]{1,12}", moments[0]) or not signatures:
        raise Refused(401, "the signature is not of the form t=<seconds>,v1=<hex>")
    return moments[0], signatures


class _V0(msgspec.Struct, gc=False):
    user: str | int
    type: str
    bot: RawId = None
    guild: RawId = None
    is_weekend: Any = msgspec.field(name="isWeekend", default=None)
    query: Any = None


class _Party(msgspec.Struct, gc=False):
    """A user or a project, as v1 has them."""

    id: RawId = None
    platform_id: RawId = None
    type: Any = None
    platform: Any = None
    name: Any = None


class _Vote(msgspec.Struct, gc=False):
    user: _Party
    project: _Party | None = None
    id: RawId = None
    weight: Any = None
    created_at: Text = None
    expires_at: Any = None


class _Connection(msgspec.Struct, gc=False):
    connection_id: str | int
    webhook_secret: Text = None
    project: _Party | None = None
    user: _Party | None = None


# By type, so that one look at the bytes is enough.
class _VoteCreate(msgspec.Struct, gc=False, tag_field="type", tag="vote.create"):
    data: _Vote


class _WebhookTest(msgspec.Struct, gc=False, tag_field="type", tag="webhook.test"):
    data: _Vote


class _IntegrationCreate(msgspec.Struct, gc=False, tag_field="type", tag="integration.create"):
    data: _Connection


class _IntegrationDelete(msgspec.Struct, gc=False, tag_field="type", tag="integration.delete"):
    data: _Connection


_V1 = _VoteCreate | _WebhookTest | _IntegrationCreate | _IntegrationDelete


class _Kind(msgspec.Struct, gc=False):
    type: str


_read_v0 = msgspec.json.Decoder(_V0).decode
_read_v1 = msgspec.json.Decoder(_V1).decode
_read_kind = msgspec.json.Decoder(_Kind).decode
KINDS = {kind.__struct_config__.tag for kind in get_args(_V1)}


def read_v0(body: bytes, received_at: datetime) -> Vote:
    """A v0 delivery's vote, for a bot or a server.

    Raises:
        Refused: it is none.
    """
    sent = _decoded(_read_v0, body)
    if sent.type not in ("upvote", "test"):
        raise Refused(422, "type is neither upvote nor test")
    project_id = _id(sent.bot or None, "bot") or _id(sent.guild or None, "guild")
    if project_id is None:
        raise Refused(400, "there is neither bot nor guild")
    weight = 1 + sent.is_weekend if isinstance(sent.is_weekend, bool) else None
    return Vote(
        platform_id=_id(sent.user, "user"),
        weight=weight,
        received_at=received_at,
        project_id=project_id,
        is_test=sent.type == "test",
        query=_query(sent.query),
        source="webhook_v0",
    )


def read_v1(body: bytes, received_at: datetime) -> Vote | IntegrationCreated | IntegrationDeleted:
    """What a v1 delivery tells.

    Raises:
        Refused: it is nothing that is known.
    """
    try:
        sent = _decoded(_read_v1, body)
    except Refused:
        if _decoded(_read_kind, body).type in KINDS:
            raise
        raise Refused(422, "nothing is known of deliveries of this type") from None
    if isinstance(sent, (_VoteCreate, _WebhookTest)):
        return _vote(sent.data, received_at, is_test=isinstance(sent, _WebhookTest))
    if isinstance(sent, _IntegrationCreate):
        return _created(sent.data)
    return IntegrationDeleted(connection_id=_needed(sent.data.connection_id, "connection_id"))


def _vote(sent: _Vote, received_at: datetime, *, is_test: bool) -> Vote:
    user_id = _id(sent.user.id, "user.id")
    platform_id = _id(sent.user.platform_id, "user.platform_id")
    if user_id is None and platform_id is None:
        raise Refused(400, "the user has no id")
    project = sent.project or _Party()
    top_gg_project_id = _id(project.id, "project.id")
    return Vote(
        id=_id(sent.id, "id"),
        user_id=user_id,
        platform_id=platform_id,
        weight=sent.weight if type(sent.weight) is int and 0 < sent.weight < 2**31 else None,
        created_at=_time(sent.created_at, "created_at"),
        expires_at=aware(_text(sent.expires_at)),
        received_at=received_at,
        # v0 knows no other id than the platform's: only by that one are the two the same project.
        project_id=_id(project.platform_id, "project.platform_id") or top_gg_project_id,
        is_test=is_test,
        source="webhook_v1",
    )


def _created(sent: _Connection) -> IntegrationCreated:
    if not sent.webhook_secret:
        raise Refused(400, "there is no webhook_secret")
    project, user = sent.project or _Party(), sent.user or _Party()
    return IntegrationCreated(
        connection_id=_needed(sent.connection_id, "connection_id"),
        webhook_secret=sent.webhook_secret,
        project_id=_id(project.id, "project.id"),
        project_platform_id=_id(project.platform_id, "project.platform_id"),
        project_type=_text(project.type),
        project_platform=_text(project.platform),
        user_id=_id(user.id, "user.id"),
        user_platform_id=_id(user.platform_id, "user.platform_id"),
        user_name=_text(user.name),
    )


def _decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        # What is not asked for would pass unseen.
        if not body.isascii():
            body.decode()
        return decode(body)
    except msgspec.ValidationError:
        raise Refused(400, "JSON of another shape than expected") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "the body is no JSON") from None


def _id(value: RawId, name: str) -> int | None:
    # Nearly all are so. Each delivery has four of them.
    if type(value) is str and value.isdigit() and len(value) < 19 and value.isascii():
        return int(value) or _needed(value, name)
    return None if value is None else _needed(value, name)


def _needed(value: str | int, name: str) -> int:
    number = digits(value)
    if number is None:
        raise Refused(400, f"{name} is no id")
    return number


def _time(value: str | None, name: str) -> datetime | None:
    moment = aware(value)
    if value is not None and moment is None:
        raise Refused(400, f"{name} is no time")
    return moment


def _text(value: Any) -> str | None:
    """A text that nothing depends on; None where it is anything else."""
    return value if isinstance(value, str) else None


def _query(value: Any) -> dict[str, str]:
    """What stood behind the `?` of the vote page, by name; of equal names the last one counts."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if isinstance(item, str)}
    return dict(parse_qsl((_text(value) or "").removeprefix("?"), keep_blank_values=True))
