"""The corpora that physioprep knows: one module each, named as in manifests/.

The tables below name the modules that know more than a file format tells. A reader looks them
up by format when it needs them (see `physioprep.readers.structures`).
"""

from __future__ import annotations

#: Modules with a ``STRUCTURE`` of container files, per format, in the order of trying.
STRUCTURES: dict[str, tuple[str, ...]] = {
    "mat": (
        "cpsc2018",
        "dreamer",
        "amigos",
        "shu_mi",
        "deap",
        "bciciv_2a",
        "seed_vig",
        "bcic2020_3",
        "capnobase",
    ),
    "pickles": ("deap", "wesad", "faced"),
    "hdf5": ("code15",),
}

#: Modules with the ``ANNOTATION_ENDING`` of WFDB annotation files beside a recording, per format.
ANNOTATIONS_BESIDE: dict[str, tuple[str, ...]] = {"edf": ("chbmit",)}
