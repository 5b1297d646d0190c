"""The formats of ``format_is``: good and bad texts of each kind."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_module import column, judged

from qpipe.modules.validation._formats import FORMATS, postcode

# kind: good ones, bad ones
FORMAT_CELLS: dict[str, tuple[list[str], list[str]]] = {
    "email": (
        ["a@b.co", "first.last+tag@sub.example.com", "o'neil@example.museum", "x" * 64 + "@b.co",
         "a@xn--bcher-kva.example"],
        ["", "a", "a@b", "a@@b.co", ".a@b.co", "a.@b.co", "a..b@c.co", "a b@c.co", "a@-b.co", "a@b.c", "a@b.co ",
         "a@b.co\n", "x" * 65 + "@b.co", "a@" + "b." * 127 + "co", "a@1.2.3.4"],
    ),
    "url": (
        ["https://example.com", "http://localhost:8080/a?b=c#d", "ftp://u:p@h.example/x", "https://[::1]/",
         "s3://bucket/key", "https://1.2.3.4", "https://example.com/ü"],
        ["", "example.com", "http://", "http:// a", "https://exa mple.com", "http://-a.com", "mailto:a@b.co",
         "https://a.com/<b>"],
    ),
    "uuid": (
        ["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"],
        ["", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}",
         "123e4567-e89b-12d3-a456-42661417400g"],
    ),
    "ipv4": (
        ["0.0.0.0", "255.255.255.255", "192.168.1.10"],
        ["", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4/8"],
    ),
    "ipv6": (
        ["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "fe80::1:2:3:4", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
         "1::", "1:2:3:4:5:6:7::"],
        ["", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "1.2.3.4",
         "1:2:3:4:5:6:7:8::"],
    ),
    "ip": (
        ["1.2.3.4", "::1"],
        ["", "1.2.3.4 ::1", "localhost"],
    ),
    "cidr": (
        ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/128"],
        ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/08"],
    ),
    "mac": (
        ["00:1a:2B:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"],
        ["", "00:1a:2b:3c:4d", "00:1a-2b:3c:4d:5e", "001a2b3c4d5e"],
    ),
    "hostname": (
        ["localhost", "a", "example.com", "a-b.c-d.example"],
        ["", "-a.com", "a-.com", "a..b", "a_b.com", "1.2.3.4", "a.com."],
    ),
    "phone_e164": (
        ["+4930123456", "+12025550123"],
        ["", "4930123456", "+0123456789", "+49 30 123456", "+123456", "+1234567890123456"],
    ),
    "iban": (
        ["GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "NO9386011117947",
         "MT84MALT011000012345MTLCAST001S"],
        ["", "GB82WEST12345698765433", "gb82west12345698765432", "GB82 WEST12345698765432", "DE8937040044053201300",
         "XX82WEST12345698765432", "GB82WEST1234569876543A"],
    ),
    "bic": (
        ["DEUTDEFF", "DEUTDEFF500", "NBKOXKPR"],
        ["", "DEUTDEF", "deutdeff", "DEUTZZFF", "DEUTDEFF5"],
    ),
    "card": (
        ["4111111111111111", "4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444", "6304000000000000"],
        ["", "4111111111111112", "0000000000000000", "411111111111111a", "4111", "4111  1111 1111 1111"],
    ),
    "isbn": (
        ["0306406152", "0-306-40615-2", "9780306406157", "978-0-306-40615-7", "080442957X"],
        ["", "0306406153", "9780306406158", "9770306406157", "X804429570", "978030640615", "030640615x"],
    ),
    "issn": (
        ["0378-5955", "2434-561X"],
        ["", "0378-5954", "03785955", "2434-561x"],
    ),
    "ean": (
        ["73513537", "012345678905", "4006381333931", "10614141000415"],
        ["", "73513536", "4006381333932", "123", "40063813339a1"],
    ),
    "vin": (
        ["1HGCM82633A004352"],
        ["", "1HGCM82633A00435", "1HGCM82633A00435I", "1hgcm82633a004352"],
    ),
    "country_code": (
        ["DE", "US", "NA"],
        ["", "de", "EU", "UK", "DEU"],
    ),
    "country_code_3": (
        ["DEU", "USA"],
        ["", "DE", "GER"],
    ),
    "currency_code": (
        ["EUR", "USD", "JPY"],
        ["", "eur", "DEM", "€"],
    ),
    "language_code": (
        ["de", "en"],
        ["", "DE", "xx", "deu"],
    ),
    "date": (
        ["2026-01-31", "2024-02-29"],
        ["", "2026-02-29", "2026-1-31", "31.01.2026", "2026-01-31T00:00", "20260131", "2026-13-01"],
    ),
    "datetime": (
        ["2026-01-31T12:00:00Z", "2026-01-31 12:00", "2026-01-31T12:00:00.123+01:00", "2026-01-31T23:59:60Z"],
        ["", "2026-01-31", "2026-02-30T12:00:00", "2026-01-31T24:00:00", "2026-01-31T12:60",
         "2026-01-31T12:00:00+25:00"],
    ),
    "time": (
        ["12:00", "23:59:59.999", "12:00:00Z"],
        ["", "24:00", "12", "12:0", "1:00"],
    ),
}  # fmt: skip


def test_every_format_is_tried() -> None:
    assert set(FORMAT_CELLS) == set(FORMATS)


@pytest.mark.parametrize("kind", FORMAT_CELLS)
def test_formats(kind: str) -> None:
    good, bad = FORMAT_CELLS[kind]
    frame = column("string", [*good, *bad, None])
    found = frame.lazy().select(FORMATS[kind](pl.col("x"))).collect(engine="in-memory").to_series().to_list()
    assert {cell: seen for cell, seen in zip(good, found, strict=False) if seen is not True} == {}
    assert {cell: seen for cell, seen in zip(bad, found[len(good) :], strict=False) if seen is not False} == {}
    assert found[-1] is None


@pytest.mark.parametrize("country, good, bad", [
    ("US", "02134-1000", "2134"), ("GB", "SW1A 1AA", "SW1A1A"), ("CA", "K1A 0B1", "D1A 0B1"), ("DE", "01067", "1067"),
    ("NL", "1234 AB", "0234 AB"), ("JP", "100-0001", "1000-001"), ("BR", "01310-100", "0131-0100"),
])  # fmt: skip
def test_postcodes(country: str, good: str, bad: str) -> None:
    cells = column("string", [good, bad])
    assert cells.select(postcode(country)(pl.col("x"))).to_series().to_list() == [True, False]


# kind, country, a good one, a bad one
IDENTIFIERS: list[tuple[str, str | None, str, str]] = [
    ("phone", None, "+49 30 123456", "030 123456"), ("phone", "DE", "030 123456", "030"),
    ("phone", "US", "(202) 555-0123", "555"), ("vat", None, "DE136695976", "DE136695978"),
    ("vat", "DE", "136695976", "136695978"), ("isin", None, "US0378331005", "US0378331004"),
    ("lei", None, "213800KUD8LAJWSQ9D15", "213800KUD8LXJWSQ9D15"), ("imei", None, "49-015420-323751-8", "49-015420-323751-7"),
    ("cusip", None, "037833100", "037833101"), ("isni", None, "0000-0001-2281-955X", "0000-0001-2281-9550"),
    ("container", None, "CSQU3054383", "CSQU3054384"), ("cas_number", None, "7732-18-5", "7732-18-6"),
    ("creditor_reference", None, "RF18539007547034", "RF18539007547035"), ("national_id", "US", "536-90-4399", "000-90-4399"),
    ("national_id", "PL", "44051401359", "44051401358"), ("national_id", "ES", "54362315K", "54362315L"),
    ("national_id", "SE", "880320-0016", "880320-0018"), ("tax_id", "PL", "8567346215", "8567346216"),
    ("tax_id", "AU", "83 914 571 673", "99 999 999 999"), ("vin", "US", "1HGCM82633A004352", "1HGCM82643A004352"),
    ("vin", None, "1HGCM82643A004352", "1HGCM82643A00435"), ("vin", "CA", "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
]  # fmt: skip


@pytest.mark.parametrize("kind, country, good, bad", IDENTIFIERS)
def test_identifiers(kind: str, country: str | None, good: str, bad: str) -> None:
    frame = column("string", [good, bad, "", None, good])
    assert judged("format_is", {"columns": "x", "kind": kind, "country": country}, frame).failed == [1, 2]
    assert judged("format_is", {"columns": "x", "kind": kind, "country": country, "negate": True}, frame).failed == [0, 4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=20), st.sampled_from(sorted(FORMATS)))
def test_formats_answer_any_text(cells: list[str], kind: str) -> None:
    found = column("string", cells).lazy().select(FORMATS[kind](pl.col("x"))).collect(engine="in-memory").to_series()
    assert found.dtype == pl.Boolean and found.null_count() == 0
