"""APIs on bad days: what is tried again, what stops a run that goes on later, what is refused at once."""

from __future__ import annotations

import datetime as dt
import ipaddress
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from apis import ITEMS, page_of, rows
from running import Project, interrupted

from qpipe.core import http
from qpipe.core.errors import QpipeError
from tests.servers import api as api_server
from tests.servers.api import Api, Drip, Request, Reset, Truncated

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/items", "gopher://x/"])
def test_what_cannot_pass_is_not_tried_again(api: Api, target: str) -> None:
    api.answer = lambda request: (302, {"location": target}, b"")
    with pytest.raises(QpipeError, match="/items"):
        rows(api)
    assert len(api.asked) == 1


def _failing(times: int, how: Any) -> Any:
    """Answers that fail so often before they are good."""

    def answer(request: Request) -> Any:
        if request.number <= times:
            if isinstance(how, Exception):
                raise how
            return how
        return 200, {}, [{"id": 7}]

    return answer


FAULTS = {
    "429 with Retry-After": (429, {"retry-after": "0"}, {"message": "slow down"}),
    "500": (500, {}, b"oops"),
    "503": (503, {}, b""),
    "connection reset": Reset(),
    "truncated body": Truncated(),
    "half a JSON": (200, {}, b'[{"id": 1'),
    "a page that is no JSON": (200, {"content-type": "text/html"}, b"<html>we are sorry</html>"),
    "slow drips": Drip(5),
}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_run_that_waits_as_the_server_asked_is_interrupted_all_the_same(api: Api, tmp_path: Path, concurrency: int) -> None:
    asked = threading.Event()

    def answer(request: Request) -> Any:
        if request.params.get("page") == "1":
            return 200, {}, page_of(request)
        asked.set()
        return 429, {"retry-after": "120"}, {}

    api.answer = answer
    items = Project(tmp_path, f"""
        name: items
        sources:
          items: {{type: rest, url: "{api.url}/items", pagination: {{type: page, size: 10}}, concurrency: {concurrency}}}
        outputs: {{out: {{path: out.csv}}}}
    """)  # fmt: skip
    command = [sys.executable, "-m", "qpipe", "run", str(items.spec), "--no-ask", "--quiet"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert asked.wait(60)
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    api.answer = lambda request: (200, {}, page_of(request))
    assert items.resume().state == "done" and (tmp_path / "out.csv").read_text().count("\n") == 26


def test_a_run_that_learns_its_columns_is_interrupted_at_once(api: Api, tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()

    def answer(request: Request) -> Any:
        asked.set()
        over.wait(60)
        return 200, {}, page_of(request)

    api.answer = answer
    items = Project(tmp_path, f"""
        name: items
        sources: {{items: {{type: rest, url: "{api.url}/items", pagination: {{type: page, size: 10}}, timeout: 60s}}}}
        outputs: {{out: {{path: out.csv}}}}
    """)  # fmt: skip
    assert interrupted(items, asked) == 130
    over.set()
    assert items.resume().state == "done" and (tmp_path / "out.csv").read_text().count("\n") == 26


@pytest.mark.parametrize("name", FAULTS)
def test_what_passes_is_tried_again(api: Api, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_WHOLE", 1)
    api.answer = _failing(2, FAULTS[name])
    assert rows(api, timeout=1.0 if "slow" in name else 30.0) == [{"id": "7"}] and len(api.asked) == 3


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_pass_stops_the_run_which_goes_on_later(
    api: Api, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_WHOLE", 1)

    def answer(request: Request) -> Any:
        if int(request.params.get("page", 1)) >= 2 and not well:
            return _failing(10_000, FAULTS[name])(request)
        return 200, {}, page_of(request)

    well: list[int] = []
    api.answer = answer
    patience = f"retries: 1, timeout: {'1s' if 'slow' in name else '30s'}"
    items = Project(tmp_path, f"""
        name: items
        sources: {{items: {{type: rest, url: "{api.url}/items", {patience}, pagination: {{type: page, size: 10}}}}}}
        outputs: {{out: {{path: out.csv}}}}
        settings: {{batch_size: 4}}
    """)  # fmt: skip
    stopped = items.run()
    assert (stopped.exit_code, stopped.state) == (69, "failed"), stopped
    assert api.url in stopped.message and "resume" in stopped.hint, stopped
    assert ("was not whole within 1 s" in stopped.message) == ("slow" in name), stopped
    assert not (tmp_path / "out.csv").exists()
    well.append(1)
    assert items.resume().state == "done"
    assert (tmp_path / "out.csv").read_text().count("\n") == 26


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused at once: it would be the same the next time. A file of certificates to trust may be named."""
    with api_server.start(tmp_path, certificate(tmp_path)) as api:
        api.answer = lambda request: (200, {}, ITEMS[:2])
        waits: list[float] = []
        monkeypatch.setattr("qpipe.core.http.time.sleep", waits.append)
        with pytest.raises(QpipeError, match="CERTIFICATE_VERIFY_FAILED") as refused:
            rows(api)
        assert not waits and not api.asked and "SSL_CERT_FILE" in refused.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        http._certificates.cache_clear()
        assert [row["id"] for row in rows(api)] == ["1", "2"]
    http._certificates.cache_clear()


def certificate(folder: Path) -> Path:
    """Of 127.0.0.1, signed by nobody else, for a day; and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(days=1), now + dt.timedelta(days=1))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = made.add_extension(here, critical=False).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "server.pem"
    file.write_bytes(signed.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file


def test_new_and_lost_fields_are_told(api: Api, tmp_path: Path) -> None:
    api.answer = lambda request: (200, {}, [{"id": 1, "a": 1}] if request.params["page"] == "1" else
                                  [{"id": 2, "new": 1}] if request.params["page"] == "2" else [])  # fmt: skip
    items = Project(tmp_path, f"""
        name: items
        sources: {{items: {{type: rest, url: "{api.url}/items", pagination: {{type: page}}}}}}
        outputs: {{out: {{path: out.csv}}}}
    """)  # fmt: skip
    assert items.run().state == "done"
    assert (tmp_path / "out.csv").read_text() == "id,a\n1,1\n2,\n"
    assert [e.data["message"] for e in items.events if e.name == "source.note"] == ["new is new in this file: left out"]


def test_incremental_runs_ask_for_what_is_newer(api: Api, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        since = int(request.params.get("since", 0))
        return 200, {}, [item for item in ITEMS[: len(api.asked) * 5] if item["id"] > since]

    api.answer = answer
    items = Project(tmp_path, f"""
        name: items
        sources: {{items: {{type: rest, url: "{api.url}/items", incremental: {{field: id, param: since}}}}}}
        outputs: {{out: {{path: out/, format: csv, mode: append}}}}
    """)  # fmt: skip
    for _ in range(3):
        assert items.run().state == "done"
    texts = [p.read_text().splitlines()[1:] for p in sorted((tmp_path / "out").glob("[!.]*.csv"))]
    ids = [int(line.split(",")[0]) for text in texts for line in text]
    assert len(ids) == len(set(ids)) and set(ids) == set(range(1, max(ids) + 1))


def test_the_rate_limit_holds(api: Api) -> None:
    import time

    api.answer = lambda request: (200, {}, page_of(request, 2))
    began = time.monotonic()
    rows(api, pagination={"type": "page", "size": 2}, rate_limit="5/s")
    assert len(api.asked) == 13 and time.monotonic() - began > 1.5
