# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeated measurements, one of each kind after the other, and their medians (pure, but for the calls it makes)."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

#: what one run gives: figures by name, in seconds
Sample = dict[str, float]


class Series:
    """The runs of one variant."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def __getitem__(self, name: str) -> float:
        """Return the median of one figure."""
        return statistics.median(sample[name] for sample in self.samples)

    def values(self, name: str) -> list[float]:
        """Return one figure of every run, in their order."""
        return [sample[name] for sample in self.samples]


def alternate(
    runs: int, variants: Mapping[str, Callable[[], Sample]], tell: Callable[[str], None]
) -> dict[str, Series]:
    """Run every variant ``runs`` times in the order A B C A B C, so that a slow minute of the machine hits all alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in variants}
    for number in range(1, runs + 1):
        for name, run in variants.items():
            sample = run()
            samples[name].append(sample)
            tell(f"{name} {number}/{runs}: " + ", ".join(f"{key} {value:.2f}" for key, value in sample.items()))
    return {name: Series(found) for name, found in samples.items()}
