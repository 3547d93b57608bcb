"""Draw recordings in the layouts of clinical practice.

`plot_record` draws from a store; `ecg_panel`, `eeg_panel` and `compose` draw plain arrays.
"""

from __future__ import annotations

from physioprep.viewing.ecg import ecg_panel
from physioprep.viewing.eeg import eeg_panel, strips_panel
from physioprep.viewing.page import Mark, Panel, compose
from physioprep.viewing.record import plot_record

__all__ = ["Mark", "Panel", "compose", "ecg_panel", "eeg_panel", "plot_record", "strips_panel"]
