"""Files behind sftp://, ftp:// and http:// addresses, against real servers; what they do on bad days; SFTP as an output."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Killed, Project, files_with, stop_at
from test_cloud import meanwhile

from qpipe.core import effects
from tests.servers import absent, folder

KINDS = ("sftp", "ftp", "web")
pytestmark = pytest.mark.servers("addresses")
WORD = "pa55-word"

SPEC = """
    name: far
    sources: {orders: {path: "URL/in/NAME", schema: {id: int}, storage: STORE}}
    outputs: {out: {path: out/, format: csv}}
    settings: {batch_size: 2, workers: 1}
"""


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield from started(request.param)


@pytest.fixture(scope="module")
def sftp() -> Iterator[Any]:
    yield from started("sftp")


def started(kind: str) -> Iterator[Any]:
    module = importlib.import_module(f"tests.servers.{kind}")
    if how := module.missing():
        absent(kind, how)
    with folder(kind) as place, module.durable(place) as server:
        yield server


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTP_PASSWORD", WORD)
    monkeypatch.setenv("WEB_PASSWORD", WORD)


def spec(server: Any, name: str, **changes: str) -> str:
    text = SPEC.replace("URL", server.url).replace("NAME", name).replace("STORE", server.storage)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def give(server: Any, name: str, content: bytes) -> None:
    path = server.folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def ids(project: Project) -> list[int]:
    parts = (project.folder / "out").glob("[!.]*.csv")
    return sorted(int(line.partition(",")[0]) for part in parts for line in part.read_text().split()[1:])


def test_a_file_a_pattern_a_folder(server: Any, tmp_path: Path) -> None:
    give(server, "several/a.csv", b"id\n1\n2\n3\n")
    give(server, "several/b.csv", b"id\n4\n")
    give(server, "several/c.txt", b"other\n")
    give(server, "whole/a b.csv", b"id\n5\n")
    for name, found in (("several/a.csv", [1, 2, 3]), ("several/*.csv", [1, 2, 3, 4]), ("whole/", [5])):
        project = Project(tmp_path / name.replace("/", "-").replace("*", "all"), spec(server, name))
        outcome = project.run()
        assert outcome.state == "done", outcome
        assert ids(project) == found
        assert files_with(project.folder, WORD) == []


def test_packed_and_columnar_files(server: Any, tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": range(10_000), "text": ["x" * 50] * 10_000})
    (server.folder / "in").mkdir(exist_ok=True)
    frame.write_parquet(server.folder / "in/p.parquet", row_group_size=1000)
    frame.write_csv(server.folder / "in/p.csv.gz", compression="gzip")
    frame.write_csv(server.folder / "in/p.csv")
    for name in ("p.parquet", "p.csv.gz", "p.csv"):
        project = Project(
            tmp_path / name, spec(server, name, **{"batch_size: 2": "batch_size: 3000", "format: csv": "format: parquet"})
        )
        outcome = project.run()
        assert outcome.state == "done", (name, outcome)
        made = pl.read_parquet(sorted((project.folder / "out").glob("*.parquet")))
        assert made["id"].to_list() == list(range(10_000)), name


def test_what_arrives_is_read_once(server: Any, tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        spec(server, "new/*.csv", **{"storage:": "only_new: true, storage:", "format: csv": "format: csv, mode: append"}),
    )
    for name, content, rows in (("a", b"id\n1\n", 1), ("b", b"id\n2\n", 2), ("c", b"id\n1\n", 2)):
        give(server, f"new/{name}.csv", content)
        assert project.run().state == "done"
        assert len(ids(project)) == rows


def test_refusals_tell_the_place_and_no_secret(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Project(tmp_path / "absent", spec(server, "absent.csv")).run()
    assert outcome.exit_code == 69 and "/in/absent.csv" in outcome.message, outcome
    give(server, "there.csv", b"id\n1\n")
    away = spec(server, "there.csv").replace(server.url.split(":")[2].split("/")[0], "1")
    outcome = Project(tmp_path / "away", away).run()
    assert outcome.exit_code == 69 and "127.0.0.1:1" in outcome.message, outcome
    for name in ("FTP_PASSWORD", "WEB_PASSWORD"):
        monkeypatch.setenv(name, "wr0ng-word")
    no_key = "password: '${env:FTP_PASSWORD}', look_for_keys: false, allow_agent: false,"
    wrong = spec(server, "there.csv").replace(f"key_filename: {getattr(server, 'key', '')},", no_key)
    outcome = Project(tmp_path / "wrong", wrong).run()
    assert outcome.exit_code == 77 and "127.0.0.1" in outcome.message and "wr0ng" not in str(outcome), outcome
    assert files_with(tmp_path, "wr0ng") == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_server_that_is_killed_in_the_middle(server: Any, tmp_path: Path, comes_back: bool) -> None:
    count = 800_000  # more than is read ahead
    give(server, "long.csv", b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"x" * 200) for n in range(count)))
    retry = ", retry: {max_retries: 99, initial_delay: 0.3, backoff: constant}" if comes_back else ""
    project = Project(tmp_path, spec(server, "long.csv", **{"batch_size: 2": f"buffer_size: 3, batch_size: 20000{retry}"}))
    killed: list[str] = []
    back = threading.Timer(1.0, server.start)

    def listener(name: str) -> None:
        if name == "journal.commit.batch.after" and not killed:
            killed.append(name)
            server.kill()
            if comes_back:
                back.start()

    with effects.listening(listener):
        outcome = project.run()
    assert killed, outcome
    if comes_back:
        back.join()
        assert [event for event in project.events if event.name == "run.retrying"], "the kill was not noticed"
    if not comes_back:
        assert outcome.exit_code == 69 and "/in/long.csv" in outcome.message and "resume" in outcome.hint, outcome
        server.start()
        outcome = project.resume()
    assert outcome.state == "done", outcome
    assert ids(project) == list(range(count))


# ── SFTP: whom it trusts, and as an output ────────────────────────────────────────────────────────────────────────────


def test_a_server_that_is_not_known_is_not_trusted(sftp: Any, tmp_path: Path) -> None:
    give(sftp, "a.csv", b"id\n1\n")
    for name, line in (("not known", ""), ("another one", sftp.known.read_text().replace("ed25519", "ed25519 AAAA"))):
        (tmp_path / "known").write_text(_other_key(line) if line else "")
        outcome = Project(tmp_path / name, spec(sftp, "a.csv").replace(str(sftp.known), str(tmp_path / "known"))).run()
        assert outcome.exit_code == 77 and name in outcome.message and "ssh-keyscan" in outcome.hint, outcome


def _other_key(line: str) -> str:
    import paramiko

    key = paramiko.RSAKey.generate(2048)
    return f"{line.split()[0]} ssh-rsa {key.get_base64()}\n"


def output(server: Any, name: str) -> str:
    return f"""
        name: far
        sources: {{orders: {{path: in.csv, schema: {{id: int}}}}}}
        outputs: {{out: {{path: "{server.url}/{name}", format: csv, storage: {server.storage}}}}}
        settings: {{batch_size: 2, workers: 1}}
    """


def sent(server: Any, name: str) -> list[int]:
    files = [server.folder / name] if (server.folder / name).is_file() else (server.folder / name).glob("[!.]*.csv")
    return sorted(int(line) for file in files for line in file.read_text().split()[1:])


@pytest.mark.parametrize("name", ["all/", "one.csv"])
def test_stopped_at_every_effect_of_publishing_over_sftp(sftp: Any, tmp_path: Path, name: str) -> None:
    rows = {"in.csv": "id\n" + "".join(f"{n}\n" for n in range(5))}
    seen: list[str] = []
    with effects.listening(seen.append):
        assert Project(tmp_path / "whole", output(sftp, f"whole-{name}"), rows).run().state == "done"
    assert sent(sftp, f"whole-{name}") == [0, 1, 2, 3, 4]
    stops = [n for n, effect in enumerate(seen) if effect.startswith(("output.publish", "journal.commit"))]
    assert any("upload" in seen[n] for n in stops) and any("rename" in seen[n] for n in stops)
    for n in [n for n in stops if "publish" in seen[n]]:
        project = Project(tmp_path / f"stop-{n}", output(sftp, f"stop-{n}-{name}"), rows)
        with effects.listening(stop_at(n)[0]), pytest.raises(Killed):
            project.run()
        if project.journal.run()["state"] != "done":
            assert project.resume().state == "done", seen[n]
        assert sent(sftp, f"stop-{n}-{name}") == [0, 1, 2, 3, 4], seen[n]


def test_a_full_disk_and_a_forbidden_folder_of_sftp(sftp: Any, tmp_path: Path) -> None:
    import subprocess

    from disks import mount, remount

    rows = {"in.csv": "id\n" + "".join(f"{n:08d}\n" for n in range(200_000))}
    disk = sftp.folder / "small"
    disk.mkdir()
    mount(disk, "size=1m")
    try:
        project = Project(tmp_path, output(sftp, "small/out/").replace("batch_size: 2", "batch_size: 50000"), rows)
        outcome = project.run()
        assert outcome.exit_code in (69, 73) and "small/out" in outcome.message and "resume" in outcome.hint, outcome
        assert len(sent(sftp, "small/out")) % 50_000 == 0  # parts that are there are whole
        remount(disk, "size=16m")
        assert project.resume().state == "done"
        assert sent(sftp, "small/out") == list(range(200_000))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ── stores beside S3 ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["gcs", "azure"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, Any]]:
    """(address of a container, storage, its file system)"""
    import fsspec

    module = importlib.import_module(f"tests.servers.{request.param}")
    if how := module.missing():
        absent(request.param, how)
    with folder(request.param) as place, module.start(place) as address:
        monkeypatch.setenv("STORE_SECRET", address)
        if request.param == "gcs":
            monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
            system = fsspec.filesystem("gs", endpoint_url=address, token="anon", skip_instance_cache=True)
            yield "gs://shop", f'{{endpoint_url: "{address}", token: anon}}', system
        else:
            yield "az://shop", '{connection_string: "${env:STORE_SECRET}"}', fsspec.filesystem("az", connection_string=address)


def test_another_store_in_and_out(store: tuple[str, str, Any], tmp_path: Path) -> None:
    url, storage, system = store
    system.pipe_file("shop/in/a.csv", b"id\n1\n2\n3\n")
    system.pipe_file("shop/in/b.csv", b"id\n4\n5\n")

    def project(name: str) -> Project:
        return Project(tmp_path / name, f"""
            sources: {{orders: {{path: "{url}/in/*.csv", schema: {{id: int}}, storage: {storage}}}}}
            outputs: {{out: {{path: "{url}/{name}/", format: parquet, storage: {storage}}}}}
            settings: {{batch_size: 2, workers: 1}}
        """)  # fmt: skip

    def rows(name: str) -> list[int]:
        system.invalidate_cache()
        files = [file for file in system.find(f"shop/{name}") if file.endswith(".parquet")]
        return sorted(n for file in files for n in pl.read_parquet(system.cat_file(file))["id"])

    seen: list[str] = []
    with effects.listening(seen.append):
        outcome = project("whole").run()
    assert outcome.state == "done", outcome
    assert rows("whole") == [1, 2, 3, 4, 5]
    for n in [n for n, name in enumerate(seen) if name.startswith("output.publish")]:
        stopped = project(f"stop-{n}")
        with effects.listening(stop_at(n)[0]), pytest.raises(Killed):
            stopped.run()
        if stopped.journal.run()["state"] != "done":
            assert stopped.resume().state == "done", seen[n]
        assert rows(f"stop-{n}") == [1, 2, 3, 4, 5], seen[n]
    assert files_with(tmp_path, "Eby8vdM02xNOcqFlqUwJPLlmEtl") == []
    absent = Project(tmp_path / "absent", project("x").spec.read_text().replace("/in/*.csv", "/in/absent.csv"))
    outcome = absent.run()
    assert outcome.exit_code == 69 and "in/absent.csv" in outcome.message, outcome


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize("path, effect", [("one.csv", "output.publish.upload"), ("all/", "output.publish.manifest")])
def test_two_writers_of_one_object_are_noticed(
    store: tuple[str, str, Any], tmp_path: Path, path: str, effect: str, mode: str
) -> None:
    """As in S3: the second to come is refused, or adds to what the first has written. A stop is no other writer."""
    url, storage, system = store

    def writer(name: str, ids: Sequence[int]) -> Project:
        return Project(tmp_path / name, f"""
            sources: {{orders: {{path: in.csv, schema: {{id: int}}}}}}
            outputs: {{out: {{path: "{url}/{path}", format: csv, mode: {mode}, storage: {storage}}}}}
        """, {"in.csv": "id\n" + "".join(f"{n}\n" for n in ids)})  # fmt: skip

    def written() -> list[int]:
        system.invalidate_cache()
        bodies = [system.cat_file(name) for name in system.find("shop") if name.endswith(".csv")]
        return sorted(int(line) for body in bodies for line in body.decode().split()[1:])

    seen: list[str] = []
    with effects.listening(seen.append):
        assert writer("before", [1]).run().state == "done"
    first, second = writer("first", [2]), writer("second", [3])
    with effects.listening(meanwhile(effect, lambda: second.run())):
        outcome = first.run()
    assert second.journal.run()["state"] == "done"
    both = (path, mode) == ("all/", "append")
    if both:
        assert outcome.state == "done", outcome
    else:
        assert (outcome.state, outcome.exit_code) == ("failed", 73) and "another run" in outcome.message, outcome
    there = ([1, 2, 3] if both else [1, 3]) if mode == "append" else [3]
    assert written() == there
    for n in [n for n, name in enumerate(seen) if name.startswith("output.publish")]:
        stopped = writer(f"stop-{n}", [n + 10])
        with effects.listening(stop_at(n)[0]), pytest.raises(Killed):
            stopped.run()
        assert stopped.resume().state == "done", seen[n]
        there = [*there, n + 10] if mode == "append" else [n + 10]
        assert written() == there, seen[n]


@pytest.mark.parametrize("store", ["gcs"], indirect=True)
def test_an_object_that_is_sent_in_parts_covers_no_other_writers(store: tuple[str, str, Any], tmp_path: Path) -> None:
    url, storage, system = store
    spec = f"""
        sources: {{orders: {{path: in.csv, schema: {{id: int}}}}}}
        outputs: {{out: {{path: "{url}/long.csv", format: csv, storage: {storage}}}}}
    """
    text = "id\n" + "".join(f"{n}\n" for n in range(1_000_000))  # more than gcsfs sends at once
    project = Project(tmp_path / "long", spec, {"in.csv": text})
    change = meanwhile("output.publish.upload", lambda: system.pipe_file("shop/long.csv", b"id\n7\n"))
    with effects.listening(change):
        outcome = project.run()
    assert (outcome.state, outcome.exit_code) == ("failed", 73) and "another run" in outcome.message, outcome
    assert system.cat_file("shop/long.csv") == b"id\n7\n"
    again = Project(tmp_path / "again", spec, {"in.csv": text})
    assert again.run().state == "done"
    assert system.cat_file("shop/long.csv").decode() == text
