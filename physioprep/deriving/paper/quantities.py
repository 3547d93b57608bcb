"""What the columns of the table of pictures are."""

from __future__ import annotations

from typing import Final

from physioprep.deriving.quantities import KEYS, LEAD, Quantity

PICTURES: Final = (
    *KEYS,
    Quantity("modality", "", "What is drawn: ecg or eeg."),
    Quantity("page", "1", "Number of the page in the record, from 0."),
    Quantity("file", "", "The picture's file, or the tar that holds it, in the folder."),
    Quantity("name", "", "Name of the picture: of its file, or in the tar."),
    Quantity("width_px", "px", "Width of the picture."),
    Quantity("height_px", "px", "Height of the picture."),
    Quantity("px_per_mm", "px/mm", "Pixels of a millimetre of paper."),
    Quantity("rotation_deg", "deg", "By how much augmentation turned the picture about its middle, "
             "anticlockwise as seen. Boxes and scales are those before it."),
    *LEAD,
    Quantity("row", "1", "Row of the lead on the page, from 0."),
    Quantity("column", "1", "Column of the lead in its row, from 0."),
    Quantity("left_px", "px", "Left of the lead's box. The middle of the first pixel is 0."),
    Quantity("top_px", "px", "Top of the lead's box, from the top of the picture."),
    Quantity("right_px", "px", "Right of the lead's box."),
    Quantity("bottom_px", "px", "Bottom of the lead's box."),
    Quantity("rate_hz", "Hz", "Sampling rate of the samples drawn."),
    Quantity("first_sample", "1", "First sample drawn, from the record's first sample."),
    Quantity("n_samples", "1", "Number of samples drawn, those that are missing too; 0 for none."),
    Quantity("n_missing", "1", "Number of these that are missing: gaps in the trace."),
    Quantity("n_outside", "1", "Number of these whose trace lies above or below the box."),
    Quantity("x_first_px", "px", "Where the first sample stands, from the left: sample n of those "
             "drawn is at x_first_px + n * px_per_sample."),
    Quantity("px_per_sample", "px", "Pixels from sample to sample."),
    Quantity("y_zero_px", "px", "Where 0 mV stands, from the top: a sample of v mV is at "
             "y_zero_px - v * px_per_mv. The median of the samples stands on the row's baseline."),
    Quantity("px_per_mv", "px/mV", "Pixels of a millivolt upwards; below 0 of EEG, whose "
             "negative is up."),
    Quantity("reason", "", "Why the box is empty; null where it is not."),
)  # fmt: skip
