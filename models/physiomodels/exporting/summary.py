"""What is said of an exported encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physiomodels.exporting.run import EncoderExport


def summary_of(made: EncoderExport) -> dict[str, Any]:
    """Return the figures of an exported encoder.

    Parameters
    ----------
    made : EncoderExport
        What left.

    Returns
    -------
    dict
        File, form, modality, inputs and output, and the largest difference to eager torch.
    """
    about = made.about
    shapes = {
        name: "({})".format(", ".join(map(str, one["shape"])))
        for name, one in (about["inputs"] | about["outputs"]).items()
    }
    return {
        "export": str(made.path),
        "as": about["form"],
        "modality": about["modality"],
        **shapes,
        "largest difference": f"{about['largest_difference']:.1g} ({about['compared_by']})",
        "described in": str(made.path.with_suffix(".json")),
    }
