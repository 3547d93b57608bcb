"""Draw `picture.png`: a SIMULATED ECG (NeuroKit2), as `physioprep derive --pictures` draws it."""

from pathlib import Path

import neurokit2

from physioprep.deriving.paper.record import draw_pages
from physioprep.deriving.paper.spec import TWELVE, PictureSpec

signal = neurokit2.ecg_simulate(10, sampling_rate=500, method="multileads", random_state=3)
leads = signal[list(TWELVE)].to_numpy().T
key = {"corpus": "simulated", "record_id": "1"}
((_, content, _),) = draw_pages(PictureSpec(dpi=80, text=True), key, leads, TWELVE, TWELVE, 500.0)
Path(__file__).with_name("picture.png").write_bytes(content)
