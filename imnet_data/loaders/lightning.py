"""A Lightning callback that takes the position of the training loader along in checkpoints.

Lightning does so itself, except where a module asks for `trainer.estimated_stepping_batches` in
`configure_optimizers`, as OneCycleLR needs it: then it has opened the loader before it restores the
checkpoint, does not give it its state, and the epoch begins anew without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning

from imnet_data.loaders.torch import TorchLoader

if TYPE_CHECKING:
    from collections.abc import Mapping


class LoaderPosition(lightning.Callback):
    """Keeps the position of a trainer's one TorchLoader, and restores it when a run resumes."""

    def __init__(self) -> None:
        self._loader: TorchLoader | None = None
        self._state: Mapping[str, Any] | None = None

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Set the loader to the position of the checkpoint, before its first batch is asked for.

        Raises:
            TypeError: if what is trained on is not a TorchLoader.
        """
        loader = trainer.train_dataloader
        if not isinstance(loader, TorchLoader):
            raise TypeError(
                f"LoaderPosition is for one TorchLoader; train_dataloader is a {type(loader)}"
            )
        self._loader = loader
        if self._state:
            loader.load_state_dict(self._state)
            self._state = None

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch that was given."""
        return {} if self._loader is None else {**self._loader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the position until training starts."""
        self._state = state_dict
