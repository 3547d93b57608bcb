"""Raw files of the task mitdb-inter-patient, simulated in the structure of mitdb."""

from pathlib import Path

from tests.tasks.files import ecg

#: Symbols of the beats of each record, in order; "+" and "!" are no beats.
BEATS = {
    "101": "+NNLRejNNVAAFN/Q",
    "106": "NNVVENNaJSNNFFf",
    "207": "NL!RNNVNNEANNFQ",
    "100": "+NNANNVNNFNNQSN",
    "103": "NNNjNNVVAAFNNNQ",
    "102": "////NN/f//////V",
}
PARTS = {"train": ("101", "106", "207"), "test": ("100", "103"), "in no part": ("102",)}
CLASSES = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}


def make(raw: Path) -> None:
    """Write the files; the first and the last beat are near the ends."""
    for number, (record, symbols) in enumerate(BEATS.items()):
        samples = [20 + 288 * place for place in range(len(symbols))]
        seconds = (samples[-1] + 30) / 360
        beats = list(zip(samples, symbols, strict=True))
        ecg(raw / record, ("MLII", "V1"), rate_hz=360, seconds=seconds, seed=number, beats=beats)


def expected() -> dict[str, dict[str, int]]:
    """Count the symbols of each class."""
    found = {}
    for part, records in {"all": tuple(BEATS), **PARTS}.items():
        held = "".join(BEATS[record] for record in records)
        own = {name: sum(held.count(s) for s in symbols) for name, symbols in CLASSES.items()}
        found[part] = own | {"total": sum(own.values())}
    return found
