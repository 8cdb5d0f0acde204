"""A stand-in for top.gg: an HTTP server that does as it is told, and remembers what came."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Self, TypeVar

from .replies import MISSING, Answer, ok, play, status
from .wire import HOST, PREFIX, ClientGoneError, Seen, Wire, stop_listening

T = TypeVar("T")
PATIENCE = 30.0  # only what hangs takes so long
NOT_FOUND = status(404, json={"error": "Not Found"})


class Script:
    """Answers for one path, one after another; the last one repeats."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        if not answers:
            raise ValueError("a script needs at least one answer")
        self._answers = answers
        self._step = 0

    def next(self) -> Answer:
        """The answer whose turn it is."""
        answer = self._answers[min(self._step, len(self._answers) - 1)]
        self._step += 1
        return answer


class Book:
    """What is to be answered, and what has come: the part of a stand-in that needs no loop."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        """Every request that arrived whole, in the order of arrival."""
        self.errors: list[Exception] = []
        """What went wrong on this side: a reply function that raised, a request that is no HTTP."""
        self._scripts: dict[str, Script] = {}
        self._default: Answer = NOT_FOUND
        self._server = Server(self)

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._server.port

    @property
    def base_url(self) -> str:
        """What to give a client as its base URL."""
        return f"http://{HOST}:{self.port}{PREFIX}"

    @property
    def paths(self) -> list[str]:
        """The requests in short: "GET /bots/1"."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""
        return len(self._server.wires)

    def reply(self, path: str, answer: Answer | None = None, *, json: object = MISSING) -> None:
        """Always answer a path ("/bots/1", or "POST /bots/1/stats") like this."""
        self._scripts[path] = Script((_given(answer, json),))

    def script(self, path: str, *answers: Answer) -> None:
        """Answer a path with these, one after another; the last one repeats."""
        self._scripts[path] = Script(answers)

    def default(self, answer: Answer | None = None, *, json: object = MISSING) -> None:
        """Answer whatever has no script like this."""
        self._default = _given(answer, json)

    def choose(self, seen: Seen) -> Answer:
        """The answer to a request."""
        for key in (f"{seen.method} {seen.path}", seen.path):
            if key in self._scripts:
                return self._scripts[key].next()
        return self._default

    def report(self, error: BaseException | None) -> None:
        """Bring what went wrong on this side before the test, beside its own failure if any."""
        if error is not None:
            for ours in self.errors:
                error.add_note(f"The stand-in had an error too: {ours!r}")
        elif self.errors:
            raise self.errors[0]


class StandIn(Book):
    """top.gg in the loop of the test.

    A client that ends its side of a connection is taken to be gone; its requests end there.
    """

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._server.stop()
        self.report(error)

    async def arrived(self, count: int, timeout: float = PATIENCE) -> None:
        """Wait until that many requests have been seen."""
        await self._server.arrived(count, timeout)

    async def idle(self, timeout: float = PATIENCE) -> None:
        """Wait until no connection is in the middle of a request."""
        await self._server.idle(timeout)

    async def connected(self, count: int, timeout: float = PATIENCE) -> None:
        """Wait until exactly that many connections are open."""
        await self._server.connected(count, timeout)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Within this nobody is at home: connections are cut, new ones refused."""
        await self._server.stop()
        try:
            yield
        finally:
            await self._server.start()


class ThreadedStandIn(Book):
    """top.gg in a thread and loop of its own, for tests that run several loops themselves."""

    def __enter__(self) -> Self:
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="standin")
        self._running = self._executor.submit(lambda: asyncio.run(self._run()))
        self._running.add_done_callback(self._never_ready)
        self._loop = self._ready.result(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._running.result(PATIENCE)
        self._executor.shutdown()
        self.report(error)

    def arrived(self, count: int, timeout: float = PATIENCE) -> None:
        """Wait until that many requests have been seen."""
        self._do(self._server.arrived(count, timeout))

    def idle(self, timeout: float = PATIENCE) -> None:
        """Wait until no connection is in the middle of a request."""
        self._do(self._server.idle(timeout))

    def connected(self, count: int, timeout: float = PATIENCE) -> None:
        """Wait until exactly that many connections are open."""
        self._do(self._server.connected(count, timeout))

    @contextmanager
    def down(self) -> Iterator[None]:
        """Within this nobody is at home: connections are cut, new ones refused."""
        self._do(self._server.stop())
        try:
            yield
        finally:
            self._do(self._server.start())

    def set(self, event: asyncio.Event) -> None:
        """Set an event that a `wait` of this stand-in waits for (they are not thread-safe)."""
        self._loop.call_soon_threadsafe(event.set)

    def _do(self, coroutine: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _run(self) -> None:
        self._over = asyncio.Event()
        await self._server.start()
        try:
            self._ready.set_result(asyncio.get_running_loop())
            await self._over.wait()
        finally:
            await self._server.stop()

    def _never_ready(self, running: "Future[None]") -> None:
        error = running.exception()
        if error is not None and not self._ready.done():
            self._ready.set_exception(error)


class Server:
    """The sockets behind a book."""

    def __init__(self, book: Book) -> None:
        self.port = 0
        self.wires: dict[Wire, asyncio.Task[None]] = {}
        self._book = book
        self._accepted = 0
        self._changed = asyncio.Event()
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; on the port of before, if there was one."""
        self._listener = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        await stop_listening(listener)
        tasks = list(self.wires.values())
        for wire in self.wires:
            wire.abort()  # which ends its task too, as if the client had left
        await asyncio.gather(*tasks)
        await listener.wait_closed()

    async def arrived(self, count: int, timeout: float) -> None:
        """Wait until that many requests have been seen."""
        seen = self._book.seen
        await self._until(lambda: len(seen) >= count, f"{count} requests", timeout)

    async def idle(self, timeout: float) -> None:
        """Wait until no connection is in the middle of a request."""
        await self._until(
            lambda: not any(wire.busy for wire in self.wires), "every request to end", timeout
        )

    async def connected(self, count: int, timeout: float) -> None:
        """Wait until exactly that many connections are open."""
        await self._until(lambda: len(self.wires) == count, f"{count} open connections", timeout)

    async def _until(self, true: Callable[[], bool], what: str, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"waited {timeout:g} s for {what}; {len(self.wires)} connections are open, "
                f"{len(self._book.seen)} requests came: {self._book.paths}"
            ) from None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        wire = Wire(reader, writer, self._accepted)
        self.wires[wire] = asyncio.get_running_loop().create_task(self._serve(wire))
        self._changed.set()

    async def _serve(self, wire: Wire) -> None:
        # Reading goes on during a reply: that is how a client that leaves meanwhile is noticed.
        waiting: asyncio.Queue[Seen] = asyncio.Queue()
        halves = [
            asyncio.ensure_future(self._receive(wire, waiting)),
            asyncio.ensure_future(self._answer(wire, waiting)),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            wire.close()
            await wire.ended()
            del self.wires[wire]
            self._changed.set()

    async def _receive(self, wire: Wire, waiting: asyncio.Queue[Seen]) -> None:
        with self._watching(wire):
            while (seen := await wire.read()) is not None:
                wire.unanswered += 1
                self._book.seen.append(seen)
                waiting.put_nowait(seen)
                self._changed.set()

    async def _answer(self, wire: Wire, waiting: asyncio.Queue[Seen]) -> None:
        with self._watching(wire):
            while not wire.closed:
                seen = await waiting.get()
                if wire.drop_next:
                    return
                await play(self._book.choose(seen), wire, seen)
                wire.unanswered -= 1
                self._changed.set()
                if seen.headers.get("connection", "").lower() == "close":
                    return

    @contextmanager
    def _watching(self, wire: Wire) -> Iterator[None]:
        try:
            with suppress(ClientGoneError):
                yield
        except Exception as error:  # a test's own function may raise anything
            self._book.errors.append(error)


def _given(answer: Answer | None, json: object) -> Answer:
    if (answer is None) == (json is MISSING):
        raise TypeError("give either an answer or json=")
    return ok(json) if answer is None else answer
