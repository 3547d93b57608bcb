"""How much one small file may promise: every limit of what is read, in one place.

They are checked before memory is allocated, and lie far above what recordings need. The
environment variable ``PHYSIOPREP_READ_LIMITS`` multiplies all of them: with 2, everything may be
twice as large. The table is in docs/readers.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from threading import Lock
from typing import Final

from physioprep.errors import PhysioprepError, UnreadableFileError

#: Environment variable: a factor of all limits.
VARIABLE: Final = "PHYSIOPREP_READ_LIMITS"


def read_factor(text: str | None) -> float:
    """Return the factor of all limits that the environment variable states.

    Parameters
    ----------
    text : str or None
        Value of `VARIABLE`; None or empty for 1.

    Returns
    -------
    float

    Raises
    ------
    PhysioprepError
        It is no positive number.

    Examples
    --------
    >>> read_factor("2"), read_factor(None)
    (2.0, 1.0)
    """
    try:
        factor = float(text or 1)
    except ValueError:
        factor = math.nan
    if not 0 < factor <= 1e6:
        raise PhysioprepError(f"{VARIABLE}={text}: must be a number above 0, up to a million")
    return factor


_FACTOR: Final = read_factor(environ.get(VARIABLE))


def _limit(value: int) -> int:
    return max(1, int(value * _FACTOR))


#: Signals of one recording, and columns of a table.
MAX_CHANNELS: Final = _limit(4_096)
MAX_COLUMNS: Final = _limit(16_384)
#: Sampling rates, Hz: one sample in 30 years, and far above any electrode's.
MIN_RATE_HZ: Final = 1e-9
MAX_RATE_HZ: Final = 1e6 * max(1.0, _FACTOR)
#: Samples per channel: 38 days at 30 kHz.
MAX_SAMPLES: Final = _limit(100_000_000_000)
#: Segments of a WFDB record.
MAX_SEGMENTS: Final = _limit(20_000)
#: Data records of an EDF+ or BDF+ file, each of which states its time.
MAX_TIMED_RECORDS: Final = _limit(1_500_000)
#: Annotations of one file, and the size of a WFDB annotation file.
MAX_ANNOTATIONS: Final = _limit(2_000_000)
MAX_ANNOTATION_BYTES: Final = _limit(32 << 20)
#: What samples that are compressed, or are gaps, may take in memory: this many bytes, or this
#: many times the bytes of their files.
MAX_EXPANDED_BYTES: Final = _limit(256 << 20)
MAX_EXPANSION_TIMES: Final = _limit(64)
#: The first of these of a file that is compressed as a whole: XDF in gzip, deflated DICOM.
MAX_INFLATED_BYTES: Final = _limit(64 << 20)
#: Of an XDF file: chunks without a sample or a clock offset (a day has 8640 boundaries), clock
#: offsets (20 streams have 345,000 in a day), and chunks of a single sample.
MAX_EMPTY_CHUNKS: Final = _limit(50_000)
MAX_CLOCK_OFFSETS: Final = _limit(400_000)
MAX_SINGLE_SAMPLES: Final = _limit(300_000)
#: Headers, descriptions, recipes, zarr.json.
MAX_WFDB_HEADER_BYTES: Final = _limit(4 << 20)
MAX_YAML_BYTES: Final = _limit(4 << 20)
MAX_YAML_NODES: Final = _limit(200_000)
MAX_YAML_DEPTH: Final = 50
MAX_JSON_BYTES: Final = _limit(256 << 20)
#: An index page of the web, an object that is read into memory, and a file that is downloaded.
MAX_INDEX_BYTES: Final = _limit(64 << 20)
MAX_OBJECT_BYTES: Final = _limit(2 << 30)
MAX_DOWNLOAD_BYTES: Final = _limit(64 << 30)
#: Names in the listing of a server, and index pages that are asked for.
MAX_LISTED: Final = _limit(5_000_000)
MAX_INDEX_PAGES: Final = _limit(100_000)
#: Samples of a filter's impulse response: a high-pass of 0.001 Hz at 1 kHz has 3.3 million.
MAX_FILTER_TAPS: Final = _limit(4_000_000)
#: A table beside the recordings of a corpus: its bytes, its rows, and the cells that are kept.
MAX_TABLE_BYTES: Final = _limit(1 << 30)
MAX_TABLE_ROWS: Final = _limit(2_000_000)
MAX_TABLE_CELLS: Final = _limit(8_000_000)
#: Any other text beside recordings: summaries, lists, checksums of a corpus.
MAX_TEXT_BYTES: Final = _limit(256 << 20)
#: Tags and references of an XML file.
MAX_XML_MARKS: Final = _limit(500_000)
#: Text of one element of an XML file: of samples (a day at 200 Hz, 5 characters each), of any
#: other; and of all others together.
MAX_XML_SAMPLE_BYTES: Final = _limit(96 << 20)
MAX_XML_ELEMENT_BYTES: Final = _limit(1 << 20)
MAX_XML_OTHER_BYTES: Final = _limit(16 << 20)
#: An XML file of one resting ECG.
MAX_ECG_XML_BYTES: Final = _limit(64 << 20)
#: Characters of one line of a table.
MAX_LINE_BYTES: Final = _limit(1 << 20)
#: Address space (``ulimit -v``) below which numerical libraries hang while they load.
MIN_ADDRESS_SPACE_BYTES: Final = 2 << 30
#: Folders within folders of a corpus.
MAX_FOLDER_DEPTH: Final = 100
#: Values of a manifest in Parquet, those within lists counted singly: this many, or this many
#: times the bytes of the file.
MAX_MANIFEST_VALUES: Final = _limit(20_000_000)
MAX_MANIFEST_VALUES_PER_BYTE: Final = _limit(50)
#: Windows of shards, and bytes of one chunk.
MAX_WINDOWS: Final = _limit(10_000_000_000)
MAX_CHUNK_BYTES: Final = _limit(1 << 30)
#: Records of a store.
MAX_STORE_RECORDS: Final = _limit(1_000_000_000)

#: Parameters of a model; of a file of weights, its tensors or parts, the bytes of its header or
#: pickle, and the values that its pickle stands for.
MAX_PARAMETERS: Final = _limit(200_000_000)
MAX_TENSORS: Final = _limit(50_000)
MAX_WEIGHTS_HEADER_BYTES: Final = _limit(8 << 20)
MAX_PICKLE_NODES: Final = _limit(500_000)


def check(path: str | Path, number: int, limit: int, what: str) -> None:
    """Refuse a file that promises more than a limit.

    Parameters
    ----------
    path : path-like
        Named in the error.
    number : int
        What the file promises.
    limit : int
        One of this module.
    what : str
        What is counted: ``"channels"``.

    Raises
    ------
    UnreadableFileError
        The number is over the limit.

    Examples
    --------
    >>> check("a.hea", 1_000_000, MAX_CHANNELS, "channels")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: a.hea: 1000000 channels, over the limit of 4096 \
(PHYSIOPREP_READ_LIMITS raises it)
    """
    if number > limit:
        raise UnreadableFileError(
            path, f"{number} {what}, over the limit of {limit} ({VARIABLE} raises it)"
        )


def check_rate(path: str | Path, rate_hz: float) -> None:
    """Refuse a sampling rate that none can be.

    Parameters
    ----------
    path : path-like
        Named in the error.
    rate_hz : float
        As the file states it, Hz.

    Raises
    ------
    UnreadableFileError
        It is no number from `MIN_RATE_HZ` to `MAX_RATE_HZ`.

    Examples
    --------
    >>> check_rate("a.vhdr", float("nan"))
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: a.vhdr: a sampling rate of nan Hz: must be from 1e-09 \
to 1e+06
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        text = f"a sampling rate of {rate_hz:g} Hz: must be from {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g}"
        raise UnreadableFileError(path, text)


def check_expansion(
    path: str | Path, n_bytes: int, stored_bytes: int, what: str, least: int = MAX_EXPANDED_BYTES
) -> None:
    """Refuse samples that take far more memory than the files that promise them.

    Parameters
    ----------
    path : path-like
        Named in the error.
    n_bytes : int
        Size of the decoded samples.
    stored_bytes : int
        Size of their files.
    what : str
        Why they grow: ``"with its gaps"``.
    least : int
        Bytes that are always allowed.

    Raises
    ------
    UnreadableFileError
        The size is over both `least` and `MAX_EXPANSION_TIMES` the files'.

    Examples
    --------
    >>> check_expansion("a.npz", 8_000, 1, "decompressed")
    """
    if n_bytes > max(least, MAX_EXPANSION_TIMES * stored_bytes):
        raise UnreadableFileError(
            path,
            f"{what}, {stored_bytes} bytes of files would take {n_bytes} bytes "
            f"({VARIABLE} raises the limit)",
        )


class Budget:
    """Bytes that one call may still take, counted from any thread.

    Parameters
    ----------
    n_bytes : int
        In all.
    error : Exception
        Raised when more are asked for.

    Examples
    --------
    >>> budget = Budget(10, PhysioprepError("over 10 bytes"))
    >>> budget.spend(10)
    >>> budget.spend(1)
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: over 10 bytes
    """

    def __init__(self, n_bytes: int, error: Exception) -> None:
        self._left, self._error = n_bytes, error
        self._guard = Lock()

    def spend(self, n_bytes: int) -> None:
        """Count bytes.

        Parameters
        ----------
        n_bytes : int
            That have come, or are about to.
        """
        with self._guard:
            self._left -= n_bytes
            if self._left < 0:
                raise self._error


@contextmanager
def one_error(path: str | Path) -> Iterator[None]:
    """Turn an exhausted memory or stack into an error that names the file.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    None

    Raises
    ------
    UnreadableFileError
        In place of MemoryError and RecursionError.

    Examples
    --------
    >>> with one_error("a.edf"):
    ...     raise MemoryError
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: a.edf: does not fit into memory
    """
    try:
        yield
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except RecursionError:
        raise UnreadableFileError(path, "is nested too deep") from None
