"""Write records as others' objects and files: MNE, WFDB, EDF and BDF, BIDS, pandas.

The functions take plain parts of a record (`physioprep.exporting.part.Part`), whatever store they
are from.
"""
