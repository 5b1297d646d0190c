"""PostgreSQL to Parquet and back, beside hand-written COPY and ADBC: ``python -m benchmarks.databases [--rows 1000000]``.

Starts a server of its own on loopback. Each measure is a process of its own, in turn; a table is loaded where there is none.
CPU is that of the client, wall is what a person waits. What counts is qpipe to the fastest path by hand: the median of the
paired ratios.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.__main__ import Measured, generate, run
from tests.servers import folder, postgres

REPEAT = 3

READ = {
    "adbc": """
        import sys, adbc_driver_postgresql.dbapi as adbc, pyarrow.parquet as pq
        with adbc.connect(sys.argv[1]) as db, db.cursor() as cursor:
            cursor.execute("select * from orders")
            reader = cursor.fetch_record_batch()
            with pq.ParquetWriter(sys.argv[2], reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)
        """,
    "copy": """
        import sys, io, psycopg, polars as pl
        with psycopg.connect(sys.argv[1]) as db, db.cursor().copy("copy orders to stdout (format csv)") as copy:
            data = b"".join(bytes(line) for line in copy)
        pl.read_csv(io.BytesIO(data), has_header=False).write_parquet(sys.argv[2])
        """,
}
WRITE = {
    "adbc": """
        import sys, adbc_driver_postgresql.dbapi as adbc, polars as pl
        with adbc.connect(sys.argv[1]) as db, db.cursor() as cursor:
            cursor.adbc_ingest("loaded", pl.read_parquet(sys.argv[2]).to_arrow(), mode="replace")
            db.commit()
        """,
    "copy": """
        import sys, io, psycopg, polars as pl
        frame = pl.read_parquet(sys.argv[2])
        kinds = {"Int64": "bigint", "Float64": "double precision", "Date": "date", "String": "text"}
        columns = ", ".join(f"{name} {kinds[str(dtype)]}" for name, dtype in frame.schema.items())
        with psycopg.connect(sys.argv[1]) as db:
            db.execute(f"create table loaded ({columns})")
            with db.cursor().copy("copy loaded from stdin (format csv)") as copy:
                for part in frame.iter_slices(100_000):
                    copy.write(part.write_csv(include_header=False).encode())
        """,
}
TABLE = "{type: database, url: 'URL', table: TABLE, WITH}"
SPECS = {  # sources and outputs
    "read": (TABLE.replace("TABLE", "orders").replace("WITH", "key: [order_id]"), "{path: out.parquet}"),
    "write": ("{path: 'FILE'}", TABLE.replace("TABLE", "loaded").replace("WITH", "mode: replace")),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.databases", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--only", choices=["read", "write"])
    asked = parser.parse_args()
    generate(asked.rows, asked.data)
    file = (asked.data / f"orders_{asked.rows}.parquet").resolve()
    if how := postgres.missing():
        sys.exit(f"no PostgreSQL here: {how}")
    with folder("postgres") as place, postgres.start(place) as url, tempfile.TemporaryDirectory() as work:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(WRITE["adbc"].replace("loaded", "orders")), url, str(file)], check=True
        )
        keyed(url)
        for kind, others in (("read", READ), ("write", WRITE)):
            if asked.only not in (None, kind):
                continue
            spec = Path(work) / f"{kind}.yaml"
            given, wanted = (text.replace("URL", url).replace("FILE", str(file)) for text in SPECS[kind])
            spec.write_text(f"version: 1\nname: {kind}\nsources: {{o: {given}}}\noutputs: {{c: {wanted}}}\n")
            target = str(Path(work) / "hand.parquet") if kind == "read" else str(file)
            commands = {"qpipe": [sys.executable, "-m", "qpipe", "run", str(spec), "--quiet"]}
            commands |= {name: [sys.executable, "-c", textwrap.dedent(code), url, target] for name, code in others.items()}
            print(f"\nPostgreSQL {kind}, {asked.rows:,} rows")
            seen: dict[str, list[Measured]] = {name: [] for name in commands}
            for _ in range(REPEAT):
                for name, command in commands.items():
                    emptied(url)
                    seen[name].append(run(command))
            for name, found in seen.items():
                best = min(found, key=lambda measured: measured.wall)
                print(f"  {name:8} wall {best.wall:7.2f} s   cpu {best.cpu:7.2f} s   {best.memory:6.0f} MiB")
            _tell(seen)


def _tell(seen: Mapping[str, Sequence[Measured]]) -> None:
    fastest = min((name for name in seen if name != "qpipe"), key=lambda name: statistics.median(m.wall for m in seen[name]))
    pairs = list(zip(seen["qpipe"], seen[fastest], strict=True))
    wall, cpu = (
        statistics.median(ratios) for ratios in zip(*((a.wall / b.wall, a.cpu / b.cpu) for a, b in pairs), strict=True)
    )
    print(f"  qpipe / {fastest}: wall {wall:.2f}   cpu {cpu:.2f}")


def emptied(url: str) -> None:
    """The table that is loaded is not there, and what the last one left to write is written."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        db.execute("drop table if exists loaded")
        db.execute("checkpoint")


def keyed(url: str) -> None:
    """The table with a key, as tables have one: orders that are there twice lose one."""
    import psycopg

    with psycopg.connect(url) as db:
        db.execute("create table one as select distinct on (order_id) * from orders order by order_id")
        db.execute("drop table orders")
        db.execute("alter table one rename to orders")
        db.execute("alter table orders add primary key (order_id)")
        db.execute("analyze orders")


if __name__ == "__main__":
    main()
