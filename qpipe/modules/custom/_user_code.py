"""Code that a user wrote: how it is found, called, and how its errors are told in the user's own terms."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import importlib.util
import inspect
import linecache
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from qpipe.core.errors import CodeFailed, QpipeError

_IMPORTING = threading.Lock()


@dataclass(frozen=True)
class UserCode:
    """What ``file.py:Class`` or ``package.module:function`` names."""

    target: str  # as the spec has it
    found: Any
    file: str  # of the module: errors show the user's line, not ours

    @classmethod
    def load(cls, target: str, directory: Path) -> UserCode:
        """Import it. Files are beside the spec; packages may be, too."""
        place, _, path = target.partition(":")
        with _IMPORTING, _importable(directory):
            module = _module(place, directory, target)
        found: Any = module
        for name in path.split("."):
            if not hasattr(found, name):
                near = difflib.get_close_matches(name, dir(found), 1)
                raise QpipeError(
                    f"{place} has no '{name}'", hint=f"did you mean '{near[0]}'?" if near else f"class: {place}:Name"
                )
            found = getattr(found, name)
        return cls(target, found, getattr(module, "__file__", None) or place)

    def make(self, options: Mapping[str, Any]) -> Any:
        """An instance of a class, or a function with its options."""
        if not inspect.isclass(self.found):
            return functools.partial(self.found, **options) if options else self.found
        self._fits(self.found, (), options)
        with self.telling("__init__"):
            return self.found(**options)

    def call(self, name: str, function: Callable[..., Any], *given: Any) -> Any:
        """``function`` with as many of the things given as it takes."""
        with self.telling(name):
            return function(*given[: _takes(function, len(given))])

    @contextlib.contextmanager
    def telling(self, name: str) -> Iterator[None]:
        """An exception of the user's code as an error that names class, method and the user's own line."""
        try:
            yield
        except QpipeError:
            raise
        except Exception as error:
            raise UserError(self, name, error) from error

    def _fits(self, function: Callable[..., Any], given: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        try:
            inspect.signature(function).bind(*given, **options)
        except TypeError as error:
            raise QpipeError(f"{self.target}: {error}", hint=f"with: must fit {_signature(function)}") from error
        except ValueError:  # built in, without a signature
            return


class UserError(CodeFailed):
    """The user's code raised something."""

    def __init__(self, code: UserCode, name: str, error: Exception) -> None:
        line = _user_line(error, code.file)
        told = str(error).strip().split("\n")[0]
        shown = f"{type(error).__name__}: {told}" if told else type(error).__name__
        method = "" if name == code.target.rpartition(":")[2] else f".{name}"
        super().__init__(f"{code.target}{method} fails: {shown}", file=line[0], line=line[1], hint=line[2])


def _module(place: str, directory: Path, target: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _from_file((directory / place).resolve(), place)
        return importlib.import_module(place)
    except QpipeError:
        raise
    except SyntaxError as error:
        raise QpipeError(f"{place} is no Python: {error.msg}", file=error.filename, line=error.lineno) from error
    except ModuleNotFoundError as error:
        if error.name and place.startswith(error.name):
            hint = "name a file beside the spec (rules.py:Class) or an installed package (package.module:Class)"
            raise QpipeError(f"no module is named '{place}'", hint=hint) from error
        raise UserError(UserCode(target, None, str(directory / place)), "import", error) from error
    except Exception as error:
        raise UserError(UserCode(target, None, str(directory / place)), "import", error) from error


def _from_file(path: Path, shown: str) -> ModuleType:
    """Once for every path, and again when the file has changed."""
    if not path.is_file():
        raise QpipeError(f"there is no file {shown} beside the spec", hint="class: rules.py:Class starts at the spec's folder")
    name = f"_user_code_{path.stem}_{abs(hash((str(path), path.stat().st_mtime_ns))):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def _importable(directory: Path) -> Iterator[None]:
    """Packages beside the spec can be imported, after those that are installed."""
    place = str(directory.resolve())
    sys.path.append(place)
    try:
        yield
    finally:
        sys.path.remove(place)


def _takes(function: Callable[..., Any], most: int) -> int:
    """How many positional arguments it takes, at most so many."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return most
    return min(most, sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters))


def _signature(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__name__', 'it')}{inspect.signature(function)}"


def _user_line(error: Exception, file: str) -> tuple[str | None, int | None, str]:
    """File, line and text of the last line of the user's own code that was running."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == file] or [f for f in frames if Path(f.filename).parent == Path(file).parent]
    if not own:
        return None, None, "run with --debug to see where"
    text = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return own[-1].filename, own[-1].lineno, f"at: {text}" if text else ""
