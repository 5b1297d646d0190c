"""Finds components by name: our own folders, installed entry points, and the spec's ``plugins:``.

Names come from file names, so that listing and "did you mean" import nothing; a file is imported when its component is asked
for. A user's component is one class: in a package with an entry point in the group ``qpipe.sources``, ``qpipe.modules`` or
``qpipe.outputs``, or in a Python file or folder named under ``plugins:``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

from qpipe.core.component import Component, Module, Output, Source
from qpipe.core.errors import QpipeError

FAMILIES: dict[str, type[Component]] = {"source": Source, "module": Module, "output": Output}
_ROOT = Path(__file__).parent.parent


@dataclass
class Registry:
    """All components a spec may name. ``plugins`` are paths of Python files or folders, or importable names."""

    plugins: tuple[str, ...] = ()
    directory: Path = field(default_factory=Path.cwd)
    _places: dict[str, dict[str, str]] = field(init=False)
    _classes: dict[tuple[str, str], type[Component]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        installed = _installed(tuple(sys.path))
        self._places = {family: dict(_built_in(family)) | installed[family] for family in FAMILIES}
        for plugin in self.plugins:
            for cls in _classes_in(_import_plugin(plugin, self.directory)):
                self._classes[cls.family, cls.name] = cls
                self._places[cls.family].setdefault(cls.name, plugin)

    def names(self, family: str) -> list[str]:
        return sorted(self._places[family])

    def get(self, family: str, name: str) -> type[Component]:
        """The class; KeyError when no one knows the name."""
        found = self._classes.get((family, name))
        if found is None:
            found = _load(self._places[family][name], family, name)
            self._classes[family, name] = found
        return found

    def all(self, family: str) -> list[type[Component]]:
        return [self.get(family, name) for name in self.names(family)]


def _built_in(family: str) -> Iterable[tuple[str, str]]:
    """name → "package.module" for every public file below qpipe/sources, qpipe/modules, qpipe/outputs.

    sources/ and outputs/ hold a file per component; a package whose __init__ is the component counts by its folder's name.
    """
    return _scan(_ROOT / f"{family}s", f"qpipe.{family}s", deep=family == "module")


@cache
def _installed(path: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """family → name → "package.module:Class", of the packages on Python's path: looked through once, which takes 7 ms."""
    every = metadata.entry_points()
    return {family: {e.name: e.value for e in every.select(group=f"qpipe.{family}s")} for family in FAMILIES}


@cache
def _scan(folder: Path, package: str, deep: bool) -> tuple[tuple[str, str], ...]:
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.name.removesuffix(".py")
        if name.startswith("_"):
            continue
        if path.is_dir() and (path / "__init__.py").exists():
            if deep:
                found += list(_scan(path, f"{package}.{name}", False))
            else:
                found.append((name, f"{package}.{name}"))
        elif path.suffix == ".py":
            found.append((name.rstrip("_"), f"{package}.{name}"))
    return tuple(found)


@cache
def _load(place: str, family: str, name: str) -> type[Component]:
    """A class from "package.module" or an entry point's "package.module:Class"."""
    module_name, _, attribute = place.partition(":")
    module = importlib.import_module(module_name)
    if attribute:
        return getattr(module, attribute)
    for cls in _classes_in(module):
        if issubclass(cls, FAMILIES[family]) and cls.name == name:
            return cls
    raise QpipeError(f"{module_name} defines no {family} named '{name}'")


def _classes_in(module: object) -> list[type[Component]]:
    prefix = module.__name__  # type: ignore[attr-defined]
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Component) and cls.__module__.startswith(prefix) and not cls.__name__.startswith("_")
    ]


def _import_plugin(plugin: str, directory: Path) -> object:
    path = (directory / plugin).resolve()
    if path.suffix == ".py" and path.exists():
        name = path.stem
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    try:
        return importlib.import_module(plugin)
    except ImportError as error:
        raise QpipeError(f"the plugin '{plugin}' cannot be imported: {error}",
                         hint="name a Python file beside the spec, or an installed package") from error  # fmt: skip
