"""Public holidays of a country, or of a part of it, by the library holidays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from qpipe.core.errors import QpipeError
from qpipe.core.extras import needed


def holidays_of(place: str, years: Sequence[int]) -> list[dt.date]:
    """The days. ``place`` is DE or DE-BY. Raises QpipeError for a place that is not known."""
    return sorted(named_holidays(place, years))


def named_holidays(place: str, years: Sequence[int]) -> dict[dt.date, str]:
    holidays = needed("holidays", "know public holidays", "standards")
    country, _, part = place.partition("-")
    try:
        own = holidays.country_holidays(country).default_language  # not that of this machine
        return dict(holidays.country_holidays(country, subdiv=part or None, years=list(years), language=own))
    except (NotImplementedError, AttributeError) as error:
        raise QpipeError(f"no holidays are known of '{place}'", hint="write DE, or DE-BY for a part of a country") from error
