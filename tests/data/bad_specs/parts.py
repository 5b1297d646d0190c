"""Components of a user's own, for the bad specs that need one."""

from qpipe.core.component import Output, Source
from qpipe.core.params import SecretText, param


class Shop(Source):
    """Orders from the shop's own interface."""

    name = "shop"

    user: str = param(help="who asks")
    password: SecretText = param(help="the password")


class Hook(Output):
    """Sends rows to a web address."""

    name = "hook"
    guarantee = "at least once"

    url: str = param(help="where to")
