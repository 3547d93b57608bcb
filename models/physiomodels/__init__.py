"""Encoders, dual masking, pretraining, fusion, fine-tuning and evaluation, in PyTorch.

Names load when they are first used: importing this package does not import torch.

Examples
--------
>>> from physiomodels import DualMask
>>> DualMask(temporal_ratio=0.3).patch_ratio
0.5
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physiomodels.embeddings.of_shards import embed as embed
    from physiomodels.evaluation.evaluate import evaluate as evaluate
    from physiomodels.model.encoder import CrissCrossEncoder as CrissCrossEncoder
    from physiomodels.model.fusion import FusionClassifier as FusionClassifier
    from physiomodels.model.masking import DualMask as DualMask
    from physiomodels.prediction.run import predict_recordings as predict_recordings
    from physiomodels.training.finetune import finetune as finetune
    from physiomodels.training.predict import predict as predict
    from physiomodels.training.pretrain import pretrain as pretrain
else:
    _HOME = {
        "CrissCrossEncoder": "physiomodels.model.encoder",
        "DualMask": "physiomodels.model.masking",
        "FusionClassifier": "physiomodels.model.fusion",
        "embed": "physiomodels.embeddings.of_shards",
        "evaluate": "physiomodels.evaluation.evaluate",
        "finetune": "physiomodels.training.finetune",
        "predict": "physiomodels.training.predict",
        "predict_recordings": "physiomodels.prediction.run",
        "pretrain": "physiomodels.training.pretrain",
    }

    def __getattr__(name: str) -> object:
        """Load a public name from its module."""
        if name not in _HOME:
            raise AttributeError(f"module 'physiomodels' has no attribute {name!r}")
        from importlib import import_module

        from physioprep.errors import TRAIN, WITHOUT_TRAIN

        try:
            module = import_module(_HOME[name])
        except ModuleNotFoundError as error:
            if error.name in TRAIN:
                raise ModuleNotFoundError(f"{name}: {WITHOUT_TRAIN}", name=error.name) from None
            raise
        value = globals()[name] = getattr(module, name)
        return value


__all__ = [
    "CrissCrossEncoder",
    "DualMask",
    "FusionClassifier",
    "embed",
    "evaluate",
    "finetune",
    "predict",
    "predict_recordings",
    "pretrain",
]


def __dir__() -> list[str]:
    """List the public names, too."""
    return sorted({*globals(), *__all__})
