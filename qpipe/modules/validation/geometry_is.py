"""geometry_is"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param

if TYPE_CHECKING:
    import polars as pl


class GeometryIs(Check):
    """A latitude and a longitude name a place on earth, and one within bounds.

    Degrees in WGS 84: latitude from -90 to 90, longitude from -180 to 180. `bounds` is west, south, east, north, as GeoJSON
    has it; a west greater than east goes over the date line. `not_zero` refuses 0, 0, which is where missing coordinates
    end up. A row in which both are null passes and is not evaluated; one of them null fails, as does NaN. Zero rows: not
    evaluated.

    Examples:
        ```yaml
        module:
          geometry_is: {latitude: lat, longitude: lon, not_zero: true}
        rows:
          - {lat: 50.7, lon: 7.1}
          - {lat: 97.1, lon: 50.7}
          - {lat: 0.0, lon: 0.0}
          - {lat: 50.7, lon: null}
          - {lat: null, lon: null}
        failed: [1, 2, 3]
        ```
        ```yaml
        module:
          geometry_is: {latitude: lat, longitude: lon, bounds: [5.8, 47.2, 15.1, 55.1]}
        rows: [{lat: 50.7, lon: 7.1}, {lat: 7.1, lon: 50.7}]
        failed: [1]
        ```
    """

    dimension = "validity"
    like = (
        "is_latitude", "is_longitude", "is_geometry", "is_point", "invalid-latitude", "invalid-longitude",
        "valid_latitude_percent", "expect_column_values_to_be_valid_lat_lon", "is_in_bounding_box",
        "has_x_coordinate_between", "is_polygon", "is_linestring", "is_multipolygon", "has_valid_coordinates",
    )  # fmt: skip

    latitude: Column = param(help="the column of degrees north")
    longitude: Column = param(help="the column of degrees east")
    bounds: tuple[float, ...] = param((), help="west, south, east, north, in degrees")
    not_zero: bool = param(False, help="0, 0 is no place")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for name in ("latitude", "longitude"):
            column = getattr(self, name)
            if types and column in types and types[column].kind not in ("integer", "float", "decimal", "any"):
                yield name, f"{column} is {types[column].kind}, not a number: parse_number first"
        if self.bounds and len(self.bounds) != 4:
            yield "bounds", "four numbers: west, south, east, north"
        elif self.bounds and self.bounds[1] > self.bounds[3]:
            yield "bounds", "south is above north"

    def rules(self, context: Context) -> tuple[Rule, ...]:
        lat, lon = pl.col(self.latitude).cast(pl.Float64), pl.col(self.longitude).cast(pl.Float64)
        given, columns = lat.is_not_null() | lon.is_not_null(), (self.latitude, self.longitude)
        inside = lat.is_between(-90, 90) & lon.is_between(-180, 180)
        rules = [Rule(~inside | (lat.is_null() != lon.is_null()), columns, "a latitude and a longitude", given)]
        both = lat.is_not_null() & lon.is_not_null()
        if self.not_zero:
            rules.append(Rule(both & (lat == 0) & (lon == 0), columns, "not 0, 0", both))
        if self.bounds:
            west, south, east, north = self.bounds
            across = lon.is_between(west, east) if west <= east else (lon >= west) | (lon <= east)
            rules.append(Rule(both & ~(across & lat.is_between(south, north)), columns, f"within {list(self.bounds)}", both))
        return tuple(rules)
