"""No connector gives a secret away: every kind of one is run well and badly, and everything it leaves behind is searched.

Searched are all files of the project (the journal with its write-ahead log while it runs, reports, spools, outputs), what the
commands print, also with --debug, and the command lines of all processes that are started.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus, urlencode, urlsplit

import pytest

from tests.servers import fixture
from tests.servers.api import Api, Request, Reset

postgres, mariadb, redis, nats, kafka, s3 = (fixture(name) for name in ("postgres", "mariadb", "redis", "nats", "kafka", "s3"))
pytestmark = pytest.mark.servers("databases apart")

WORD = "Zq7x+w0rd/&?=\"x'y"  # with what encodings change
SERVERS = "pa55-word"  # of the servers that tests start
RUN = ["--debug", "run", "spec.yaml", "--no-ask"]
REPORTS = [["report", "latest", "-f", kind, "-o", f"report.{kind}"] for kind in ("html", "json", "md")]
LOOK, CHECK = ["show", "latest"], ["sources", "check", "spec.yaml"]
EVERY = [["validate", "spec.yaml"], ["explain", "spec.yaml"], CHECK, RUN, ["resume", "latest"], LOOK, ["runs", "--json"],
         ["health"], *REPORTS]  # fmt: skip
DRIVER = """
import json, os, sys
from pathlib import Path
from qpipe.cli import main
for folder, commands in json.load(open("cases.json")).items():
    os.chdir(folder)
    codes = {}
    for words in commands:
        print(folder, "$", *words, flush=True)
        sys.argv[1:] = words
        try:
            main()
        except SystemExit as exit:
            codes[" ".join(words)] = exit.code
        except BaseException:
            import traceback
            traceback.print_exc()
            codes[" ".join(words)] = "traceback"
    Path("codes.json").write_text(json.dumps(codes))
    os.chdir("..")
"""


@dataclass
class Case:
    """A spec and what becomes of it."""

    spec: str
    done: bool  # whether the run ends well; otherwise with a word
    files: Mapping[str, str] = field(default_factory=dict)


FILE = "orders: {path: orders.csv, schema: {id: int}}"
ROWS = "id\n" + "".join(f"{n}\n" for n in range(40))


def whole(source: str = FILE, output: str = "all: {path: out/, format: csv}", modules: str = "[]") -> str:
    return f"name: it\nsources: {{{source}}}\nmodules: {modules}\noutputs: {{{output}}}\nsettings: {{batch_size: 1000}}\n"


def search(folder: Path, cases: Mapping[str, Case], env: Mapping[str, str], words: list[str]) -> None:
    """Run all cases in one process of their own, then look for the secrets wherever they must not be."""
    for name, case in cases.items():
        for file, text in {"spec.yaml": case.spec, "orders.csv": ROWS, **case.files}.items():
            (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / file).write_text(text)
    first = {case.done: name for name, case in reversed(cases.items())}  # one that ends well and one that does not: at length
    commands = {first[False]: [CHECK, RUN, LOOK, *REPORTS], first[True]: EVERY}
    (folder / "cases.json").write_text(json.dumps({name: commands.get(name, [RUN, LOOK]) for name in cases}))
    forms = {form.encode() for word in words for form in forms_of(word)}
    given = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "NO_COLOR": "1", "COLUMNS": "1000", **env}
    given.pop("QPIPE_HOME", None)
    with (folder / "printed").open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER], cwd=folder, env=given, stdout=printed, stderr=subprocess.STDOUT
        )
        seen: set[str] = set()
        searched: dict[Path, tuple[int, int]] = {}
        while process.poll() is None:
            seen |= set(found(folder, forms, searched)) | set(command_lines(process.pid, forms))
            time.sleep(0.1)
    leaks = sorted(seen | set(found(folder, forms)))
    assert not leaks, "\n".join(leaks[:20])
    codes = {name: json.loads((folder / name / "codes.json").read_text()) for name in cases}
    ends = {name: code[" ".join(RUN)] for name, code in codes.items()}
    assert {name: end == 0 for name, end in ends.items()} == {name: case.done for name, case in cases.items()}, ends
    defects = {name: code for name, code in codes.items() if {1, "traceback"} & set(code.values())}
    assert not defects, defects


def forms_of(word: str) -> Iterator[str]:
    """How a text may be written."""
    yield from (word, quote(word, safe=""), quote(word), quote_plus(word), json.dumps(word)[1:-1], repr(word)[1:-1])
    yield json.dumps(word, ensure_ascii=False)[1:-1]
    yield from re.findall(r"\w{4,}", word) if word == WORD else ()  # a part is too much
    for before in ("", "a:", "ab:", "abc:"):  # as the end of a text in base64: all but its edges
        coded = base64.b64encode((before + word).encode()).decode()
        yield coded[4 * (len(before) // 3 + 1) : -4]


def found(folder: Path, forms: set[bytes], searched: dict[Path, tuple[int, int]] | None = None) -> Iterator[str]:
    """Places in files. Secrets are given in ``secrets/``, and nowhere else.

    ``searched``: while runs go on, in what they keep, and only in what has changed since it was searched.
    """
    for file in (Path(place, name) for place, _, names in os.walk(folder) for name in names):  # a folder may go meanwhile
        if "secrets" in file.parts or (searched is not None and ".qpipe" not in file.parts):
            continue
        try:
            about = file.stat()
            if searched is not None and searched.get(file) == (about.st_mtime_ns, about.st_size):
                continue
            content = file.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        except OSError:
            continue  # gone meanwhile
        if searched is not None:
            searched[file] = (about.st_mtime_ns, about.st_size)
        for form in forms:
            if (at := content.find(form)) >= 0:
                yield f"{file.relative_to(folder)}: …{content[max(0, at - 150) : at + 60]!r}"


def command_lines(pid: int, forms: set[bytes]) -> Iterator[str]:
    """Of a process and those below it."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {pid}
    for _ in range(4):
        family |= {child for child, parent in parents.items() if parent in family}
    for each in family:
        try:
            line = Path(f"/proc/{each}/cmdline").read_bytes()
        except OSError:
            continue
        if any(form in line for form in forms):
            yield f"command line of process {each}: {line!r}"


# ── databases ─────────────────────────────────────────────────────────────────────────────────────────────────────────

BREAKS = {  # queries that fail when rows have come already
    "postgresql": "select n as id, 1 / (30000 - n) as x from generate_series(1, 40000) n",
    "mariadb": "select seq as id, if(seq = 30000, (select 1 union select 2), 1) as x from seq_1_to_40000",
}


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_databases(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue(kind)
    scheme, _, rest = url.partition("://")
    credentials, _, host = rest.rpartition("@")
    user, wrong = credentials.split(":")[0], quote(WORD, safe="")
    table = f"t{os.getpid()}"

    def source(url: str, what: str) -> str:
        return f'orders: {{type: database, url: "{url}", {what}}}'

    def output(url: str) -> str:
        return f'all: {{type: database, url: "{url}", table: {table}, mode: append}}'

    fromfile = f"{scheme}://{user}:${{file:secrets/word}}@{host}"
    broken = source("${env:DB}", f'query: "{BREAKS[scheme]}", key: id')
    cast = 'query: "select cast(:word as integer) as id", parameters: {word: "${env:SPARE_PASSWORD}"}'
    seen = cast.replace("cast(:word as integer)", "(:word <> '***')")
    right, bad = {"secrets/word": credentials.split(":")[1]}, {"secrets/word": wrong}
    search(tmp_path, {
        "out": Case(whole(output=output("${env:DB}")), True),
        "in": Case(whole(source(fromfile, f"table: {table}")), True, right),
        "wrong": Case(whole(source(fromfile, f"table: {table}")), False, bad),
        "wrong-out": Case(whole(output=output(fromfile)), False, bad),
        "away": Case(whole(source(f"{scheme}://{user}:${{env:SPARE_PASSWORD}}@127.0.0.1:1/shop", "table: t")), False),
        "host": Case(whole(source(f"{scheme}://{user}:${{env:SPARE_PASSWORD}}@no-such-host.invalid/shop", "table: t")), False),
        "shape": Case(whole(source(f"{scheme}://{user}:${{env:RAW_PASSWORD}}@{host}", "table: t")), False),
        "middle": Case(whole(broken), False),
        "bound": Case(whole(source("${env:DB}", seen)), True),
        "cast": Case(whole(source("${env:DB}", cast)), kind == "mariadb"),
    }, {"DB": url, "SPARE_PASSWORD": wrong, "RAW_PASSWORD": WORD}, [WORD, wrong, SERVERS])  # fmt: skip
    assert next((tmp_path / "bound/out").glob("*.csv")).read_text() in ("id\ntrue\n", "id\n1\n")


# ── streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_redis(redis: str, tmp_path: Path) -> None:
    import redis as driver

    client, host, name = driver.Redis.from_url(redis), redis.rpartition("@")[2], f"secret-{os.getpid()}"
    for n in range(30):
        client.xadd(name, {"data": json.dumps({"id": n})})
    client.set(f"{name}-no-stream", 1)

    def source(url: str, stream: str = name, more: str = "") -> str:
        return f'orders: {{type: redis, url: "{url}", stream: {stream}, json: data, timeout: 2s, {more}}}'

    def output(url: str, stream: str = f"{name}-out") -> str:
        return f'all: {{type: redis, url: "{url}", stream: {stream}, timeout: 2s}}'

    filed, wrong = f"redis://:${{file:secrets/word}}@{host}", quote(WORD, safe="")
    right, bad = {"secrets/word": SERVERS + "\n"}, {"secrets/word": wrong}
    search(tmp_path, {
        "in": Case(whole(source("${env:EVENTS_URL}", more="group: copy")), True),
        "out": Case(whole(output=output(filed)), True, right),
        "wrong": Case(whole(source(filed)), False, bad),
        "wrong-out": Case(whole(output=output(filed)), False, bad),
        "away": Case(whole(source("redis://:${env:SPARE_PASSWORD}@127.0.0.1:1/0")), False),
        "shape": Case(whole(source(f"redis://:${{env:RAW_PASSWORD}}@{host}")), False),
        "port": Case(whole(source("redis://:${env:SPARE_PASSWORD}@127.0.0.1:many/0")), False),
        "middle": Case(whole(source(filed, f"{name}-no-stream")), False, right),
    }, {"EVENTS_URL": redis, "SPARE_PASSWORD": wrong, "RAW_PASSWORD": WORD}, [WORD, wrong, SERVERS])  # fmt: skip


def test_nats(nats: str, tmp_path: Path) -> None:
    import asyncio

    name = f"SECRET{os.getpid()}"

    async def send() -> None:
        import nats as driver

        connection = await driver.connect(nats, token=SERVERS)
        stream = connection.jetstream()
        await stream.add_stream(name=name, subjects=[f"{name}.>"])
        for n in range(30):
            await stream.publish(f"{name}.a", json.dumps({"id": n}).encode())
        await connection.close()

    asyncio.run(send())

    def source(url: str, auth: str, stream: str = name) -> str:
        return f'orders: {{type: nats, servers: "{url}", stream: {stream}, timeout: 2s{auth}}}'

    def output(url: str, auth: str, subject: str = f"{name}.b") -> str:
        return f'all: {{type: nats, servers: "{url}", subject: {subject}, timeout: 2s{auth}}}'

    held, filed = ', auth: {token: "${env:NATS_TOKEN}"}', ', auth: {token: "${file:secrets/word}"}'
    user = ', auth: {user: ann, password: "${file:secrets/word}"}'
    host, right, bad = nats.partition("://")[2], {"secrets/word": SERVERS}, {"secrets/word": WORD}
    search(tmp_path, {
        "in": Case(whole(source(nats, held)), True),
        "out": Case(whole(output=output(nats, filed)), True, right),
        "url": Case(whole(source(f"nats://${{env:NATS_TOKEN}}@{host}", "")), True),
        "wrong": Case(whole(source(nats, filed)), False, bad),
        "wrong-out": Case(whole(output=output(nats, filed)), False, bad),
        "user": Case(whole(source(nats, user)), False, bad),
        "url-wrong": Case(whole(source(f"nats://${{env:SPARE_PASSWORD}}@{host}", "")), False),
        "away": Case(whole(source("nats://127.0.0.1:1", filed)), False, bad),
        "away-url-out": Case(whole(output=output("nats://ann:${env:SPARE_PASSWORD}@127.0.0.1:1", "")), False),
        "shape": Case(whole(source(f"nats://ann:${{env:RAW_PASSWORD}}@{host}", "")), False),
        "middle": Case(whole(source(nats, held, f"{name}-absent")), False),
        "middle-out": Case(whole(output=output(nats, held, "absent.a")), False),
    }, {"NATS_TOKEN": SERVERS, "SPARE_PASSWORD": quote(WORD, safe=""), "RAW_PASSWORD": WORD}, [WORD, SERVERS])  # fmt: skip


def topic(servers: str, name: str, messages: list[bytes]) -> None:
    """A new one, with these messages."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": servers})
    for done in admin.create_topics([NewTopic(name, 1, 1)]).values():
        done.result()
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for message in messages:
        producer.produce(name, message)
    assert producer.flush(10) == 0


def test_kafka(kafka: str, tmp_path: Path) -> None:
    name = f"secret-{os.getpid()}"
    topic(kafka, name, [json.dumps({"id": n}).encode() for n in range(30)])

    def source(servers: str, more: str, topic: str = name) -> str:
        return f'orders: {{type: kafka, servers: "{servers}", topic: {topic}, timeout: 2s, {more}}}'

    def output(servers: str, more: str) -> str:
        return f'all: {{type: kafka, servers: "{servers}", topic: {name}, timeout: 2s, {more}}}'

    unused = 'options: {"ssl.key.password": "${env:KAFKA_PASSWORD}"}'
    plain = 'auth: {mechanism: plain, username: ann, password: "${file:secrets/word}"}'
    scram = plain.replace("plain", "scram-sha-512")
    bearer = ('auth: {mechanism: oauthbearer, token_url: "http://127.0.0.1:1/token", client_id: me, '
              'client_secret: "${env:KAFKA_PASSWORD}"}')  # fmt: skip
    odd = 'options: {"ssl.keystore.password": "${env:KAFKA_PASSWORD}", "socket.timeout.ms": "${env:KAFKA_PASSWORD}"}'
    bad = {"secrets/word": WORD}
    search(tmp_path, {
        "in": Case(whole(source(kafka, unused)), True),
        "out": Case(whole(output=output(kafka, unused)), True),
        "plain": Case(whole(source(kafka, plain)), False, bad),
        "scram-out": Case(whole(output=output(kafka, scram)), False, bad),
        "bearer": Case(whole(source(kafka, bearer)), False),
        "away": Case(whole(source("127.0.0.1:1", plain)), False, bad),
        "odd": Case(whole(source(kafka, odd)), False),
        "absent": Case(whole(source(kafka, unused, "absent")), False),
    }, {"KAFKA_PASSWORD": WORD}, [WORD])  # fmt: skip


def test_a_schema_registry(kafka: str, tmp_path: Path) -> None:
    """One that repeats in its refusals what it was told."""
    from test_schema_registry import FIRST, serialized

    from tests.servers import registry

    name, token = f"registry-{os.getpid()}", quote(WORD, safe="")
    with registry.start(tmp_path) as schemas:
        topic(kafka, name, serialized(schemas, name, FIRST, *[{"n": n, "town": "Ulm"} for n in range(30)]))
        schemas.users = {"ann": WORD}
        well, host = schemas.answer, schemas.url.partition("://")[2]

        def told(request: Request) -> Any:
            status, headers, body = well(request)
            return status, headers, body if status == 200 else {"error_code": status, "message": json.dumps(request.headers)}

        schemas.api.answer = told

        def source(url: str, auth: str = "") -> str:
            given = f'{{url: "{url}"{f", auth: {auth}" if auth else ""}}}'
            return f"orders: {{type: kafka, servers: {kafka}, topic: {name}, format: avro, schema_registry: {given}}}"

        def basic(word: str, name: str = "ann") -> str:
            return f'{{type: basic, username: {name}, password: "{word}"}}'

        search(tmp_path, {
            "in": Case(whole(source(schemas.url, basic("${env:REGISTRY_PASSWORD}"))), True),
            "file": Case(whole(source(schemas.url, basic("${file:secrets/word}"))), True, {"secrets/word": WORD}),
            "url": Case(whole(source(f"http://ann:${{env:QUOTED_PASSWORD}}@{host}")), False),  # it belongs into `auth`
            "wrong": Case(whole(source(schemas.url, basic("${env:REGISTRY_PASSWORD}", "bob"))), False),
            "bearer": Case(whole(source(schemas.url, '{type: bearer, token: "${env:QUOTED_PASSWORD}"}')), False),
            "away": Case(whole(source("http://127.0.0.1:1", basic("${env:REGISTRY_PASSWORD}"))), False),
        }, {"REGISTRY_PASSWORD": WORD, "QUOTED_PASSWORD": token}, [WORD, token])  # fmt: skip


# ── HTTP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

AUTHS = {
    "basic": "{type: basic, username: ann, password: SECRET}",
    "bearer": "{type: bearer, token: SECRET}",
    "header": "{type: api_key, name: X-Key, value: SECRET}",
    "query": "{type: api_key, name: key, in: query, value: SECRET}",
    "client": '{type: oauth2, token_url: "URL/token", client_id: me, client_secret: SECRET}',
    "refresh": '{type: oauth2, token_url: "URL/token", grant: refresh_token, client_id: me, refresh_token: SECRET}',
    "password": '{type: oauth2, token_url: "URL/token", grant: password, client_id: me, username: ann, password: SECRET}',
}
TOKEN = "t0ken-the-server-gave"


def echo(request: Request) -> str:
    """Everything that was asked, as a careless server says it again, also decoded."""
    held = request.headers.get("authorization", "")
    with suppress(ValueError):
        held += base64.b64decode(held.partition(" ")[2], validate=True).decode()
    return f"{request.target} {unquote_plus(request.target)} {dict(request.headers)} {held} {request.body!r}"


def answers(api: Api) -> Callable[[Request], Any]:
    """/KIND/FAULT: two pages whose next address repeats the query; the fault comes with the second one."""

    def answer(request: Request) -> Any:
        if request.path.startswith("/token"):
            if "deny" in request.path:
                return 400, {}, {"error": "invalid_client", "error_description": echo(request)}
            return 200, {}, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600, "refresh_token": TOKEN}
        fault = request.path.rpartition("/")[2]
        page = int(request.params.get("page", 1))
        if page == 2 and fault != "good":
            status = {"refused": 403, "gone": 404, "broken": 500, "renew": 401}.get(fault)
            if fault == "reset":
                raise Reset
            if fault == "text":
                return 200, {}, echo(request).encode()
            return (status or 400), {}, {"message": echo(request)} if fault != "refused" else echo(request).encode()
        asked = urlsplit(request.target)
        query = urlencode({**request.params, "page": 2})
        more = {"next": f"{api.url}{asked.path}?{query}"} if page == 1 else {}
        return 200, {}, {"items": [{"id": n + 10 * page} for n in range(3)], **more}

    return answer


FAULTS = {"basic": "broken", "bearer": "refused", "header": "gone", "query": "broken", "client": "renew", "refresh": "text",
          "password": "reset"}  # fmt: skip


def test_rest(api: Api, tmp_path: Path) -> None:
    api.answer = answers(api)

    def source(path: str, more: str, url: str = api.url) -> str:
        paged = "pagination: {type: next_url, path: next}, records: items, retries: 1, timeout: 5s"
        return f'orders: {{type: rest, url: "{url}{path}", {paged}, {more}}}'

    cases = {}
    for kind, auth in AUTHS.items():
        auth, held = auth.replace("URL", api.url), kind in ("basic", "query", "client")
        auth = auth.replace("SECRET", '"${env:API_TOKEN}"' if held else '"${file:secrets/word}"')
        files = {} if held else {"secrets/word": WORD}
        for fault in ("good", FAULTS[kind]):
            cases[f"{kind}-{fault}"] = Case(whole(source(f"/{kind}/{fault}", f"auth: {auth}")), fault == "good", files)
        if "token_url" in auth:
            denied = auth.replace("/token", "/token/deny")
            cases[f"{kind}-denied"] = Case(whole(source(f"/{kind}/good", f"auth: {denied}")), False, files)
    given = 'headers: {X-Session: "${env:API_TOKEN}"}, params: {token: "${env:API_TOKEN}", q: "${env:SESSION_SECRET}"}'
    cases |= {f"own-{f}": Case(whole(source(f"/own/{f}", given)), f == "good") for f in ("good", "gone", "text", "broken")}
    odd = "auth: {type: bearer, token: '${file:secrets/word}'}"
    cases["non-ascii"] = Case(whole(source("/own/good", odd)), False, {"secrets/word": f"{WORD}ö"})
    cases["body"] = Case(whole(source("/own/gone", 'method: POST, body: {token: "${env:API_TOKEN}"}')), False)
    cases["url"] = Case(whole(source("/own/gone?token=${env:API_TOKEN}", "params: {a: 1}")), False)
    cases["user"] = Case(
        whole(source("/own/gone", "params: {a: 1}", api.url.replace("//", "//ann:${env:SPARE_PASSWORD}@"))), False
    )
    cases["away"] = Case(whole(source("/x", given, "http://127.0.0.1:1")), False)
    quoted = quote(WORD, safe="")
    search(tmp_path, cases, {"API_TOKEN": WORD, "SESSION_SECRET": WORD, "SPARE_PASSWORD": quoted}, [WORD, quoted, TOKEN])


def test_http_out_and_look_ups(api: Api, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        if request.path.startswith("/token"):
            return 200, {}, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}
        fault = request.path.rpartition("/")[2]
        if fault == "reset":
            raise Reset
        status = {"good": 200, "refused": 403, "gone": 404, "broken": 500}[fault]
        return status, {}, {"message": echo(request), "tier": "gold"} if status > 200 else {"tier": "gold"}

    api.answer = answer

    def output(path: str, auth: str) -> str:
        return whole(output=f'all: {{type: http, url: "{api.url}{path}", retries: 1, auth: {auth}}}')

    def look_up(path: str, auth: str) -> str:
        asked = f'url: "{api.url}{path}", params: {{id: "{{id}}"}}, take: {{tier: tier}}'
        return whole(modules=f"[{{api_lookup: {{{asked}, retries: 1, auth: {auth}}}}}]")

    cases = {}
    for kind, fault in (("basic", "broken"), ("bearer", "refused"), ("header", "gone"), ("query", "gone"), ("client", "reset")):
        auth = AUTHS[kind].replace("URL", api.url).replace("SECRET", '"${env:API_TOKEN}"')
        cases[f"{kind}-good"] = Case(output("/good", auth), True)
        cases[f"{kind}-{fault}"] = Case(output(f"/{fault}", auth), False)
        few = {"orders.csv": "id\n1\n2\n"}
        cases[f"{kind}-look-{fault}"] = Case(look_up(f"/{fault}", auth), fault != "refused", few)
    cases["look"] = Case(look_up("/good", auth), True)
    search(tmp_path, cases, {"API_TOKEN": WORD}, [WORD, TOKEN])


# ── stores ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_s3(s3: str, tmp_path: Path) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    name = f"secret-{os.getpid()}"
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="in/a.csv", Body=ROWS.encode())

    def source(path: str, storage: str) -> str:
        return f'orders: {{path: "s3://{path}", schema: {{id: int}}, storage: {{{storage}}}}}'

    def output(path: str, storage: str) -> str:
        return f'all: {{path: "s3://{path}", format: parquet, storage: {{{storage}}}}}'

    there, away = f'endpoint_url: "{s3}"', 'endpoint_url: "http://127.0.0.1:9"'
    keys, filed = (
        ', key: id, secret: "${env:SPARE_SECRET}"',
        ', key: id, secret: "${file:secrets/word}", token: "${file:secrets/word}"',
    )
    files = {"secrets/word": WORD}
    search(tmp_path, {
        "in": Case(whole(source(f"{name}/in/*.csv", there)), True),
        "out": Case(whole(output=output(f"{name}/out/", there)), True),
        "keys": Case(whole(source(f"{name}/in/*.csv", there + keys), output(f"{name}/keys/", there + filed)), True, files),
        "path": Case(whole(source("x", there).replace("s3://x", "sftp://ann:${env:SPARE_SECRET}@127.0.0.1/a.csv")), False),
        "absent": Case(whole(source(f"{name}-absent/in/*.csv", there + filed)), False, files),
        "away": Case(whole(source(f"{name}/in/*.csv", away + keys)), False),
    }, {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": WORD, "AWS_SESSION_TOKEN": WORD, "AWS_DEFAULT_REGION": "us-east-1",
        "SPARE_SECRET": WORD}, [WORD])  # fmt: skip
