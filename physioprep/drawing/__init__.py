"""Draw plain arrays in the layouts of clinical practice: ECG on paper, EEG as a montage."""

from __future__ import annotations

from physioprep.drawing.ecg import ecg_panel
from physioprep.drawing.eeg import eeg_panel, strips_panel
from physioprep.drawing.page import Mark, Panel, compose

__all__ = ["Mark", "Panel", "compose", "ecg_panel", "eeg_panel", "strips_panel"]
