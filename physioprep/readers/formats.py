"""The file formats that are read, by which library, and what must be installed for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from physioprep.readers import FORMATS
from physioprep.readers.extras import missing


@dataclass(frozen=True)
class Format:
    """A file format as a user knows it.

    Parameters
    ----------
    reader : str
        Key of `physioprep.readers.FORMATS`.
    title : str
        What it is called.
    files : str
        Endings and layout.
    library : str
        Module that parses it; "" where this project does.
    extra : str
        Extra of physioprep that installs the library; "" where it is always installed.
    """

    reader: str
    title: str
    files: str
    library: str = ""
    extra: str = ""

    @property
    def missing(self) -> str:
        """Return what to run before the format can be read.

        Returns
        -------
        str
            "" if nothing is missing.
        """
        return missing(self.library, self.extra) if self.library else ""


#: In the order in which they are listed.
KNOWN: Final = (
    Format("wfdb", "WFDB (PhysioNet)", ".hea with .dat, .mat"),
    Format("edf", "EDF, EDF+, BDF, BDF+", ".edf .bdf .rec"),
    Format("mat", "FieldTrip, MATLAB of known structure", ".mat", "scipy"),
    Format("hdf5", "HDF5 of known structure", ".h5 .hdf5", "h5py"),
    Format("pickles", "pickles of DEAP and WESAD", ".dat .pkl"),
    Format("table", "tables with a description", ".csv .tsv .txt .parquet .npy .npz", "pyarrow"),
    Format(
        "mne", "BrainVision, EEGLAB, GDF, FIF, CNT, Persyst and more", ".vhdr .set .gdf …", "mne"
    ),
    Format("mff", "EGI MFF", "folder .mff"),
    Format("egi_raw", "EGI simple binary", ".raw"),
    Format("mne", "ANT Neuro", ".cnt", "antio", "formats"),
    Format("dicom", "DICOM waveforms", ".dcm", "pydicom", "clinical"),
    Format("muse_xml", "GE MUSE XML", ".xml"),
    Format("philips_xml", "Philips Sierra XML", ".xml"),
    Format("hl7_aecg", "HL7 aECG", ".xml"),
    Format("cardiosoft_xml", "CardioSoft and UK Biobank XML", ".xml"),
    Format("scp", "SCP-ECG", ".scp"),
    Format("ishne", "ISHNE Holter", ".ecg"),
    Format("xdf", "XDF (LabStreamingLayer)", ".xdf .xdfz", "pyxdf", "clinical"),
    Format("biopac", "BIOPAC AcqKnowledge", ".acq", "bioread", "clinical"),
    Format("openbci", "OpenBCI GUI 4 to 6", ".txt"),
    Format("empatica", "Empatica E4 session", "folder of .csv, .zip"),
    Format("faros", "Bittium Faros (devicely)", "folder of .csv with meta.json", "pandas"),
    Format("polar", "Polar Sensor Logger", ".txt .csv", "pandas"),
    Format("apple_ecg", "Apple Watch ECG", ".csv"),
    Format("alivecor", "AliveCor Kardia ATC", ".atc"),
    Format("muse_csv", "Mind Monitor, muse-lsl", ".csv", "pandas"),
    Format("micromed", "Micromed", ".trc"),
    Format("nicolet", "Nicolet, Natus", ".e"),
    Format("mef", "MEF 3", "folder .mefd"),
    Format("wav", "WAV (heart sounds)", ".wav", "scipy"),
    Format("nwb", "NWB", ".nwb", "h5py"),
)


def list_formats() -> list[Format]:
    """List the formats that are read.

    Returns
    -------
    list of Format
        Those of `KNOWN` whose reader there is.

    Examples
    --------
    >>> list_formats()[0].title
    'WFDB (PhysioNet)'
    """
    return [each for each in KNOWN if each.reader in FORMATS]
