"""The lines of the report: a figure, its spread, its gate, and whether it is met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

_COLUMNS: Final = ("figure", "median", "min to max", "by CPU", "gate", "met")


@dataclass(frozen=True)
class Gate:
    """A bound for the median."""

    sign: Literal[">=", "<="]
    bound: float

    def allows(self, value: float) -> bool:
        """Tell whether a value meets the bound."""
        return value >= self.bound if self.sign == ">=" else value <= self.bound


@dataclass(frozen=True)
class Figure:
    """One line. Without values it is not available, and `note` says why."""

    name: str
    values: Sequence[float] = ()
    gate: Gate | None = None
    unit: str = ""
    digits: int = 2
    note: str = ""
    by_cpu: float | None = None
    """The same ratio of the server's CPU time, which other work on the machine changes less."""

    @property
    def median(self) -> float | None:
        """The median of the values."""
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> str:
        """`yes`, `no`, `-` without a gate, `?` without values."""
        if self.gate is None:
            return "-"
        return "?" if self.median is None else "yes" if self.gate.allows(self.median) else "no"

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the columns."""
        gate = f"{self.gate.sign} {self.gate.bound:g}{self.unit}" if self.gate else ""
        if self.median is None:
            return self.name, "not available", "", "", gate, self.met
        spread = ""
        if len(self.values) > 1:
            spread = f"{self._format(min(self.values))} to {self._format(max(self.values))}"
        cpu = "" if self.by_cpu is None else self._format(self.by_cpu)
        return self.name, f"{self._format(self.median)}{self.unit}", spread, cpu, gate, self.met

    def _format(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


@dataclass
class Report:
    """The lines in order, and sentences about the run."""

    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def print(self) -> None:
        """Print the table, then each line's note."""
        lines = [_COLUMNS, *(figure.cells() for figure in self.figures)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
        rule = tuple("-" * width for width in widths)
        for line in (lines[0], rule, *lines[1:]):
            texts = (text.ljust(width) for text, width in zip(line, widths, strict=True))
            print(" | ".join(texts).rstrip())
        print()
        for remark in self.remarks:
            print(f"* {remark}")
        for figure in self.figures:
            if figure.note:
                print(f"* {figure.name}: {figure.note}")
        gated = [figure.met for figure in self.figures if figure.gate]
        print(
            f"\n{gated.count('yes')} of {len(gated)} gates met, {gated.count('no')} missed, "
            f"{gated.count('?')} not measured."
        )
