"""`marbles`: records to the moment, and the two ways to draw them."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import matplotlib.image
import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Subject
from reactivex import operators as ops
from reactivex.scheduler import NewThreadScheduler, VirtualTimeScheduler
from reactivex.testing import ReactiveTest, TestScheduler

from rx_toppy import (
    AutopostFailed,
    Bot,
    BotStatsPayload,
    PostEvent,
    RequestEvent,
    SimpleUser,
    User,
    Vote,
    VoteEvent,
)
from rx_toppy.notebook import Marbles, marbles
from rx_toppy.notebook.marble_layout import arrange
from tests.notebook.test_live import Source
from tests.virtual import run_virtual

on_next, on_completed, on_error = (
    ReactiveTest.on_next,
    ReactiveTest.on_completed,
    ReactiveTest.on_error,
)


def recorded(streams: dict[str, Any], seconds: float = 10, **options: Any) -> Marbles:
    """The diagram of streams on a virtual scheduler, in `options` or on their own."""

    async def main() -> Marbles:
        return await marbles(streams, seconds, **options)

    return run_virtual(main())


def keys(text: str, **options: Any) -> Marbles:
    """The diagram of one stream, a stroke a second."""
    clock = VirtualTimeScheduler()
    stream = rx.cold(text, timespan=1.0, scheduler=clock)
    return recorded({"keys": stream}, scheduler=clock, **options)


def pixels(diagram: Marbles) -> Any:
    """The picture that a notebook shows, with its transparency."""
    data, _ = diagram._repr_mimebundle_()
    return matplotlib.image.imread(io.BytesIO(b64decode(data["image/png"])))


def test_the_records_are_those_of_the_test_scheduler() -> None:
    """To the moment: what came, when it ended, and how."""
    clock = TestScheduler()
    error = ValueError("bad")
    hot = clock.create_hot_observable(on_next(1.5, "a"), on_next(3.0, "b"), on_completed(4.25))
    cold = clock.create_cold_observable(on_next(0.5, 1), on_next(0.5, 2), on_error(2.0, error))
    diagram = recorded({"hot": hot, "cold": cold}, 10, scheduler=clock)
    assert diagram.records == {
        "hot": [(1.5, "next", "a"), (3.0, "next", "b"), (4.25, "completed", None)],
        "cold": [(0.5, "next", 1), (0.5, "next", 2), (2.0, "error", error)],
    }
    assert diagram.seconds == 4.25
    assert hot.subscriptions[0].unsubscribe <= 4.25


def test_the_records_are_those_of_the_loop() -> None:
    """Without a scheduler, seconds are the loop's, from the call on."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(5)
        subject: Subject[str] = Subject()
        recording = marbles({"one": subject, "upper": subject.pipe(ops.map(str.upper))}, 3)
        subject.on_next("a")  # it listens at once
        loop.call_later(1.5, subject.on_next, "b")
        loop.call_later(3.5, subject.on_next, "c")
        diagram = await recording
        assert loop.time() == pytest.approx(8)
        assert diagram.records["one"] == [
            (0, "next", "a"),
            (pytest.approx(1.5), "next", "b"),
        ]
        assert [one.value for one in diagram.records["upper"]] == ["A", "B"]
        assert subject.observers == []

    run_virtual(main())


def test_it_is_over_when_all_streams_are() -> None:
    """And not before; an error is an end as well, and raises nothing."""

    async def main() -> None:
        first: Subject[int] = Subject()
        second: Subject[int] = Subject()
        loop = asyncio.get_running_loop()
        loop.call_later(1, first.on_completed)
        loop.call_later(2, second.on_error, KeyError("x"))
        diagram = await marbles({"first": first, "second": second}, timedelta(minutes=5))
        assert loop.time() == pytest.approx(2)
        assert diagram.seconds == pytest.approx(2)
        assert [one.kind for one in diagram.records["second"]] == ["error"]

    run_virtual(main())


def test_it_can_be_stopped_early() -> None:
    """`stop()` ends the recording with what there is."""

    async def main() -> None:
        source = Source()
        recording = marbles({"source": source.stream})
        source.subject.on_next(1)
        await asyncio.sleep(2)
        assert repr(recording) == "<marbles: recording, 2.0 s, 1 records; await it>"
        recording.stop()
        assert source.listeners == 0
        source.subject.on_next(2)
        diagram = await recording
        assert diagram.seconds == pytest.approx(2)
        assert [one.value for one in diagram.records["source"]] == [1]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_cancelling_leaves_the_streams() -> None:
    """As interrupting the cell does."""

    async def main() -> None:
        source = Source()
        recording = marbles({"a": source.stream, "b": source.stream})
        task = asyncio.ensure_future(recording)
        await asyncio.sleep(1)
        assert source.listeners == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.listeners == 0

    run_virtual(main())


async def test_streams_may_run_on_any_thread() -> None:
    """Nothing is lost or out of order, and the diagram comes on the caller's loop."""
    scheduler = NewThreadScheduler()
    fast = rx.interval(0.002, scheduler=scheduler).pipe(ops.take(50))
    slow = rx.timer(0.05, scheduler=scheduler)
    before = threading.get_ident()
    diagram = await marbles({"fast": fast, "slow": slow}, 20)
    assert threading.get_ident() == before
    values = [one.value for one in diagram.records["fast"]]
    assert values == [*range(50), None]
    times = [one.seconds for one in diagram.records["fast"]]
    assert times == sorted(times)


async def test_a_stream_that_can_not_be_subscribed_to_leaves_none_behind() -> None:
    """The error is raised where it is called; the others are left."""

    class Broken(rx.Observable[int]):
        def subscribe(self, *_: Any, **__: Any) -> Any:
            raise OSError("no")

    source = Source()
    with pytest.raises(OSError, match="no"):
        marbles({"good": source.stream, "broken": Broken()})
    assert source.listeners == 0


def test_the_text_is_what_people_draw() -> None:
    """A column for each stroke's time; brackets hold what came at one."""
    clock = VirtualTimeScheduler()
    source = rx.cold("a-b---c-|", timespan=0.25, scheduler=clock)
    diagram = recorded(
        {
            "keys": source,
            "debounced": source.pipe(ops.debounce(0.6)),
            "failing": source.pipe(ops.map(lambda key: 1 / (key != "c"))),
            "never": rx.never(),
        },
        5,
        scheduler=clock,
        label=lambda item: item if isinstance(item, str) else "ok",
    )
    assert str(diagram).splitlines() == [
        "keys:      a----b---------c----|",
        "debounced: -----------b--------(c|)",
        "failing:   d----d---------X",
        "never:     -------------------------------------------------->",
        "(d: ok, - is 0.1 s)",
    ]
    assert repr(diagram) == str(diagram)


def test_the_text_stays_in_its_columns() -> None:
    """Where several items don't fit between their columns, a sign says so."""
    clock = VirtualTimeScheduler()
    burst = rx.timer(1, 0.1, scheduler=clock).pipe(ops.take(20), ops.map(lambda n: n % 2))
    lines = str(recorded({"burst": burst, "calm": rx.never()}, 60, scheduler=clock)).splitlines()
    assert lines[0] == "burst: -**|"
    assert lines[2] == "(*: several, - is 1 s)"


def test_the_figure_has_each_marble_at_its_time() -> None:
    """White letters in the middle of discs whose distances are those in time."""
    diagram = keys("a-b---c|")
    texts = {text.get_text(): text.get_position() for text in diagram.figure.axes[0].texts}
    a, b, c = (texts[letter][0] for letter in "abc")
    assert (c - a) / (b - a) == pytest.approx(3)
    assert len({texts[letter][1] for letter in "abc"}) == 1
    assert texts["keys"][1] == texts["a"][1]


def test_the_same_value_has_the_same_colour_on_every_line() -> None:
    """And another one has another."""
    clock = VirtualTimeScheduler()
    source = rx.cold("a-b-c|", timespan=1.0, scheduler=clock)
    later = source.pipe(ops.delay(0.5), ops.filter(lambda key: key != "b"))
    axes = recorded({"keys": source, "later": later}, scheduler=clock).figure.axes[0]
    marbles_ = [tuple(one.get_facecolor()[0]) for one in axes.collections]
    assert len(marbles_) == 5
    assert marbles_[:3:2] == marbles_[3:]
    assert len(set(marbles_)) == 3


def test_the_picture_is_transparent_and_not_empty() -> None:
    """So that light and dark pages will do."""
    image = pixels(keys("a-b-#"))
    height, width, _ = image.shape
    assert width == 1600  # sharp on any screen: twice what it is on the page
    assert 100 < height < 400
    assert image[0, 0, 3] == 0
    assert 0.005 < (image[..., 3] > 0.5).mean() < 0.2


def test_crowds_become_beads_and_dots() -> None:
    """Hundreds of items leave a picture of the same size, and a word on how many they are."""
    clock = VirtualTimeScheduler()
    flood = rx.timer(1, 0.001, scheduler=clock).pipe(ops.take(900))
    steady = rx.timer(0, 0.05, scheduler=clock).pipe(ops.map(lambda n: n % 2))
    diagram = recorded({"flood": flood, "steady": steady}, 10, scheduler=clock)
    texts = [text.get_text() for text in diagram.figure.axes[0].texts]
    assert "×900" in texts
    assert pixels(diagram).shape[0] < 900


def test_errors_are_crosses_with_their_name() -> None:
    """Also at the right edge, where the name stands below."""
    clock = VirtualTimeScheduler()
    diagram = recorded({"bad": rx.throw(KeyError("x"), scheduler=clock)}, scheduler=clock)
    assert "KeyError" in [text.get_text() for text in diagram.figure.axes[0].texts]
    assert str(diagram).startswith("bad: X")


def test_hostile_labels_are_drawn_as_they_are() -> None:
    """TeX is text, control characters are none, long ones are cut; nothing is warned of."""
    texts = ["$\\frac{1}{0", "a\x1b[31mb\nc\u202e", "漢字🎉", "long " * 50, "", "  "]
    clock = VirtualTimeScheduler()
    stream = rx.from_iterable(texts, scheduler=clock)
    diagram = recorded({"$x_ ": stream, "\x1b[2J\n": rx.never()}, 1, scheduler=clock)
    pixels(diagram)
    drawn = [text.get_text() for text in diagram.figure.axes[0].texts]
    assert "$\\frac{1}{0" in drawn
    assert max(map(len, drawn)) <= 24
    assert all(text.isprintable() for text in [*drawn, *str(diagram).splitlines()])


def test_labels_may_be_made() -> None:
    """Of anything, by a function; what it raises is raised where the diagram is awaited."""
    assert "a: 10" in str(keys("1|", label=lambda key: int(key) * 10))
    with pytest.raises(ZeroDivisionError):
        keys("1|", label=lambda _: 1 / 0)


SENT = {"method": "GET", "url": "u", "route": "/bots", "elapsed": 0.1, "attempt": 1}


@pytest.mark.parametrize(
    ("item", "label"),
    [
        (RequestEvent(**SENT, status=200, error=None), "200"),
        (RequestEvent(**SENT, status=None, error=OSError("x")), "OSError"),
        (PostEvent(BotStatsPayload(1234)), "1234"),
        (BotStatsPayload(1234), "1234"),
        (AutopostFailed(error=OSError("x"), retry_in=1.0), "OSError"),
        (VoteEvent(Vote(platform_id=123456)), "…456"),
        (Vote(), "vote"),
        (Bot(id=5, username="Luca"), "Luca"),
        (Bot(id=54), "54"),
        (SimpleUser(id=5, username="Xetera"), "Xetera"),
        (User(id=5, name="Xetera"), "Xetera"),
        (True, "True"),
        (1.23456789, "1.235"),
        (None, "None"),
        (["a", 1], "a 1"),
        (range(3), "range"),
        (list(range(100)), "100×"),
        (ValueError("x"), "ValueError"),
        (object(), "object"),
    ],
)
def test_items_have_labels_of_a_few_letters(item: Any, label: str) -> None:
    """What tells one item from another, as far as there is room for it."""
    clock = VirtualTimeScheduler()
    stream = rx.of(item).pipe(ops.observe_on(clock))
    assert f"(a: {label}, " in str(recorded({"one": stream}, scheduler=clock))


def test_no_figure_is_kept_by_pyplot() -> None:
    """It is not even imported."""
    was_there = "matplotlib.pyplot" in sys.modules
    pixels(keys("a|"))
    assert ("matplotlib.pyplot" in sys.modules) == was_there
    if was_there:
        import matplotlib.pyplot as plt

        assert plt.get_fignums() == []


@given(
    st.lists(st.floats(0, 700), max_size=60).map(sorted),
    st.floats(22, 80),
    st.booleans(),
)
def test_no_marble_lies_on_another(middles: list[float], width: float, has_end: bool) -> None:
    """Unless it is said how many there are; each is at its time, and none on the end."""
    end = max(middles, default=0) if has_end else None
    places, crowds = arrange(middles, [width] * len(middles), end)
    assert [place.x for place in places] == middles
    if crowds:
        return
    for index, one in enumerate(places):
        if end is not None and one.y == 0:
            assert one.x + one.width / 2 <= end - 4
        for other in places[index + 1 :]:
            apart = abs(one.x - other.x) - (one.width + other.width) / 2
            above = abs(one.y - other.y) - (one.height + other.height) / 2
            assert apart >= -1e-6 or above >= -1e-6


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: marbles([rx.of(1)]), TypeError, "observables by name"),  # type: ignore[arg-type]
        (lambda: marbles({}), ValueError, "at least one"),
        (lambda: marbles({"a": 1}), TypeError, "'a' takes an observable .* not int"),  # type: ignore[dict-item]
        (lambda: marbles({"a": rx.of(1)}, 0), ValueError, "seconds"),
        (lambda: marbles({"a": rx.of(1)}, label=3), TypeError, "label"),  # type: ignore[arg-type]
        (
            lambda: marbles({"a": rx.of(1)}, scheduler=NewThreadScheduler()),  # type: ignore[arg-type]
            TypeError,
            "VirtualTimeScheduler",
        ),
    ],
)
async def test_bad_arguments(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    """A clear error where it is called."""
    with pytest.raises(error, match=says):
        call()


def test_without_a_loop_it_says_so() -> None:
    """A plain script has none."""
    with pytest.raises(RuntimeError, match="needs a running event loop"):
        marbles({"a": rx.of(1)})
