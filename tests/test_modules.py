"""Every module there is keeps what the published suite asks of a module."""

from __future__ import annotations

import pytest

from qpipe.core.registry import Registry
from qpipe.testing import modules

REGISTRY = Registry()


@pytest.mark.parametrize("name", REGISTRY.names("module"))
@pytest.mark.parametrize("rule", modules.RULES, ids=lambda rule: rule.__name__)
def test_module(name: str, rule) -> None:
    rule(REGISTRY.get("module", name))
