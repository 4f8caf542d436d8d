"""The callback in Lightning's own Trainer."""

import pytest
import torch

import dpap
from dpap.data import load_digits
from dpap.training import rate_loss

lightning = pytest.importorskip("lightning.pytorch")

CONFIG = dpap.DPAPConfig(target={"pruning_rate": 0.5, "epochs": 3})


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.network = dpap.networks.build("4C3-AP2-16FC-10FC", (1, 8, 8), 4, input_max=16)

    def training_step(self, batch, _):
        inputs, labels = batch
        return rate_loss(self.network(inputs), labels)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.network.parameters(), lr=3e-3)


def batches():
    train, _ = load_digits()
    data = torch.utils.data.TensorDataset(
        torch.from_numpy(train.inputs[:384]), torch.from_numpy(train.labels[:384])
    )
    return torch.utils.data.DataLoader(data, batch_size=128)


def fit(epochs, folder, resume=None):
    from dpap.lightning import PrunerCallback

    module = Digits()
    callback = PrunerCallback(lambda module: dpap.DPAP(module.network, CONFIG))
    keep = lightning.callbacks.ModelCheckpoint(folder, save_last=True, save_on_train_epoch_end=True)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback, keep],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, batches(), ckpt_path=resume)
    return module, callback, trainer


def plain_loop(epochs):
    module = Digits()
    pruner, optimizer = dpap.DPAP(module.network, CONFIG), module.configure_optimizers()
    for _ in range(epochs):
        for batch in batches():
            optimizer.zero_grad()
            module.training_step(batch, 0).backward()
            optimizer.step()
            pruner.after_batch()
        pruner.after_epoch()
    return module, pruner


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_prunes_as_a_plain_loop_does_and_goes_on_from_a_checkpoint(tmp_path):
    module, pruner = plain_loop(4)
    whole, callback, trainer = fit(4, tmp_path / "whole")
    assert same(module.state_dict(), whole.state_dict())
    assert callback.pruner.pruning_rate == pruner.pruning_rate > 0.3
    assert trainer.callback_metrics["pruning_rate"].item() == pytest.approx(pruner.pruning_rate)
    fit(2, tmp_path / "part")
    resumed, callback, _ = fit(4, tmp_path / "part", resume=tmp_path / "part" / "last.ckpt")
    assert callback.pruner.epoch == 4
    assert same(whole.state_dict(), resumed.state_dict())


def test_something_else_than_a_pruner_is_refused(tmp_path):
    from dpap.lightning import PrunerCallback

    with pytest.raises(dpap.InputError, match="gave a object; expected a dpap"):
        PrunerCallback(lambda module: object()).on_fit_start(None, None)
