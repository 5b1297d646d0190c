"""Numbers whose rules are kept by libraries: national and tax numbers, telephone numbers, codes of securities and goods.

Each different text of a batch is judged once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache

from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.modules.validation._codes import COUNTRIES

Judge = Callable[[str], bool]

# kind → the module of python-stdnum
WORLDWIDE = {
    "bitcoin": "bitcoin", "cas_number": "casrn", "cfi": "cfi", "container": "iso6346", "creditor_reference": "iso11649",
    "cusip": "cusip", "figi": "figi", "imei": "imei", "imo": "imo", "imsi": "imsi", "isil": "isil", "isin": "isin",
    "ismn": "ismn", "isni": "isni", "isrc": "isrc", "lei": "lei", "vat": "eu.vat",
}  # fmt: skip

# country → the number that a person has; where there are several, one of them is enough
PERSONS = {
    "AR": "dni", "AT": "vnr", "BE": "nn", "BG": "egn", "BR": "cpf", "CA": "sin", "CH": "ssn", "CL": "rut", "CN": "ric",
    "CR": "cpf", "CU": "ni", "CZ": "rc", "DE": "idnr", "DK": "cpr", "DO": "cedula", "EC": "ci", "EE": "ik", "ES": "dni nie",
    "FI": "hetu", "FR": "nir", "GB": "nhs", "GR": "amka", "HR": "oib", "ID": "nik", "IE": "pps", "IL": "idnr", "IN": "aadhaar",
    "IS": "kennitala", "IT": "codicefiscale", "JP": "in_", "KR": "rrn", "LT": "asmens", "MU": "nid", "MX": "curp",
    "MY": "nric", "NL": "bsn", "NO": "fodselsnummer", "PK": "cnic", "PL": "pesel", "PT": "cc", "RO": "cnp",
    "SE": "personnummer", "SI": "emso", "SK": "rc", "TH": "pin", "TR": "tckimlik", "US": "ssn", "ZA": "idnr",
}  # fmt: skip

# country → the number under which a firm or a person pays taxes
TAXES = {
    "AR": "cuit", "AU": "abn tfn", "BR": "cnpj cpf", "CA": "bn", "CH": "vat uid", "CL": "rut", "CN": "uscc", "CO": "nit",
    "DE": "stnr idnr", "DO": "rnc", "EC": "ruc", "ES": "nif", "FR": "siren siret nif", "GB": "utr vat", "IN": "gstin pan",
    "IT": "iva codicefiscale", "JP": "cn", "KR": "brn", "MX": "rfc", "NO": "orgnr", "NZ": "ird", "PE": "ruc", "PL": "nip",
    "PT": "nif", "RU": "inn", "SE": "orgnr", "SG": "uen", "TH": "tin", "TR": "vkn", "UA": "edrpou rntrc",
    "US": "ein ssn itin", "UY": "rut", "VE": "rif", "VN": "mst", "ZA": "tin",
}  # fmt: skip

VAT = [
    "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
    "LV", "MC", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "SM",
]  # fmt: skip

KINDS = (*WORLDWIDE, "national_id", "phone", "tax_id")


def package(kind: str) -> str:
    return "phonenumbers" if kind == "phone" else "stdnum"


def countries(kind: str) -> dict[str, str] | None:
    """Of which countries a kind is known; None: it is the same in all of them."""
    return {"national_id": PERSONS, "tax_id": TAXES}.get(kind)


def regions(kind: str) -> list[str]:
    """Countries that may be named for a kind that is judged without one, too."""
    return VAT if kind == "vat" else [*COUNTRIES, "XK"]


def has_format(cell: pl.Expr, kind: str, country: str | None) -> pl.Expr:
    """True where the text is such a number; null where there is none."""

    def judged(texts: pl.Series) -> pl.Series:
        judge, different = _judge(kind, country), texts.drop_nulls().unique()
        good = different.filter(pl.Series([judge(text) for text in different], dtype=pl.Boolean))
        return texts.is_in(good.implode())

    return cell.map_batches(judged, return_dtype=pl.Boolean(), is_elementwise=True)


@cache
def _judge(kind: str, country: str | None) -> Judge:
    if kind == "phone":
        return _phone(country)
    needed("stdnum", f"know what a {kind.replace('_', ' ')} looks like", "standards")
    if kind == "vat" and country:
        return _vat(country)
    known = countries(kind)
    names = [WORLDWIDE[kind]] if known is None else [f"{_folder(country or '')}.{n}" for n in known[country or ""].split()]
    judges = [importlib.import_module(f"stdnum.{name}").is_valid for name in names]
    return lambda text: any(judge(text) for judge in judges)


def _vat(country: str) -> Judge:
    """A number of the country, with its prefix or without."""
    judge: Judge = importlib.import_module("stdnum.util").get_cc_module(country.lower(), "vat").is_valid
    return judge


def _folder(country: str) -> str:
    return {"IN": "in_", "IS": "is_", "GR": "gr"}.get(country, country.lower())


def _phone(country: str | None) -> Judge:
    """A number that the country's numbering plan has; without a country it begins with + and the country's code."""
    phonenumbers = needed("phonenumbers", "know numbering plans", "standards")

    def judge(text: str) -> bool:
        try:
            number = phonenumbers.parse(text, country)
        except phonenumbers.NumberParseException:
            return False
        return bool(phonenumbers.is_valid_number(number))

    return judge
