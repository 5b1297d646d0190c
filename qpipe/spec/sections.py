"""The sections of a spec that are not components, each declared once: their keys, what they mean, what they may hold.

From these come the checks, the JSON Schema and the help, as they do from a component's parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, dataclass_transform

from qpipe.core.params import Columns, Condition, Duration, Path, Role, Size, param

RouteTarget = Annotated[str | tuple[str, ...], Role("outputs", {"oneOf": [
    {"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})]  # fmt: skip


@dataclass_transform(kw_only_default=True, field_specifiers=(param,))
class Section:
    """A mapping of known keys."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)


class TopLevel(Section):
    """A data pipeline: sources, modules, routes, outputs."""

    version: Literal[1] = param(1, help="the version of the spec's language")
    name: str | None = param(None, help="what runs and reports are called; unset: the file's name")
    description: str | None = param(None, help="what this is for, for people")
    vars: dict[str, Any] | None = param(
        None, like=("variables", "params", "parameters"), help="values for ${var.NAME}; --var NAME=… overrides one"
    )
    plugins: tuple[str, ...] = param((), help="Python files or packages with components of your own")
    sources: dict[str, Any] = param(like=("source", "inputs", "input", "readers"), help="where rows come from, by id")
    modules: Any = param(
        (),
        like=("steps", "checks", "rules", "transforms", "transformations", "validations", "pipeline"),
        help="the steps every row goes through, in order",
    )
    routes: tuple[Any, ...] = param(
        (), like=("routing", "router", "route"), help="where rows go: the first route whose condition holds"
    )
    decisions: dict[str, Any] | None = param(
        None, like=("questions", "approvals", "reviews"), help="questions to people, by id"
    )
    outputs: dict[str, Any] = param(
        like=("output", "sinks", "destinations", "targets", "writers"), help="where rows are kept, by id"
    )
    settings: dict[str, Any] | None = param(None, like=("config", "options", "execution"), help="how the run is carried out")
    tests: tuple[Any, ...] = param(
        (), like=("examples", "cases"), help="examples that `qpipe test` runs without opening a source"
    )


class RouteSection(Section):
    """One way for rows. The first route whose condition holds takes the row."""

    id: str | None = param(None, help="what reports and traces call this route")
    when: Condition | None = param(
        None, like=("if", "condition", "where", "filter"), help="which rows go this way; without it, all that are left"
    )
    to: RouteTarget | None = param(
        None,
        like=("output", "outputs", "target", "default", "else", "otherwise", "then"),
        help="the output, or several, that get the rows; drop discards and counts them, fail refuses all data, "
        "warn tells of them, batch by batch, and lets them go on to the next route",
    )
    ask: str | None = param(None, like=("decision", "question"), help="the decision that says where the rows go")


class DecisionSection(Section):
    """A question to a person."""

    question: str = param(like=("ask", "prompt", "text", "message"), help="what is asked; {rows} and columns are filled in")
    scope: Literal["row", "group", "batch", "run"] = param("run", help="one question for each of these")
    by: Columns | None = param(None, help="the columns that make a group, for scope: group")
    choices: dict[str, str] = param(like=("options", "answers"), help="what a person can say → an output, drop or fail")
    timeout: Duration | None = param(None, help="how long to wait for an answer: 30m, 4h")
    default: str | None = param(None, help="the choice that the time-out makes")
    remember: Path | None = param(None, help="a file beside the spec that keeps answers as rules")


class SettingsSection(Section):
    """How the run is carried out; results do not depend on it."""

    batch_size: int | Literal["auto"] | None = param(None, help="rows at a time", minimum=1)
    workers: int | Literal["auto"] | None = param(None, help="threads that compute", minimum=1, alias="parallel_modules")
    memory_limit: Size | None = param(None, help="what relational steps may use: 512M, 4G")
    decision_timeout: Duration | None = param(None, help="how long to wait where a decision names no time-out")
    fail_on: Literal["error", "warning", "never"] = param("error", help="the severity that refuses the data")
    publish: Literal["decided", "complete"] = param(
        "decided", help="while questions are open: publish what is decided, or nothing until all is"
    )
    buffer_size: int | None = param(None, help="batches read ahead of the one in hand; unset: one", minimum=1)
    retry: dict[str, Any] | None = param(
        None, alias="retry_config", help="how patiently to try again what is out of reach; unset: not at all"
    )
    on_error: Any = param(None, help="what to do when your own Python code breaks: {retry: 3, then: question}")


class RetrySection(Section):
    """How often and how patiently to try again what is out of reach: a source, an output."""

    max_retries: int = param(3, alias="retries", minimum=0, help="attempts after the first")
    backoff: Literal["exponential", "linear", "constant"] = param("exponential", help="how waits grow")
    initial_delay: Duration = param(1.0, help="the first wait", alias="delay")
    max_delay: Duration = param(60.0, help="the longest wait")


class OnErrorSection(Section):
    """What to do when your own Python code breaks on a batch."""

    retry: int = param(0, minimum=0, help="how often it is tried again on the same rows")
    then: Literal["fail", "quarantine", "question"] = param(
        "fail", help="stop; or let all other rows go on, and those that break it to quarantine, or to a person"
    )


class GroupSection(Section):
    """Several modules under one name, switched on and off together."""

    enabled: bool = param(True, help="false leaves all of its modules out")
    parallel: bool = param(False, help="changes nothing: what is independent always runs side by side")
    timeout: Duration | None = param(None, help="has no effect: the modules of all groups are computed together")
    modules: tuple[Any, ...] = param((), alias="steps", help="the modules, in order")


class TestSection(Section):
    """An example: rows in, what is expected of each output."""

    __test__ = False  # not a test of ours

    name: str = param(help="what is shown")
    rows: tuple[dict[str, Any], ...] = param((), help="rows as the source would give them")
    source: str | None = param(None, help="the source that gives them; needed when several do")
    tables: dict[str, Any] | None = param(None, help="rows of reference sources, by id")
    answers: dict[str, Any] | None = param(None, help="what a person says, by decision")
    expect: dict[str, Any] = param(help="output → rows or their number; state, held, dropped, questions, findings, gates")


class ColumnSection(Section):
    """One column of a contract, in the long form."""

    type: str = param(help="int, decimal(12,2), string, date, …")
    format: str | None = param(None, help="how a date or time is written: %Y-%m-%d; base64 of binary")
    nulls: Any = param(None, help="texts that mean no value")
    optional: bool = param(False, help="the column may be absent")
    pii: bool = param(False, help="personal data: masked in reports")
    description: str | None = param(None, help="what it holds, for people")
    required: bool = param(False, help="a row without it is malformed")


GROUPS = ("source", "quality", "validation", "transformation", "enrichment", "custom")  # names of module groups
CHOICE_ENDS = ("drop", "fail")  # what a choice may lead to besides outputs
EXPECTABLE = ("state", "held", "dropped", "questions", "findings", "gates")  # what a test may expect besides outputs
ROUTE_ENDS = ("drop", "fail", "warn")
