"""Where the batches of a pass come from: the sources, the spool, or what the first pass has parsed already."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from qpipe.core.component import Context
from qpipe.core.effects import effect
from qpipe.orchestrator.feed import Read, Spool, Start, ahead, read_sources, result_source
from qpipe.orchestrator.kept import Kept
from qpipe.orchestrator.passes import Pass, has_python
from qpipe.orchestrator.patience import Patience
from qpipe.orchestrator.prepare import Prepared, batch_rows
from qpipe.orchestrator.program import Replaced
from qpipe.orchestrator.writer import Writer


class Reading:
    """The batches of each pass of one attempt. ``idle`` is called now and then while there are none."""

    def __init__(
        self, prepared: Prepared, passes: Sequence[Pass], writer: Writer, idle: Callable[[], None], patience: Patience
    ) -> None:
        self._prepared, self._plan, self._passes, self._writer = prepared, prepared.plan, passes, writer
        self._idle, self._patience = idle, patience
        self._spool = Spool(writer.directory / "spill")
        self._kept: Kept | None = None

    @cached_property
    def spools(self) -> bool:
        """Whether the first pass keeps what it reads: later ones then need not open the sources again."""
        again = all(node.source.again(self._given(node.id)) for node in self._plan.streams)
        return len(self._passes) > 1 and (not again or has_python(self._plan))

    def context(self, source: str) -> Context:
        """The context in which a source is read."""
        contract = next((node.types or {} for node in self._plan.streams if node.id == source), None)
        given = self._given(source)
        return given if self.spools else given.but(contract=contract)  # what is kept for later passes is text

    def batches(
        self, each: Pass, start: Start, replaced: Mapping[str, Replaced], only: Mapping[str, Sequence[str]] | None = None
    ) -> Generator[Read, None, None]:
        """The batches of a pass, read ahead: those of the sources, then the rows that SQL steps have made anew."""
        made = [result_source(id, r.folder, r.types) for id, r in replaced.items() if not r.same_rows]
        known = {**self._prepared.columns, **{node.id: node.source.columns(self._prepared.context) for node in made}}
        size = batch_rows(self._plan, self._prepared.union)
        if old := self._again(each, start):
            batches, rows = self._first()
            begin = start if start.source in {node.id for node in made} else Start(batches, rows)
            return self._ahead(chain(old, read_sources(made, self.context, known, size, begin)))
        return self._ahead(read_sources([*self._plan.streams, *made], self.context, known, size, start, only, self._patience))

    def keeper(self, start: Start) -> Callable[[Read], None] | None:
        """How the first pass keeps what it reads, if later ones would take longer to read it again."""
        if self.spools:
            return self._to_spool
        if start.seq or any(node.source.columnar for node in self._plan.streams):
            return None
        self._kept = Kept(self._writer.directory / "kept")
        return self._kept.keep

    def sync(self) -> None:
        """What was spooled so far survives a crash of the machine, too."""
        self._spool.sync()

    def drop(self) -> None:
        """Let go what was kept for later passes of this attempt."""
        if self._kept:
            self._kept.drop()

    def _again(self, each: Pass, start: Start) -> Iterator[Read] | None:
        """What the first pass has read, without opening the sources; None where that is not to be had."""
        if each.number == 1:
            return None
        if self.spools:
            return self._spool.read(self._plan.streams, start.seq, self._first()[0])
        return self._kept.read(start.seq, last=each.is_last) if self._kept and self._kept.whole else None

    def _first(self) -> tuple[int, int]:
        """Batches and rows of the first pass."""
        found = self._writer.journal.rows("select batches, rows from pass where run=? and number=1", self._writer.run)[0]
        return found["batches"], found["rows"]

    def _given(self, source: str) -> Context:
        return self._prepared.context_of(source)

    def _ahead(self, reads: Iterator[Read]) -> Generator[Read, None, None]:
        return ahead(reads, self._plan.settings.buffer_size, self._idle)

    def _to_spool(self, read: Read) -> None:
        effect("spill.keep")
        self._spool.keep(read)
