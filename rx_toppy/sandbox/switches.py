"""Which faults are on, for which requests, and whether they strike."""

from collections.abc import Iterable, Mapping
from random import Random
from types import TracebackType
from typing import Self

from aiohttp import web

from rx_toppy.sandbox import checks
from rx_toppy.sandbox.faults import Fault, Pause, Proceed


class FaultSwitch:
    """A fault that was switched on, as `Sandbox.fail` gives it.

    As a context manager it is on until the end of the block.

    Example:
        ::

            with sandbox.fail(faults.Status(503), route="/weekend") as outage:
                ...
            print(outage.count, "requests failed")
    """

    def __init__(
        self,
        fault: Fault,
        *,
        route: str | None,
        method: str | None,
        times: int | None,
        rate: float | None,
        rng: Random,
    ) -> None:
        self._fault = fault
        self._route = route
        self._method = method
        self._times = times
        self._rate = rate
        self._rng = rng
        self._count = 0
        self._stopped = False

    @property
    def fault(self) -> Fault:
        """What was switched on."""
        return self._fault

    @property
    def count(self) -> int:
        """How often it has struck."""
        return self._count

    @property
    def is_on(self) -> bool:
        """Whether it may still strike: it was not stopped, and not all its times are over."""
        return not self._stopped and (self._times is None or self._count < self._times)

    def stop(self) -> None:
        """Switch it off for good; does nothing when it is off."""
        self._stopped = True

    def strikes(self, method: str, route: str | None) -> bool:
        """Decide whether a request is struck, and count it; the sandbox calls this."""
        if not self.is_on or self._route not in {None, route} or self._method not in {None, method}:
            return False
        # Drawn for matching requests only: others must not change what becomes of these.
        if self._rate is not None and self._rng.random() >= self._rate:
            return False
        self._count += 1
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        """Say the fault, whether it is on and how often it has struck."""
        state = "on" if self.is_on else "off"
        return f"<FaultSwitch {self._fault!r}, {state}, count={self._count}>"


class Switches:
    """All the faults of a sandbox, in the order in which they were switched on.

    Each has its own chance, made from the seed and from how many there were before it, so
    none depends on what the others draw.

    Args:
        seed: The sandbox's.
        routes: The methods of each route, by its template.
    """

    def __init__(self, seed: int, routes: Iterable[tuple[str, str]]) -> None:
        self._seed = seed
        self._made = 0
        self._on: list[FaultSwitch] = []
        self._methods: Mapping[str, set[str]] = _by_route(routes)

    @property
    def any_on(self) -> bool:
        """Whether there is anything to ask."""
        self._on = [switch for switch in self._on if switch.is_on]
        return bool(self._on)

    def add(
        self,
        fault: Fault,
        *,
        route: str | None,
        method: str | None,
        times: int | None,
        rate: float | None,
    ) -> FaultSwitch:
        """Switch a fault on.

        Raises:
            TypeError: One of these is of the wrong type.
            ValueError: There is no such route, it does not take the method, or `times` or
                `rate` are out of range.
        """
        if not isinstance(fault, Fault):
            raise TypeError(f"fault must be a value such as faults.Status(503), not {fault!r}")
        method = method.upper() if isinstance(method, str) else method
        self._check(route, method)
        if times is not None:
            checks.whole(times, "times", least=1)
        if rate is not None:
            checks.share(rate, "rate")
        rng = Random(f"{self._seed} fault {self._made}")
        self._made += 1
        switch = FaultSwitch(fault, route=route, method=method, times=times, rate=rate, rng=rng)
        self._on.append(switch)
        return switch

    def stop_all(self) -> None:
        """Switch all of them off."""
        for switch in self._on:
            switch.stop()
        self._on = []

    async def lead(
        self, request: web.Request, route: str | None, answer: Proceed, pause: Pause
    ) -> web.StreamResponse:
        """Let the faults have the request, one after another; give its answer in the end.

        The first that strikes has it, and may let it proceed to those after it.
        """
        waiting = iter(list(self._on))

        async def proceed() -> web.StreamResponse:
            for switch in waiting:
                if switch.strikes(request.method, route):
                    return await switch.fault.strike(request, proceed, pause)
            return await answer()

        return await proceed()

    def _check(self, route: str | None, method: str | None) -> None:
        for value, name in ((route, "route"), (method, "method")):
            if value is not None:
                checks.text(value, name)
        if route is not None and route not in self._methods:
            raise ValueError(f"there is no route {route!r}, only {', '.join(self._methods)}")
        chosen = self._methods.values() if route is None else [self._methods[route]]
        known = set().union(*chosen)
        if method is not None and method not in known:
            *others, last = sorted(known)
            taken = f"{', '.join(others)} and {last}" if others else last
            raise ValueError(f"method must be one that the route takes, {taken}, not {method!r}")


def _by_route(routes: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    methods: dict[str, set[str]] = {}
    for method, route in routes:
        methods.setdefault(route, set()).add(method)
    return methods
