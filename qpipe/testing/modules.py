"""What holds for every module. Each rule is a function of the class; an AssertionError says what is broken.

@pytest.mark.parametrize("module", Registry().all("module"))
@pytest.mark.parametrize("rule", modules.RULES)
def test_module(module, rule):
    rule(module)
"""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Check, Gate, Inspection, Judging, Module, Relational, Step
from qpipe.core.params import params_of, short_param
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import check_example, examples_of, types_of, values_of

if TYPE_CHECKING:
    pass

Class = type[Module]


def check_module(module: Class) -> None:
    """All rules at once, for those who have one module to look after."""
    for rule in RULES:
        rule(module)


def parameters_are_valid_schema(module: Class) -> None:
    import jsonschema

    for param in params_of(module).values():
        jsonschema.Draft202012Validator.check_schema(param.schema())
        assert param.help, f"{module.name}.{param.name} has no help"


def docstring_is_a_manual_page(module: Class) -> None:
    text = module.__doc__ or ""
    assert re.match(r"[A-Z].*\.$", module.summary()), f"{module.name}: the docstring starts with no sentence"
    assert examples_of(module), f"{module.name}: no example in the docstring"
    if issubclass(module, Judging) and not issubclass(module, Inspection):
        assert re.search(r"\bnulls?\b", text, re.I), f"{module.name}: the docstring does not say what null means"


def examples_run(module: Class) -> None:
    for example in examples_of(module):
        assert example.module == module.name, f"an example of {module.name} is about {example.module}"
        check_example(module, example)


def parameters_are_sensible(module: Class) -> None:
    """An example's own parameters are no problem, with and without known columns, and fit their schema."""
    import jsonschema

    for example in examples_of(module):
        built, types = example.build(module), example.context(example.frame()).types
        assert not [*built.problems(None), *built.problems(types)], f"{module.name}: its example has problems"
        params = params_of(module)
        names = {p.alias: p.name for p in params.values() if p.alias}
        for key, value in values_of(module, example.written).items():
            jsonschema.validate(value, params[names.get(key, key)].schema())


def same_in_any_batches(module: Class) -> None:
    if issubclass(module, Step):
        return  # a step is the user's own code on whole batches
    for example in examples_of(module):
        whole = _told(example.run(module))
        for size in (1, 2):
            assert _told(example.run(module, size)) == whole, f"{module.name}: batches of {size} rows give another result"


def input_is_untouched(module: Class) -> None:
    if issubclass(module, Inspection):
        return  # it sees no rows
    for example in examples_of(module):
        frame = example.frame()
        before = frame.clone()
        run_alone(example.build(module), frame, example.context(frame))
        assert frame.equals(before), f"{module.name} changed its input"


def pickles(module: Class) -> None:
    for example in examples_of(module):
        built = example.build(module)
        assert pickle.loads(pickle.dumps(built)) == built


def zero_rows_are_not_evaluated(module: Class) -> None:
    if issubclass(module, Inspection):
        return
    for example in examples_of(module):
        frame = example.frame()
        seen = run_alone(example.build(module), frame.clear(), example.context(frame))
        assert not seen.findings and not seen.frame.height
        if issubclass(module, (Check, Relational, Gate)) and seen.verdict and not evaluates_zero_rows(module):
            assert seen.verdict.outcome == "not evaluated", f"{module.name}: zero rows give {seen.verdict.outcome}"


def evaluates_zero_rows(module: Class) -> bool:
    """A claim about how many rows or columns there are can be judged without rows; its docstring says so."""
    return bool(re.search(r"zero rows are (evaluated|judged)", module.__doc__ or "", re.I))


def output_types_are_true(module: Class) -> None:
    """The columns told beforehand are those that come, in order, and of that kind where one was told."""
    for example in examples_of(module):
        frame = example.frame()
        context = example.context(frame)
        after = example.run(module).frame
        tables = {id: types_of(table) for id, table in context.tables.items()}
        told = example.build(module).types_after(context.types, tables)
        assert list(told) == [c for c in after.columns if not c.startswith("_row")], f"{module.name}: other columns come"


def has_a_short_form_that_builds(module: Class) -> None:
    short = short_param(module)
    others = [p.name for p in params_of(module).values() if p.required and p is not short]
    if short is None or others:
        return
    for example in examples_of(module):
        values = values_of(module, example.written)
        given: Any = values.get(short.name, values.get(short.alias or ""))
        if given is not None and not (isinstance(given, dict) and set(given) & set(params_of(module))):
            assert values_of(module, given) == {short.name: given}, f"{module.name}: the short form is taken for parameters"


RULES = (
    parameters_are_valid_schema,
    docstring_is_a_manual_page,
    examples_run,
    parameters_are_sensible,
    same_in_any_batches,
    input_is_untouched,
    pickles,
    zero_rows_are_not_evaluated,
    output_types_are_true,
    has_a_short_form_that_builds,
)


def _told(seen: Seen) -> Any:
    findings = sorted((f.row, f.columns, f.expected) for f in seen.findings)
    return seen.frame.to_dicts(), findings, seen.dropped, seen.verdict, seen.asks
