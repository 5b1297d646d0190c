"""The command line: ``qpipe``. One file a group of commands; the only place that knows typer and rich."""

from __future__ import annotations

import importlib
import sys

# files of this folder and their commands, in the order of the help
GROUPS = {
    "run": ("run", "resume", "recover", "replay"),
    "spec": ("validate", "explain", "test", "init", "explain-problem"),
    "profile": ("profile",),
    "importing": ("import",),
    "registry": ("modules", "sources", "outputs", "schema"),
    "decisions": ("decisions", "decide"),
    "history": ("runs", "show", "report", "diff", "rm", "incident", "trend"),
    "watching": ("watch", "health"),
    "trace": ("trace", "why"),
}
READERS = ("run", "resume", "profile")  # commands that go through much data


def process() -> None:
    """What the shell starts: ``main``, and then the process ends without taking all libraries and what they hold apart, which
    costs 0.2 s. What is registered for the end (temporary files, children, the journal) is done."""
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        import atexit
        import os

        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


def main() -> None:
    """The command line. Starts fast: data libraries are imported by the commands that need data."""
    from qpipe.cli.common import guarded

    debug = "--debug" in sys.argv
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if asked in READERS:
        from qpipe.cli.memory import keep_freed

        keep_freed()
    guarded(lambda: application(asked)(standalone_mode=False), debug=debug)


def application(asked: str | None = None):  # type: ignore[no-untyped-def]
    """The typer application with the group of the command asked for, or with every group: for help, and for unknown names."""
    import typer

    from qpipe.cli.help import Commands

    app = typer.Typer(
        name="qpipe", cls=Commands, help="Turn messy data feeds into data people can trust.",
        no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip

    @app.callback(invoke_without_command=True)
    def options(
        version: bool = typer.Option(False, "--version", help="Print the version."),
        debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
    ) -> None:
        if version:
            from qpipe import __version__

            print(f"qpipe {__version__}")
            raise typer.Exit

    for name in [group for group, commands in GROUPS.items() if asked in commands] or GROUPS:
        importlib.import_module(f"qpipe.cli.{name}").register(app)
    return _Application(app)


class _Application:
    """Calls typer so that usage errors keep their exit code 2 and ours keep theirs."""

    def __init__(self, app) -> None:  # type: ignore[no-untyped-def]
        self.app = app

    def __call__(self, *, standalone_mode: bool = False) -> int:
        import typer.main

        command = typer.main.get_command(self.app)
        try:
            code = command.main(args=sys.argv[1:], prog_name="qpipe", standalone_mode=False)
            return code if isinstance(code, int) else 0
        except Exception as error:
            show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
            if callable(show) and isinstance(code, int):  # a usage error of the command line
                show()
                return code
            if type(error).__name__ == "Abort":
                return 130
            raise
