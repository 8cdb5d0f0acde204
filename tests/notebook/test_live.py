"""`live`: one output that follows a stream, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import NewThreadScheduler

from rx_toppy.notebook import Live, live
from tests.conftest import MakeClient
from tests.notebook.conftest import Page
from tests.standin import StandIn
from tests.virtual import run_virtual

NOTHING = "nothing has come yet"


def ticking(seconds: float) -> Observable[int]:
    """0, 1, 2 ... at this distance, by the loop's clock (`rx.interval` goes by the wall's)."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        async def tick() -> None:
            for number in itertools.count():
                await asyncio.sleep(seconds)
                observer.on_next(number)

        return Disposable(asyncio.ensure_future(tick()).cancel)

    return rx.create(subscribe)


class Source:
    """A stream that knows whether somebody listens."""

    def __init__(self) -> None:
        self.subject: Subject[Any] = Subject()
        self.listeners = 0
        self.stream = rx.create(self._subscribe)

    def _subscribe(self, observer: Any, scheduler: Any = None) -> Any:
        self.listeners += 1
        inner = self.subject.subscribe(observer)

        def leave() -> None:
            self.listeners -= 1
            inner.dispose()

        return Disposable(leave)


def test_it_shows_no_more_frames_than_it_may_and_the_last_item_always(page: Page) -> None:
    """100 items in 1 s, a frame each 0.25 s at most: nothing queues, nothing of the end is lost."""

    async def main() -> None:
        started = asyncio.get_running_loop().time()
        assert await live(ticking(0.01).pipe(ops.take(101))) == 100
        assert asyncio.get_running_loop().time() - started == pytest.approx(1.01)

    run_virtual(main())
    assert page.texts[0] == NOTHING
    assert page.texts[-1] == "100"
    assert [int(text) for text in page.texts[1:-1]] == pytest.approx([24, 49, 74, 99], abs=1)


def test_render_makes_what_is_shown_of_the_drawn_items_only(page: Page) -> None:
    """It may be anything displayable, and is not called for what is skipped."""
    called: list[int] = []

    class Bold:
        def __init__(self, item: int) -> None:
            called.append(item)
            self.item = item

        def _repr_html_(self) -> str:
            return f"<b>{self.item}</b>"

    async def main() -> None:
        await live(rx.from_iterable(range(1000)), Bold)

    run_virtual(main())
    assert page.html == "<b>999</b>"
    assert called == [999]


def test_a_figure_is_shown_as_a_picture(page: Page) -> None:
    """Also one that pyplot does not know of."""
    from matplotlib.figure import Figure

    async def main() -> None:
        await live(rx.of(1), lambda item: Figure(figsize=(2, 1)))

    run_virtual(main())
    assert page.frames[-1]["image/png"]


def test_it_ends_after_so_many_seconds(page: Page) -> None:
    """`seconds` ends it like `stop`; the value is the last item. A timedelta will do."""

    async def main() -> None:
        source = Source()
        loop = asyncio.get_running_loop()
        loop.call_later(1, source.subject.on_next, "one")
        loop.call_later(2.9, source.subject.on_next, "two")
        assert await live(source.stream, seconds=timedelta(seconds=3)) == "two"
        assert loop.time() == pytest.approx(3)
        assert source.listeners == 0
        source.subject.on_next("three")
        await asyncio.sleep(1)

    run_virtual(main())
    assert page.texts == [NOTHING, "'one'", "'two'"]


def test_it_goes_on_without_await_until_it_is_stopped(page: Page) -> None:
    """`stop()` leaves the stream and draws what was still to be drawn; twice is once."""

    async def main() -> None:
        source = Source()
        view = live(source.stream, every=10)
        assert view.is_running
        assert source.listeners == 1
        source.subject.on_next(1)
        await asyncio.sleep(11)
        source.subject.on_next(2)
        await asyncio.sleep(1)
        assert page.texts == [NOTHING, "1"]
        view.stop()
        view.stop()
        assert not view.is_running
        assert source.listeners == 0
        assert await view == 2

    run_virtual(main())
    assert page.texts == [NOTHING, "1", "2"]


def test_cancelling_the_cell_leaves_the_stream(page: Page) -> None:
    """As interrupting it does."""

    async def main() -> None:
        source = Source()
        views: list[Live[Any]] = []

        async def cell() -> None:
            views.append(live(source.stream))
            await views[0]

        task = asyncio.create_task(cell())
        await asyncio.sleep(1)
        assert source.listeners == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.listeners == 0
        assert not views[0].is_running

    run_virtual(main())


def test_the_error_of_a_stream_is_shown_and_raised(page: Page) -> None:
    """One line below what was shown, as text and nothing else."""
    error = ValueError("<script>alert(1)</script>\nno line of its own $x$")

    async def main() -> None:
        view = live(rx.concat(rx.of("<i>last</i>"), rx.throw(error)))
        with pytest.raises(ValueError, match="script") as raised:
            await view
        assert raised.value is error

    run_virtual(main())
    assert page.texts[-1].endswith("ValueError: <script>alert(1)</script> no line of its own $x$")
    assert "<script" not in page.html
    assert "<i>" not in page.html
    assert "&lt;i&gt;last" in page.html
    assert "ValueError: &#60;script" in page.html


def test_a_failed_picture_stays_with_the_error_below(page: Page) -> None:
    """The last frame is not lost where the stream fails."""
    from matplotlib.figure import Figure

    async def main() -> None:
        source = Source()
        view = live(source.stream, lambda item: Figure(figsize=(2, 1)))
        source.subject.on_next(1)
        await asyncio.sleep(1)
        source.subject.on_error(ValueError("late"))
        with pytest.raises(ValueError, match="late"):
            await view

    run_virtual(main())
    assert '<img src="data:image/png;base64,' in page.html
    assert "ValueError: late" in page.html


def test_a_render_that_raises_ends_it(page: Page) -> None:
    """The error is shown, the stream is left, and an await raises it."""

    async def main() -> None:
        source = Source()
        view = live(source.stream, lambda item: 1 / item)
        source.subject.on_next(0)
        await asyncio.sleep(1)
        assert source.listeners == 0
        with pytest.raises(ZeroDivisionError):
            await view

    run_virtual(main())
    assert "ZeroDivisionError: division by zero" in page.html


def test_an_error_that_nobody_awaits_is_shown_and_no_more(page: Page) -> None:
    """No word of a future whose exception was never retrieved."""
    complaints: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        live(rx.throw(ValueError("bad")))
        await asyncio.sleep(1)
        gc.collect()

    run_virtual(main())
    assert page.texts[-1].endswith("ValueError: bad")
    assert complaints == []


async def test_items_may_come_on_any_thread(page: Page) -> None:
    """They are drawn on the caller's loop, all the same."""
    here = threading.get_ident()
    made: list[int] = []
    drawn: list[int] = []

    def note(item: int) -> int:
        made.append(threading.get_ident())
        return item

    def render(item: int) -> int:
        drawn.append(threading.get_ident())
        return item

    stream = rx.interval(0.01, scheduler=NewThreadScheduler()).pipe(ops.map(note), ops.take(20))
    assert await live(stream, render, every=0.02) == 19
    assert here not in made
    assert set(drawn) == {here}
    assert page.texts[-1] == "19"


async def test_it_may_be_stopped_from_any_thread(page: Page) -> None:
    """The stream is left at once, and who awaits goes on."""
    source = Source()
    view = live(source.stream)
    source.subject.on_next(1)
    await asyncio.to_thread(view.stop)
    assert source.listeners == 0
    assert await view == 1


def test_it_leaves_the_stream_where_its_loop_has_closed(page: Page) -> None:
    """Nobody looks any more; the stream does not hear of it."""
    source = Source()

    async def main() -> None:
        live(source.stream)

    asyncio.run(main())
    assert source.listeners == 1
    source.subject.on_next(1)
    assert source.listeners == 0


def test_timed_operators_run_on_the_loop(page: Page) -> None:
    """Those without a scheduler of their own: no thread is needed."""

    async def main() -> None:
        before = threading.active_count()
        threads: set[int] = set()
        stream = ticking(1).pipe(
            ops.debounce(0.5), ops.do_action(lambda _: threads.add(threading.get_ident()))
        )
        await live(stream.pipe(ops.take(3)))
        assert threads == {threading.get_ident()}
        assert threading.active_count() == before

    run_virtual(main())


async def test_a_call_of_a_client_is_taken_as_well(
    page: Page, make_client: MakeClient, topgg: StandIn
) -> None:
    """Cold calls are observables, and are sent once."""
    topgg.reply("/weekend", json={"is_weekend": True})
    assert await live(make_client().is_weekend()) is True
    assert page.texts[-1] == "True"
    assert topgg.paths == ["GET /weekend"]


def test_it_is_shown_once_in_its_cell_and_again_in_others(page: Page) -> None:
    """As the last expression of its own cell it adds nothing."""

    async def main() -> None:
        view = live(rx.of(1))
        await asyncio.sleep(1)
        page.shell.displayhook(view)
        assert len(page.frames) == 2
        page.shell.execution_count += 1
        page.shell.display_formatter.format(view)
        assert page.shell.display_pub.outputs[-1]["update"] is False
        assert page.shell.display_pub.outputs[-1]["data"] == {"text/plain": "1"}
        assert repr(view) == "<live(): stopped, 1 items>"

    run_virtual(main())


def test_an_item_that_can_not_be_displayed_ends_it(page: Page) -> None:
    """Its repr raises; that is the error."""

    class Hostile:
        def __repr__(self) -> str:
            raise ValueError("no")

    async def main() -> None:
        with pytest.raises(TypeError, match="Hostile can't be displayed"):
            await live(rx.of(Hostile()))

    run_virtual(main())


def test_nothing_is_left_behind(page: Page) -> None:
    """No task, and no view that something keeps alive."""

    async def main() -> None:
        view = live(ticking(0.1), seconds=1)
        gone = weakref.ref(view)
        await view
        del view
        await asyncio.sleep(1)
        gc.collect()
        assert gone() is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: live([1, 2]), TypeError, "takes an observable .* not list"),  # type: ignore[arg-type]
        (lambda: live(rx.of(1), 5), TypeError, "render takes a function, not int"),  # type: ignore[arg-type]
        (lambda: live(rx.of(1), every=0), ValueError, "every takes more than zero"),
        (lambda: live(rx.of(1), seconds=-1), ValueError, "seconds takes more than zero"),
    ],
)
async def test_bad_arguments(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    """A clear error where it is called."""
    with pytest.raises(error, match=says):
        call()


async def test_render_is_no_coroutine_function() -> None:
    """The error names it and says what to do."""

    async def look_up(item: int) -> int:
        return item

    class Looking:
        async def __call__(self, item: int) -> int:
            return item

    with pytest.raises(TypeError, match=r"look_up is a coroutine.*map_async\(.*look_up\)"):
        live(rx.of(1), look_up)
    with pytest.raises(TypeError, match="coroutine"):
        live(rx.of(1), Looking())


def test_without_a_loop_it_says_so() -> None:
    """A plain script has none."""
    with pytest.raises(RuntimeError, match="needs a running event loop"):
        live(rx.of(1))
