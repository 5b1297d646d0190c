"""Which tests need servers; temporary folders in memory where the system has them, since the tests sync a lot; examples."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.servers import running
from tests.servers.api import Api

_ROOM = 2 << 30  # bytes

if os.access("/dev/shm", os.W_OK) and "PYTEST_DEBUG_TEMPROOT" not in os.environ and shutil.disk_usage("/dev/shm").free > _ROOM:
    root = Path(f"/dev/shm/qpipe-tests-{os.getuid()}")  # another user may have one
    root.mkdir(exist_ok=True)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(root)

gc.set_threshold(10_000, 20, 20)  # as the command line does

settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("search"), derandomize=True)
settings.load_profile("repeat")


def pytest_configure(config: pytest.Config) -> None:
    """The same examples every time, however busy the machine is; new ones with pytest --hypothesis-profile=search."""
    if not config.getoption("--hypothesis-profile"):  # then they do not hang on what modules other tests have loaded
        providers.is_local_module_file = lambda path: False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one group of servers stay together in one worker, which starts each of them once."""
    for item in items:
        mark = item.get_closest_marker("servers")
        if mark is not None:
            item.add_marker(pytest.mark.xdist_group(mark.args[0]))


def pytest_collection_finish() -> None:
    """What is there from now on, tests and libraries, is no garbage: it is not looked through again and again."""
    gc.freeze()


@pytest.fixture
def api() -> Iterator[Api]:
    """An API of the test's own, in this process."""
    yield from running("api")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is what is measured elsewhere."""
    from qpipe.core.retry import Retry

    monkeypatch.setattr("qpipe.core.http.PATIENCE", Retry(5, first=0.01))
