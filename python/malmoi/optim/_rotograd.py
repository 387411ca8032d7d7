"""RotoGrad (Javaloy and Valera 2022, arXiv:2103.02631): task gradients of a shared representation
are made of one length, and turned towards each other by a learned rotation a task.

The classes and arguments are pytorch-optimizer's. Rotations are parametrised by torch (the matrix
exponential of a skew matrix), where the reference needs geotorch; they are trained by an optimizer
over `parameters()`, backbone and heads by one over `model_parameters()`.
"""

import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal


def _turn(points, rotation):
    """points [batch, features] with their first features turned by rotation."""
    n = rotation.size(1)
    if n == points.size(-1):
        return points @ rotation.t()
    return torch.cat((points[:, :n] @ rotation.t(), points[:, n:]), dim=-1)


class _Tasks(nn.Module):
    """A backbone that is shared, and heads; neither is a submodule, as parameters() is for others."""

    def __init__(self, backbone, heads):
        super().__init__()
        self._backbone = [backbone]
        self.heads = heads
        self.rep = None
        self.original_grads = [None] * len(heads)

    @property
    def backbone(self):
        return self._backbone[0]

    def train(self, mode=True):
        super().train(mode)
        for part in (self.backbone, *self.heads):
            part.train(mode)
        return self

    def to(self, *args, **kwargs):
        for part in (self.backbone, *self.heads):
            part.to(*args, **kwargs)
        return super().to(*args, **kwargs)

    def _keep(self, index):
        def hook(gradient):
            self.original_grads[index] = gradient

        return hook

    def forward(self, x):
        out = self.backbone(x)
        rep, extra = (out[0], list(out[1:])) if isinstance(out, (list, tuple)) else (out, [])
        if self.training:
            self.rep = rep
        predictions = []
        for i, head in enumerate(self.heads):
            own = rep
            if self.training:
                own = rep.detach().clone().requires_grad_()
                own.register_hook(self._keep(i))
            answer = head(own)
            if isinstance(answer, (list, tuple)):
                extra.append(answer[1:])
                answer = answer[0]
            predictions.append(answer)
        return (predictions, extra) if extra else predictions

    def mtl_parameters(self, recurse=True):
        return self.parameters(recurse=recurse)

    def model_parameters(self, recurse=True):
        for part in (self.backbone, *self.heads):
            yield from part.parameters(recurse=recurse)


class VanillaMTL(_Tasks):
    """Several tasks over one backbone; their gradients are added."""

    @property
    def grads(self):
        return self.original_grads

    def backward(self, losses, backbone_loss=None, **kwargs):
        for loss in losses:
            loss.backward(**kwargs)
        if backbone_loss is not None:
            backbone_loss.backward(retain_graph=True)
        self.rep.backward(sum(self.original_grads))


class _Rotation(nn.Module):
    """What stands before a head: its task's rotation, with the gradient after it kept."""

    def __init__(self, parent, index):
        super().__init__()
        self._parent, self._index = [parent], index

    def forward(self, z):
        parent = self._parent[0]
        turned = _turn(z, parent.rotation[self._index].detach().clone())
        if parent.training:
            turned.register_hook(self._keep)
        return turned

    def _keep(self, gradient):
        self._parent[0].grads[self._index] = gradient.clone()


class RotateOnly(_Tasks):
    """Rotations alone; lengths of gradients are left."""

    def __init__(self, backbone, heads, latent_size, *args, burn_in_period=20,
                 normalize_losses=False):
        super().__init__(backbone, heads)
        self.num_tasks, self.latent_size = len(heads), latent_size
        self.burn_in_period, self.normalize_losses = burn_in_period, normalize_losses
        for i in range(self.num_tasks):
            heads[i] = nn.Sequential(_Rotation(self, i), heads[i])
            self.register_parameter(f"rotation_{i}", nn.Parameter(torch.eye(latent_size)))
            orthogonal(self, f"rotation_{i}", orthogonal_map="matrix_exp")
        self.grads = [None] * self.num_tasks
        self.losses = [None] * self.num_tasks
        self.initial_losses = [None] * self.num_tasks
        self.initial_backbone_loss = None
        self.iteration_counter = 0

    @property
    def rotation(self):
        return [getattr(self, f"rotation_{i}") for i in range(self.num_tasks)]

    def __len__(self):
        return self.num_tasks

    def __getitem__(self, item):
        return nn.Sequential(self.backbone, self.heads[item])

    def backward(self, losses, backbone_loss=None, **kwargs):
        if not self.training:
            raise AssertionError("Backward should only be called when training")
        if self.iteration_counter in (0, self.burn_in_period):
            self.initial_losses = [loss.detach() for loss in losses]
            if self.normalize_losses and backbone_loss is not None:
                self.initial_backbone_loss = backbone_loss.detach()
        self.iteration_counter += 1
        for i, loss in enumerate(losses):
            relative = loss / self.initial_losses[i]
            self.losses[i] = relative.detach()
            (relative if self.normalize_losses else loss).backward(**kwargs)
        if backbone_loss is not None:
            if self.normalize_losses:
                backbone_loss = backbone_loss / self.initial_backbone_loss
            backbone_loss.backward(retain_graph=True)
        self.rep.backward(self._shared_gradient())

    def _shared_gradient(self):
        """Gradients of the rotations, by how far each task's is from the mean of all."""
        tiny = 1e-15
        length = torch.linalg.norm(sum(self.original_grads) / self.num_tasks)
        scaled = [g * ((length + tiny) / (torch.linalg.norm(g) + tiny)) for g in self.original_grads]
        mean = sum(scaled) / self.num_tasks
        for rotation, own in zip(self.rotation, self.grads):
            (_turn(mean, rotation) - own).square().sum(-1).mean().backward()
        return sum(self.original_grads)


class RotoGrad(RotateOnly):
    """Rotations, and gradients of one length: that of the task that has converged least."""

    def __init__(self, backbone, heads, latent_size, *args, burn_in_period=20,
                 normalize_losses=False):
        super().__init__(backbone, heads, latent_size, *args, burn_in_period=burn_in_period,
                         normalize_losses=normalize_losses)
        self.initial_grads, self.counter = None, 0

    def _shared_gradient(self):
        super()._shared_gradient()
        norms = [torch.linalg.norm(g).clamp_min(1e-15) for g in self.original_grads]
        if self.initial_grads is None or self.counter == self.burn_in_period:
            self.initial_grads = norms
        ratios = [n / first for n, first in zip(norms, self.initial_grads)]
        self.counter += 1
        whole = sum(ratios).clamp_min(1e-15)
        length = sum(r / whole * n for r, n in zip(ratios, norms))
        return sum(g / n * length for g, n in zip(self.original_grads, norms))


class RotoGradNorm(RotoGrad):
    """Rotations with GradNorm's task weights (Chen et al. 2018, arXiv:1711.02257)."""

    def __init__(self, backbone, heads, latent_size, *args, alpha, burn_in_period=20,
                 normalize_losses=False):
        super().__init__(backbone, heads, latent_size, *args, burn_in_period=burn_in_period,
                         normalize_losses=normalize_losses)
        self.alpha = alpha
        self.weight_ = nn.ParameterList(
            [nn.Parameter(torch.ones([])) for _ in range(self.num_tasks)]
        )

    @property
    def weight(self):
        raw = [w.exp() + 1e-15 for w in self.weight_]
        return [w * (self.num_tasks / sum(raw)) for w in raw]

    def _shared_gradient(self):
        super()._shared_gradient()
        norms = [torch.linalg.norm(g) for g in self.original_grads]
        weighted = sum(g * w for g, w in zip(self.original_grads, self.weight)).detach()
        length = torch.linalg.norm(weighted / self.num_tasks)
        mean_loss = sum(self.losses) / len(self.losses)
        for i, (loss, norm) in enumerate(zip(self.losses, norms)):
            wanted = length * (loss / mean_loss) ** self.alpha
            (norm * self.weight[i] - wanted).abs().backward()
        with torch.no_grad():
            return sum(g * w for g, w in zip(self.original_grads, self.weight))
