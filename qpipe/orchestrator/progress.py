"""What listeners are told while batches go by: the live view's numbers."""

from __future__ import annotations

from collections import Counter

from qpipe.core.events import Event
from qpipe.orchestrator.feed import Read
from qpipe.orchestrator.passes import Pass
from qpipe.orchestrator.prepare import Prepared, memory_mb
from qpipe.orchestrator.work import Done
from qpipe.orchestrator.writer import Writer


class Progress:
    """Running totals of one pass."""

    def __init__(self, prepared: Prepared, passes: int, writer: Writer, each: Pass) -> None:
        self._prepared, self._passes, self._writer, self._pass = prepared, passes, writer, each
        self._routes: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def add(self, done: Done) -> None:
        """Count what became of a batch."""
        self._routes.update(done.routes)
        for check, _, _, failed, _ in done.tallies:
            if failed:
                self._failed[check] += failed

    def tell(self, read: Read) -> None:
        """Tell how far the pass is, after this batch."""
        rows_total, bytes_total = self._prepared.sizes
        self._writer.tell(Event("progress", self._writer.run, {
            "pass": self._pass.number, "passes": self._passes, "source": read.source.id, "rows": read.first_row + read.rows,
            "rows_total": rows_total, "bytes": (read.chunk.position or {}).get("offset", 0), "bytes_total": bytes_total,
            "routes": dict(self._routes), "checks": dict(self._failed), "memory_mb": memory_mb(),
            "findings": self._severities(),
            "questions": len(self._writer.journal.questions(self._writer.run, "open")) if self._routes else 0,
        }))  # fmt: skip

    def _severities(self) -> dict[str, int]:
        """Findings by severity, of findings by check."""
        known = {step.id: getattr(step.module, "severity", "error") for step in self._prepared.plan.steps}
        total: Counter[str] = Counter()
        for check, count in self._failed.items():
            total[known.get(check, "error")] += count
        return dict(total)
