"""Parquet in S3 beside the same file here, an API's pages beside bare httpx: ``python -m benchmarks.remote [--rows 1000000]``.

Starts servers of its own on loopback. Each measure is a process of its own, in turn; the median of the paired ratios is what
counts. S3 is SeaweedFS. What the server and the way to it cost anybody is told by Polars' own scan of both files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.__main__ import Measured, generate, run
from tests.servers import folder, free_port, listens, seaweed, until

REPEAT = 3
PAGE = 500  # records
REST_SPEC = """
sources:
  o: {{type: rest, url: '{url}/items', pagination: {{type: page, size: {page}}}, concurrency: {concurrency},
      schema: {{id: int, customer: int, amount: float, country: string, note: string}}}}
outputs: {{c: {{path: out.parquet}}}}
"""
POLARS = """
import sys, polars as pl
path, endpoint, *columns = sys.argv[1:]
storage = {"aws_endpoint_url": endpoint, "aws_allow_http": "true"} if "://" in path else None
pl.scan_parquet(path, storage_options=storage).select(columns or pl.all()).sink_parquet("polars.parquet")
"""
TWO = ("order_id", "amount")
BARE = {
    1: """
        import sys, httpx2, polars as pl
        url, pages, found = sys.argv[1], int(sys.argv[2]), []
        with httpx2.Client() as client:
            for page in range(1, pages + 1):
                found.append(pl.DataFrame(client.get(url, params={"page": page, "per_page": PAGE}).json()))
        pl.concat(found).write_parquet("bare.parquet")
        """,
    4: """
        import sys, httpx2, polars as pl
        from concurrent.futures import ThreadPoolExecutor
        url, pages = sys.argv[1], int(sys.argv[2])
        with httpx2.Client() as client, ThreadPoolExecutor(4) as pool:
            def ask(page):
                return pl.DataFrame(client.get(url, params={"page": page, "per_page": PAGE}).json())
            pl.concat(pool.map(ask, range(1, pages + 1))).write_parquet("bare.parquet")
        """,
}
SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
PAGE, pages = int(sys.argv[2]), int(sys.argv[3])
def row(n):
    return {"id": n, "customer": n * 7919 % 50_000, "amount": n % 10_000 / 100, "country": ("DE", "FR")[n % 2], "note": f"n{n}"}

bodies = [json.dumps([row(n) for n in range(at * PAGE, (at + 1) * PAGE)]).encode() for at in range(pages)] + [b"[]"]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = bodies[min(int(parse_qs(urlsplit(self.path).query)["page"][0]) - 1, pages)]
        head = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body)
        self.wfile.write(head + body)
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=1_000)
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--only", nargs="*", default=["s3", "rest"])
    asked = parser.parse_args()
    if "s3" in asked.only:
        generate(asked.rows, asked.data)
        over_s3((asked.data / f"orders_{asked.rows}.parquet").resolve(), asked.rows)
    if "rest" in asked.only:
        over_http(asked.pages)


def over_s3(file: Path, rows: int) -> None:
    """All columns, and two of them, from S3 and from here, by qpipe and by Polars alone."""
    if how := seaweed.missing():
        print(f"no S3 here: {how}")
        return
    os.environ |= {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "word", "AWS_DEFAULT_REGION": "us-east-1"}
    with folder("seaweed") as place, seaweed.start(place) as url:
        import boto3

        client = boto3.client("s3", endpoint_url=url)
        client.create_bucket(Bucket="bench")
        client.upload_file(str(file), "bench", "orders.parquet")
        paths = {"S3": "s3://bench/orders.parquet", "here": str(file)}
        for name, columns in (("all columns", ()), ("two columns", TWO)):
            commands = {f"qpipe, {where}": _qpipe(_spec(path, columns, url)) for where, path in paths.items()}
            commands |= {f"Polars, {where}": _polars(path, columns, url) for where, path in paths.items()}
            seen = compare(commands)
            print(f"\nParquet, {rows:,} rows, {name}")
            _tell(seen, rows, "rows")
            for who in ("qpipe", "Polars"):
                print(f"  {who}, S3 / here: wall {_ratio(seen, f'{who}, S3', f'{who}, here'):.2f}")


def _spec(path: str, columns: Sequence[str], endpoint: str) -> str:
    take = f"take: [{', '.join(columns)}], " if columns else ""
    storage = f"storage: {{endpoint_url: '{endpoint}'}}" if "://" in path else ""
    return f"sources: {{o: {{path: '{path}', {take}{storage}}}}}\noutputs: {{c: {{path: out.parquet}}}}\n"


def _polars(path: str, columns: Sequence[str], endpoint: str) -> Callable[[Path], list[str]]:
    return lambda _: [sys.executable, "-c", POLARS, path, endpoint, *columns]


def over_http(pages: int) -> None:
    """Pages one by one, and four at a time."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port), str(PAGE), str(pages)])
    try:
        until(lambda: listens(port))
        url = f"http://127.0.0.1:{port}"
        for concurrency, bare in BARE.items():
            spec = REST_SPEC.format(url=url, page=PAGE, concurrency=concurrency)
            code = textwrap.dedent(bare).replace("PAGE", str(PAGE))

            def by_hand(_: Path, code: str = code) -> list[str]:
                return [sys.executable, "-c", code, f"{url}/items", str(pages)]

            seen = compare({"qpipe": _qpipe(spec), "bare": by_hand})
            print(f"\nREST, {pages:,} pages of {PAGE} records, {concurrency} at a time")
            _tell(seen, pages, "pages")
            print(f"  qpipe / bare: wall {_ratio(seen, 'qpipe', 'bare'):.2f}")
    finally:
        server.kill()
        server.wait()


def compare(commands: Mapping[str, Callable[[Path], list[str]]]) -> dict[str, list[Measured]]:
    """Every command in turn, each time in a folder of its own."""
    seen: dict[str, list[Measured]] = {name: [] for name in commands}
    before = Path.cwd()
    for _ in range(REPEAT):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory() as work:
                line = command(Path(work))
                os.environ["PYTHONPATH"] = str(before)
                os.chdir(work)
                try:
                    seen[name].append(run(line))
                finally:
                    os.chdir(before)
    return seen


def _qpipe(spec: str) -> Callable[[Path], list[str]]:
    def command(work: Path) -> list[str]:
        (work / "spec.yaml").write_text(f"version: 1\nname: bench\n{spec}")
        return [sys.executable, "-m", "qpipe", "run", str(work / "spec.yaml"), "--quiet"]

    return command


def _ratio(seen: Mapping[str, list[Measured]], one: str, other: str) -> float:
    return statistics.median(a.wall / b.wall for a, b in zip(seen[one], seen[other], strict=True))


def _tell(seen: Mapping[str, list[Measured]], count: int, what: str) -> None:
    for name, found in seen.items():
        best = min(found, key=lambda measured: measured.wall)
        print(f"  {name:13} wall {best.wall:6.2f} s   cpu {best.cpu:6.2f} s   {best.memory:5.0f} MiB   "
              f"{count / best.wall:11,.0f} {what}/s")  # fmt: skip


if __name__ == "__main__":
    main()
