"""An independent reference: one member, plain torch.nn and torch.optim, formulas as written.

Shares with the trainer only the initial weights, the prototypes and the label mask, which have
tests of their own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.cohort import Cohort, Member
from trainer.data.batches import draw_label_mask
from trainer.losses.prototypes import draw_orthonormal
from trainer.models.mlp import StackedMlp
from trainer.objective_settings import ClopSettings, InfoNCESettings, SupConSettings
from trainer.settings import ModelSettings

CLASSES = 10


class PlainTrainer:
    """One member's network and optimiser, in float64."""

    def __init__(self, member: Member, cohort: Cohort, labels_N: Tensor) -> None:
        self._member = member
        self._labels_N = labels_N
        self._encoder, self._head = build_networks(cohort, member.seed)
        train = cohort.train
        parameters = [*self._encoder.parameters(), *self._head.parameters()]
        if train.optimizer == "adam":
            self._optimizer: torch.optim.Optimizer = torch.optim.Adam(
                parameters, lr=member.lr, weight_decay=member.weight_decay
            )
        else:
            self._optimizer = torch.optim.SGD(
                parameters,
                lr=member.lr,
                momentum=train.momentum,
                weight_decay=member.weight_decay,
            )

    def step(self, views_VBF: Tensor, indices_B: Tensor) -> float:
        """Take one step on a batch and return the loss before it."""
        self._encoder.train()
        self._head.train()
        z = functional.normalize(self._head(self._encoder(views_VBF.flatten(0, 1))), dim=-1)
        x, y = z.chunk(2)
        loss = self._loss(x, y, indices_B)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()

    @torch.no_grad()
    def embed(self, images_NF: Tensor) -> Tensor:
        """Return raw projections in evaluation mode."""
        self._encoder.eval()
        self._head.eval()
        projections: Tensor = self._head(self._encoder(images_NF))
        return projections

    def state(self) -> list[Tensor]:
        """Return weights (as torch.nn lays them out), biases, gains, shifts and statistics."""
        modules = [*self._encoder, *self._head]
        return [
            tensor.detach()
            for module in modules
            for tensor in module.state_dict().values()
            if tensor.is_floating_point()
        ]

    def _loss(self, x: Tensor, y: Tensor, indices_B: Tensor) -> Tensor:
        labels = self._labels_N[indices_B]
        match self._member.objective:
            case InfoNCESettings(temperature=tau):
                return plain_infonce(x, y, tau)
            case SupConSettings(temperature=tau):
                return plain_supcon(x, y, labels.tolist(), tau)
            case ClopSettings(temperature=tau, lambda_=weight, label_fraction=fraction):
                mask_N = draw_label_mask(self._labels_N, fraction, self._member.seed)
                prototypes = draw_orthonormal(CLASSES, x.shape[1], self._member.seed)
                pull = plain_pull(x, y, labels, mask_N[indices_B].tolist(), prototypes)
                return plain_infonce(x, y, tau) + weight * pull
            case other:
                raise AssertionError(f"the reference has no {other}")


def build_networks(cohort: Cohort, seed: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return encoder and head with the member's initial weights, float64."""
    model = cohort.model
    assert isinstance(model, ModelSettings)
    drawn = StackedMlp.of(model, 64).init_parameters([seed])
    weights = iter([p[0] for name, p in drawn.items() if name.endswith(("weight", "bias"))])
    encoder = chain((64, *model.hidden), model.norm, last_is_plain=False)
    head = chain((model.hidden[-1], *model.head_hidden, model.embed_dim), model.norm)
    for module in [*encoder, *head]:
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(next(weights).mT.clone())
            module.bias = nn.Parameter(next(weights)[0].clone())
    return encoder.double(), head.double()


def chain(widths: Sequence[int], norm: str, *, last_is_plain: bool = True) -> nn.Sequential:
    """Return Linear, norm and ReLU per layer; the last one only Linear if it is plain."""
    modules: list[nn.Module] = []
    for i in range(len(widths) - 1):
        modules.append(nn.Linear(widths[i], widths[i + 1]))
        if last_is_plain and i == len(widths) - 2:
            break
        if norm == "batch":
            modules.append(nn.BatchNorm1d(widths[i + 1]))
        if norm == "layer":
            modules.append(nn.LayerNorm(widths[i + 1]))
        modules.append(nn.ReLU())
    return nn.Sequential(*modules)


def plain_infonce(x: Tensor, y: Tensor, tau: float) -> Tensor:
    logits = x @ y.T / tau
    target = torch.arange(len(x))
    return functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)


def plain_supcon(x: Tensor, y: Tensor, labels: list[int], tau: float) -> Tensor:
    z, labels = torch.cat([x, y]), labels + labels
    terms = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        log_p = functional.log_softmax(z[others] @ z[i] / tau, dim=0)
        positives = [k for k, j in enumerate(others) if labels[j] == labels[i]]
        terms.append(-log_p[positives].mean())
    return torch.stack(terms).mean()


def plain_pull(
    x: Tensor, y: Tensor, labels: Tensor, labelled: list[bool], prototypes: Tensor
) -> Tensor:
    rows = [i for i, may in enumerate(labelled) if may]
    terms = [1 - view[i] @ prototypes[labels[i]] for view in (x, y) for i in rows]
    return torch.stack(terms).mean() if terms else torch.zeros(())
