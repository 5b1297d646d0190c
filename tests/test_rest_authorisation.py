"""APIs that want to know who asks: keys, passwords, tokens that run out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from apis import page_of, rows
from running import Project, files_with

from qpipe.core.errors import NotPermitted
from qpipe.core.secrets import Secret
from tests.servers.api import Api, Request

pytestmark = pytest.mark.usefixtures("quick")


def test_keys_and_passwords_are_sent_and_never_seen(api: Api, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        good = request.headers.get("authorization") == "Bearer t0k3n-t0k3n" or request.params.get("key") == "t0k3n-t0k3n"
        return (200, {"link": f'<{api.url}/items?page=2&key=t0k3n-t0k3n>; rel="next"'} if "page" not in request.params else {},
                [{"id": request.number}]) if good else (401, {}, {"message": "who are you?"})  # fmt: skip

    api.answer = answer
    for auth in (
        "{type: bearer, token: '${env:API_TOKEN}'}",
        "{type: api_key, in: query, name: key, value: '${env:API_TOKEN}'}",
    ):
        spec = f"""
            name: items
            sources: {{items: {{type: rest, url: "{api.url}/items", auth: {auth}, pagination: {{type: link_header}}}}}}
            outputs: {{out: {{path: out.csv}}}}
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("API_TOKEN", "t0k3n-t0k3n")
            items = Project(tmp_path / str(len(api.asked)), spec)
            assert items.run().state == "done"
            patch.setenv("API_TOKEN", "wr0ng-wr0ng")
            refused = Project(items.folder / "wrong", spec).run()
            assert refused.exit_code == 77 and "who are you?" in refused.message
        assert files_with(items.folder, "t0k3n-t0k3n", "wr0ng-wr0ng") == []


def test_a_token_that_expires_in_the_middle_is_renewed(api: Api) -> None:
    given: list[str] = []

    def answer(request: Request) -> Any:
        if request.path == "/token":
            given.append(request.body.decode())
            return 200, {}, {"access_token": f"t{len(given)}", "token_type": "Bearer", "expires_in": 3600}
        page = int(request.params.get("page", 1))
        if request.headers.get("authorization") != f"Bearer t{1 if page < 2 else 2}":
            return 401, {}, {"message": "expired"}
        return 200, {}, page_of(request)

    api.answer = answer
    auth = {"type": "oauth2", "token_url": f"{api.url}/token", "client_id": "me", "client_secret": Secret("s3cret-s3cret")}
    assert len(rows(api, auth=auth, pagination={"type": "page", "size": 10})) == 25
    assert len(given) == 2 and "grant_type=client_credentials" in given[0]
    api.asked.clear()
    given.clear()
    rows(
        api,
        auth={**auth, "grant": "password", "username": "u", "password": Secret("p")},
        pagination={"type": "page", "size": 10},
    )
    assert "grant_type=password" in given[0] and "username=u" in given[0]


def _tokens(given: list[str], **more: Any) -> Any:
    """An endpoint of tokens, each good for one page."""

    def answer(request: Request) -> Any:
        if request.path == "/token":
            given.append(request.body.decode())
            return 200, {}, {"access_token": f"t{len(given)}", "token_type": "Bearer", **more}
        page = int(request.params.get("page", 1))
        good = request.headers.get("authorization") == f"Bearer t{len(given)}" and len(given) >= page
        return (200, {}, page_of(request)) if good else (401, {}, {"message": "expired"})

    return answer


@pytest.mark.parametrize("auth, grants", [
    ({"client_id": "me", "client_secret": "s"}, ["client_credentials"] * 3),
    ({"username": "u", "password": "p"}, ["password"] * 3),
    ({"username": "u", "password": "p", "more": {"refresh_token": "r1"}}, ["password", "refresh_token", "refresh_token"]),
    ({"refresh_token": "r0"}, ["refresh_token"] * 3),
    ({"client_id": "me", "client_secret": "s", "more": {"expires_in": 0}}, ["client_credentials"] * 3),
    ({"username": "u", "password": "p", "more": {"expires_in": 0}}, ["password"] * 3),
], ids=str)  # fmt: skip
def test_each_grant_is_asked_for_again_when_its_token_has_run_out(api: Api, auth: dict[str, Any], grants: list[str]) -> None:
    given: list[str] = []
    auth = dict(auth)
    api.answer = _tokens(given, **auth.pop("more", {}))
    auth |= {"type": "oauth2", "token_url": f"{api.url}/token"}
    assert len(rows(api, auth=auth, pagination={"type": "page", "size": 10})) == 25
    asked = [form.split("grant_type=")[1].split("&")[0] for form in given]
    assert asked == grants, given


def test_readers_side_by_side_ask_for_one_token(api: Api) -> None:
    """A server that takes each refresh token once would refuse the second."""
    given: list[str] = []
    used: set[str] = set()

    def answer(request: Request) -> Any:
        if request.path == "/token":
            form = request.body.decode()
            if form in used:
                return 400, {}, {"error": "invalid_grant"}
            used.add(form)
            given.append(form)
            time.sleep(0.05)
            return 200, {}, {"access_token": f"t{len(given)}", "token_type": "Bearer", "refresh_token": f"r{len(given)}"}
        old = request.headers.get("authorization") == "Bearer t1" and len(api.asked) > 3
        return (401, {}, {}) if old else (200, {}, page_of(request))

    api.answer = answer
    auth = {"type": "oauth2", "token_url": f"{api.url}/token", "refresh_token": "r0"}
    assert len(rows(api, auth=auth, pagination={"type": "page", "size": 10}, concurrency=4)) == 25
    assert len(given) == 2


def test_a_token_s_server_has_bad_days_too_and_refuses(api: Api) -> None:
    def answer(request: Request) -> Any:
        if request.path == "/token":
            return (200, {}, {"access_token": "t", "token_type": "Bearer"}) if request.number > 2 else (503, {}, {})
        return 401, {}, {"message": "not you"}

    api.answer = answer
    auth = {"type": "oauth2", "token_url": f"{api.url}/token", "client_id": "me", "client_secret": Secret("s3cret-s3cret")}
    with pytest.raises(NotPermitted, match="not you"):
        rows(api, auth=auth)
    assert [request.path for request in api.asked] == ["/token"] * 3 + ["/items", "/token", "/items"], "renewed once, not more"
    api.answer = lambda request: (401, {}, {"error": "invalid_client", "error_description": "no s3cret-s3cret here"})
    api.asked.clear()
    with pytest.raises(NotPermitted, match=r"invalid_client: no \*\*\* here"):
        rows(api, auth=auth)
    assert len(api.asked) == 1
