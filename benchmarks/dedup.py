"""How well records are linked without labels: ``python -m benchmarks.dedup DIR``, a folder with the sets below.

Pair F1: of all pairs of records, those that were linked against those that the truth links. One default for all sets: the
columns that are identifiers or hold the truth are left out, nothing else is said. Each set that DIR has is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

LEAST = 0.5


@dataclass(frozen=True)
class Set:
    """Records, which belong together, and, for two tables, how many are of the first."""

    records: pl.DataFrame
    pairs: set[tuple[int, int]]
    first: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dedup", description=__doc__)
    parser.add_argument("dir", type=Path, help="the folder with the data")
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    print(f"{'set':24}{'records':>9}{'truth':>9}{'found':>9}{'precision':>11}{'recall':>8}{'F1':>8}{'seconds':>9}")
    for name, read in SETS.items():
        if asked.only and name not in asked.only:
            continue
        try:
            given = read(asked.dir)
        except FileNotFoundError:
            continue
        started = time.perf_counter()
        found = linked(given)
        seconds = time.perf_counter() - started
        both = len(found & given.pairs)
        precision, recall = both / max(1, len(found)), both / max(1, len(given.pairs))
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        print(
            f"{name:24}{given.records.height:9,}{len(given.pairs):9,}{len(found):9,}{precision:11.3f}{recall:8.3f}{f1:8.3f}{seconds:9.1f}"
        )


def linked(given: Set) -> set[tuple[int, int]]:
    from qpipe.analysis.linkage import best, entities, link

    found = link(given.records, given.first)
    if given.first is None:
        return pairs_of(entities(found, given.records.height, LEAST))
    one, other, _ = best(found, LEAST)
    return set(zip(one.tolist(), other.tolist(), strict=True))


def pairs_of(groups: Iterable[object]) -> set[tuple[int, int]]:
    """Every two rows of one group."""
    frame = pl.DataFrame({"g": [str(g) for g in groups]}).with_row_index("one")
    met = frame.join(frame.rename({"one": "other"}), on="g").filter(pl.col("one") < pl.col("other"))
    return set(met.select("one", "other").rows())


def febrl(number: int) -> Callable[[Path], Set]:
    def read(folder: Path) -> Set:
        frame = pl.read_csv(folder / "febrl" / f"dataset{number}.csv", infer_schema=False)
        frame = frame.rename({c: c.strip() for c in frame.columns}).select(pl.all().str.strip_chars())
        return Set(frame.drop("rec_id"), pairs_of(frame["rec_id"].str.extract(r"rec-(\d+)")))

    return read


def fake(folder: Path) -> Set:
    frame = pl.read_csv(folder / "splink" / "fake_1000.csv", infer_schema=False)
    return Set(frame.drop("unique_id", "cluster"), pairs_of(frame["cluster"]))


def persons(folder: Path) -> Set:
    (path,) = list((folder / "splink").glob("historical_figures*")) or [folder / "absent"]
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    return Set(frame.drop("unique_id", "cluster"), pairs_of(frame["cluster"]))


def restaurant(folder: Path) -> Set:
    frame = pl.read_csv(folder / "dedupe_restaurant" / "restaurant-nophone-training.csv", infer_schema=False)
    frame = frame.select(pl.all().str.strip_chars(" \"'"))
    return Set(frame.drop("unique_id"), pairs_of(frame["unique_id"]))


def two(one: Path, other: Path, truth: Path, key: str, names: tuple[str, str], separator: str = ",") -> Set:
    left, right = (pl.read_csv(path, infer_schema=False, separator=separator) for path in (one, other))
    right = right.rename(dict(zip(right.columns, left.columns, strict=True)))
    links = pl.read_csv(truth, infer_schema=False, separator=separator).rows()
    place = {id: n for n, id in enumerate(left[key])}, {id: n + left.height for n, id in enumerate(right[key])}
    pairs = {(place[0][a], place[1][b]) for a, b in links if a in place[0] and b in place[1]}
    return Set(pl.concat([left, right]).drop(key), pairs, left.height)


def zagats(folder: Path) -> Set:
    place = folder / "magellan_restaurants"
    return two(place / "fodors.csv", place / "zagats.csv", place / "matches_fodors_zagats.csv", "id", ("", ""))


def jedai(folder: Path) -> Set:
    place = folder / "jedai_D1"
    return two(place / "rest1.csv", place / "rest2.csv", place / "gt.csv", "id", ("", ""), "|")


SETS: dict[str, Callable[[Path], Set]] = {
    **{f"febrl {n}": febrl(n) for n in (1, 2, 3)},
    "fake_1000": fake, "historical_figures": persons, "restaurant": restaurant, "fodors/zagats": zagats, "jedai D1": jedai,
}  # fmt: skip


if __name__ == "__main__":
    main()
