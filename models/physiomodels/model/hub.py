"""Models in folders, and on Hugging Face's hub where huggingface_hub is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from physiomodels.model.weights import build_fitting, load_folder, named, save_folder
from physioprep.errors import ModelError

_Mixin: type = object
if find_spec("huggingface_hub") is not None:
    from huggingface_hub import ModelHubMixin

    _Mixin = ModelHubMixin

_FILES = ["config.json", "model.safetensors"]
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w.-]+")


class HubModel(_Mixin):  # type: ignore[misc, valid-type]
    """A module that saves and loads itself; with huggingface_hub it also has `push_to_hub`."""

    config: dict[str, Any]

    def save_pretrained(self, folder: str | Path, **hub: Any) -> Any:
        """Write ``config.json`` and ``model.safetensors`` into a folder.

        Parameters
        ----------
        folder : path-like
            Made where it does not exist.
        **hub
            Arguments of ``huggingface_hub.ModelHubMixin.save_pretrained``, which then writes a
            model card as well.

        Returns
        -------
        object
            With `hub`, what the hub's method returns (an address, or None); else None.
        """
        if hub:
            return super().save_pretrained(folder, **hub)
        save_folder(self, self.config, Path(folder))  # type: ignore[arg-type]
        return None

    def _save_pretrained(self, save_directory: Path) -> None:
        save_folder(self, self.config, save_directory)  # type: ignore[arg-type]

    @classmethod
    def from_pretrained(cls, folder: str | Path, **hub: Any) -> Self:
        """Load what `save_pretrained` wrote, or the best weights of a folder of `pretrain`.

        Parameters
        ----------
        folder : path-like
            Or ``"owner/name"`` of a repository on the hub, where there is no such folder and
            huggingface_hub is installed.
        **hub
            For ``huggingface_hub.snapshot_download``: ``revision``, ``token`` ...

        Returns
        -------
        HubModel
            Of this class.

        Raises
        ------
        ModelError
            If there is no saved model, or it does not fit; the message says what.
        """
        path = Path(folder)
        if _Mixin is not object and not path.exists() and _REPOSITORY.fullmatch(str(folder)):
            path = _download(str(folder), hub)
        with named(path):
            config, state = load_folder(path / "best" if (path / "best").is_dir() else path)
            made: Self = build_fitting(lambda: cls(**config), state)  # type: ignore[type-var]
        return made


def _download(name: str, hub: dict[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_FILES, **hub))
    except Exception as error:  # a dozen kinds: no network, no such repository, no access
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"{name}: no such folder, and not from the hub ({cause})") from error
