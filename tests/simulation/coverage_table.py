"""Which situations nights have visited, as a table and as a list of those that none has."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tests.simulation.situations import CRASHES, GROUPS, POSSIBLE, WORKERS, Situation, select_group


def draw_table(visited: Collection[Situation], *, listed: int = 40) -> Iterator[str]:
    """Lines: a row for each group of faults and a column for each kind of worker, and the same by deaths.

    Each cell is how many of the possible situations were visited. Then those never visited, at most ``listed``.
    """
    yield _draw_row("faults", WORKERS)
    for group in GROUPS:
        cells = [select_group(group, worker) for worker in WORKERS]
        yield _draw_row(group, [_count(each, visited) for each in cells])
    yield ""
    yield _draw_row("death", WORKERS)
    for crash in CRASHES:
        dying = [[one for one in POSSIBLE if (one.crash, one.worker) == (crash, worker)] for worker in WORKERS]
        yield _draw_row(crash, [_count(each, visited) for each in dying])
    never = sorted(POSSIBLE.difference(visited))
    yield ""
    yield f"{len(POSSIBLE) - len(never)} of {len(POSSIBLE)} possible situations visited, {len(never)} never"
    yield from (f"  never: {one}" for one in never[:listed])
    if len(never) > listed:
        yield f"  ... and {len(never) - listed} more (--all lists them)"


def _count(cells: Collection[Situation], visited: Collection[Situation]) -> str:
    return f"{sum(cell in visited for cell in cells)}/{len(cells)}" if cells else "-"


def _draw_row(name: str, values: Collection[str]) -> str:
    return f"{name:22}" + "".join(f"{value:>12}" for value in values)
