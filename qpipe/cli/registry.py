"""qpipe modules, sources, outputs, schema"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Vars, print_json, read_vars, tell
from qpipe.core.errors import UsageError

if TYPE_CHECKING:
    from qpipe.core.component import Component
    from qpipe.core.registry import Registry

Name = Annotated[str | None, typer.Argument(help="A component: prints its page.")]
Plugin = Annotated[list[str] | None, typer.Option("--plugin", help="A Python file or package with more components.")]


def register(app: typer.Typer) -> None:
    app.command()(modules)
    app.command()(sources)
    app.command()(outputs)
    app.command()(schema)


def modules(
    name: Name = None,
    like: Annotated[
        str | None, typer.Option(help="Ours for another system's check: expect_column_values_to_be_between")
    ] = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> int:
    """List the modules, or print one's page.

    Example: qpipe modules between
    """
    registry = _registry(plugin)
    if like is not None:
        return _like(registry, like, as_json)
    return _show(registry, "module", name, as_json)


def sources(
    name: Name = None,
    spec: Annotated[Path | None, typer.Argument(help="For `check`: the spec whose sources are opened.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="For `check`: how many rows to show.")] = 5,
    var: Vars = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> int:
    """List the kinds of source, print one's page, or connect to those of a spec.

    `qpipe sources check SPEC` opens every source and tells how long it took, its columns, its first rows, and how far it
    could be relied on in earlier runs. Exit code 69 when one is not available.

    Example: qpipe sources check orders.yaml
    """
    if name != "check":
        if spec is not None:
            raise UsageError(f"qpipe sources takes one name, not {name} and {spec}", hint="qpipe sources check SPEC")
        return _show(_registry(plugin), "source", name, as_json)
    if spec is None:
        raise UsageError("which spec?", hint="qpipe sources check SPEC")
    from qpipe.cli.sources import check

    return check(spec, rows, read_vars(var), as_json)


def outputs(name: Name = None, plugin: Plugin = None, as_json: AsJson = False) -> int:
    """List the kinds of output, or print one's page.

    Example: qpipe outputs file
    """
    return _show(_registry(plugin), "output", name, as_json)


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to a file instead of stdout.")] = None,
    plugin: Plugin = None,
) -> int:
    """Print the JSON Schema of specs, for completion and hover in editors.

    Example: qpipe schema -o qpipe.schema.json
    """
    import json

    from qpipe.spec.schema import spec_schema

    text = json.dumps(spec_schema(_registry(plugin)), indent=2, ensure_ascii=False)
    if output is None:
        print(text)
    else:
        output.write_text(text + "\n")
        tell(f"wrote {output}; begin a spec with  # yaml-language-server: $schema={output}")
    return 0


def _registry(plugins: list[str] | None) -> Registry:
    from qpipe.core.registry import Registry

    return Registry(tuple(plugins or ()))


def _show(registry: Registry, family: str, name: str | None, as_json: bool) -> int:
    if name is None:
        found = registry.all(family)
        if as_json:
            print_json([_about(component) for component in found])
        else:
            print(_listed(found))
        return 0
    try:
        component = registry.get(family, name)
    except KeyError:
        from qpipe.spec.nearest import did_you_mean

        hint = did_you_mean(name, registry.names(family)) or f"`qpipe {family}s` lists them"
        raise UsageError(f"no {family} is named '{name}'", hint=hint) from None
    if as_json:
        print_json(_about(component))
    else:
        from qpipe.spec.page import page

        print(page(component))
    return 0


def _about(component: type[Component]) -> dict[str, Any]:
    from qpipe.spec.schema import component_schema

    return {"name": component.name, "family": component.family, "category": getattr(component, "category", component.family),
            "dimension": getattr(component, "dimension", None), "summary": component.summary(), "like": list(component.like),
            "extra": component.extra, "schema": component_schema(component)}  # fmt: skip


def _listed(found: list[type[Component]]) -> str:
    width = max((len(c.name) for c in found), default=0)
    lines: list[str] = []
    for category in dict.fromkeys(getattr(c, "category", c.family) for c in found):
        mine = [c for c in found if getattr(c, "category", c.family) == category]
        lines += [f"{category} ({len(mine)})"] + [f"  {c.name:<{width}}  {c.summary()}" for c in mine]
    return "\n".join(lines)


def _like(registry: Registry, name: str, as_json: bool) -> int:
    from qpipe.spec.alike import called, nearest_in_meaning

    found = called(registry, name)
    nearest = [] if found else nearest_in_meaning(registry, name)
    if as_json:
        print_json([c.name for c in found or nearest])
        return 0
    if not found and not nearest:
        raise UsageError(f"nothing here is like '{name}'", hint="`qpipe modules` lists what there is")
    if nearest:
        tell(f"no system calls one of ours '{name}'; the nearest by its words:")
    print("\n".join(f"{c.name}  {c.summary()}" for c in found or nearest))
    return 0
