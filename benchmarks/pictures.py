"""Processor time and size of a picture of ECG, by kind of picture.

    OMP_NUM_THREADS=1 python benchmarks/pictures.py [--pictures 100]

Twelve leads of SIMULATED ECG (NeuroKit2), 10 s at 500 Hz, drawn in one process: no reading of a
store, no writing of files.
"""

from __future__ import annotations

import argparse
import time

import neurokit2
import numpy as np

from physioprep.deriving.paper.record import draw_pages
from physioprep.deriving.paper.spec import AUGMENTATIONS, TWELVE, PictureSpec

SPECS = {
    "3x4+1, 100 dpi": PictureSpec(),
    "12x1, 100 dpi": PictureSpec(layout="12x1"),
    "3x4+1, 200 dpi": PictureSpec(dpi=200),
    "3x4+1, 512x512": PictureSpec(size=(512, 512)),
    "3x4+1, 100 dpi, all augmentations (JPEG)": PictureSpec(augment=AUGMENTATIONS),
    "3x4+1, 100 dpi, all but JPEG": PictureSpec(augment=AUGMENTATIONS[:-1]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100)
    count = parser.parse_args().pictures
    signal = neurokit2.ecg_simulate(10, sampling_rate=500, method="multileads", random_state=0)
    leads = np.ascontiguousarray(signal[list(TWELVE)].to_numpy().T)
    for name, spec in SPECS.items():
        sizes = []
        for number in range(count + 1):
            if number == 1:  # the first one draws the grid, too
                begin = time.process_time()
            key = {"corpus": "simulated", "record_id": str(number)}
            ((_, content, _),) = draw_pages(spec, key, leads, TWELVE, TWELVE, 500.0)
            sizes.append(len(content))
        spent = (time.process_time() - begin) / count
        print(f"{name}: {1e3 * spent:.0f} ms, {np.mean(sizes) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
