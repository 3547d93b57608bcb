"""Which channels of its shards a stream yields, and which of them are inputs and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from physioprep.channel_choice import Channels, channels_of, modality_with, narrow
from physioprep.hashes import canonical_sha256
from physioprep.lead_views import Leads, LeadView
from physioprep.stream.leads import split_leads


@dataclass(frozen=True)
class Choice:
    """The channels of a stream.

    Parameters
    ----------
    channels : dict of str to tuple of str
        By modality, in the order of the batches, before leads are chosen.
    slots : dict of str to (list of int, or None)
        Their places among those of the shards; None: all of them.
    inputs, targets : LeadView or None
        Leads given, and leads to answer.
    lead_modality : str or None
        Whose leads these are.
    """

    channels: dict[str, tuple[str, ...]]
    slots: dict[str, list[int] | None]
    inputs: LeadView | None
    targets: LeadView | None
    lead_modality: str | None

    @property
    def identity(self) -> dict[str, str]:
        """What a saved position has to agree with; empty where nothing is chosen.

        Returns
        -------
        dict of str to str
        """
        chosen = {name: self.channels[name] for name, slots in self.slots.items() if slots}
        views = [None if view is None else view.to_text() for view in (self.inputs, self.targets)]
        if not chosen and self.lead_modality is None:
            return {}
        return {"view_sha256": canonical_sha256([chosen, views])}

    @property
    def of_batch(self) -> dict[str, tuple[str, ...]]:
        """Channels by the names in a batch: of its signals, and of ``target_<modality>``.

        Returns
        -------
        dict of str to tuple of str
        """
        found, name = dict(self.channels), self.lead_modality
        if name is not None and self.inputs is not None:
            found[name] = self.inputs.leads
        if name is not None and self.targets is not None:
            found[f"target_{name}"] = self.targets.leads
        return found

    def split(self, batch: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Return a batch with its inputs and targets.

        Parameters
        ----------
        batch : dict of str to Tensor
            Of the stream.
        seed : int
            Of the draws.

        Returns
        -------
        dict of str to Tensor
        """
        if self.lead_modality is None:
            return batch
        names = self.channels[self.lead_modality]
        return split_leads(batch, self.lead_modality, names, self.inputs, self.targets, seed=seed)


def choose(
    held: Mapping[str, Sequence[str]],
    channels: Channels | None,
    input_leads: Leads | None,
    target_leads: Leads | None,
    where: str,
) -> Choice:
    """Choose channels, inputs and targets.

    Parameters
    ----------
    held : mapping of str to sequence of str
        Channels of the shards, by modality.
    channels, input_leads, target_leads
        As in `ShardStream`.
    where : str
        What holds them, for messages.

    Returns
    -------
    Choice

    Raises
    ------
    ShardError
        There is no such channel; the message lists what is there.
    """
    chosen = narrow(channels_of(channels), held, where)
    slots = {
        name: None if names == tuple(held[name]) else [held[name].index(each) for each in names]
        for name, names in chosen.items()
    }
    inputs = None if input_leads is None else LeadView.of(input_leads)
    targets = None if target_leads is None else LeadView.of(target_leads)
    named = list(dict.fromkeys(lead for view in (inputs, targets) if view for lead in view.leads))
    modality = modality_with(named, chosen, where) if named else None
    return Choice(chosen, slots, inputs, targets, modality)
