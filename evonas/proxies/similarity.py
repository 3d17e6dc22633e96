"""How alike two layers see the same stimuli: comparisons of Gram matrices and of the RDMs made from them.

G is the Gram matrix of the patterns of B stimuli, H = I - 1/B the centring matrix and <., .> the sum of products of
entries. Nothing here depends on the number of neurons of a layer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evonas.proxies.rdm import rdm
from evonas.snn.statistics import Gram


def centred(gram: Gram) -> Tensor:
    """H G H (B, B): the Gram matrix of the patterns less their mean."""
    g = gram.products
    return g - g.mean(0) - g.mean(1, keepdim=True) + g.mean()


def alignment(first: Gram, second: Gram) -> float:
    """The linear centred kernel alignment of two layers, 0 .. 1; 0 where either answers all stimuli alike.

        <H G H, H K H> / (|H G H| |H K H|)

    Kornblith et al., ICML 2019, arXiv 1905.00414, equation 4 for linear kernels; by Williams et al. (arXiv 2110.14739)
    the comparison of two RDMs of squared distances by their cosine, once both are centred.
    """
    g, k = centred(first), centred(second)
    norm = float(g.norm() * k.norm())
    if min(_share(first, g), _share(second, k)) < CONSTANT or norm == 0.0:
        return 0.0
    return float((g * k).sum()) / norm


def participation_ratio(gram: Gram) -> float:
    """How many directions the B patterns fill, 1 .. B - 1; 1 where all are alike.

        (tr H G H)^2 / tr (H G H)^2

    Gao et al. 2017, bioRxiv 214262, equation 5.
    """
    g = centred(gram)
    if _share(gram, g) < CONSTANT:
        return 1.0
    return float(g.trace()) ** 2 / float((g * g).sum())


CONSTANT = 1e-9
"""Share of the patterns' power about their mean below which they count as all alike."""


def _share(gram: Gram, matrix: Tensor) -> float:
    power = float(gram.products.diagonal().sum())
    return float(matrix.trace()) / power if power > 0.0 else 0.0


def directions(grams: list[Gram], distance: str) -> Tensor:
    """The RDM of each layer as a unit vector (layers, pairs): its pairs less their mean; zero where all are equal.

    The product of two of them is the Pearson correlation of the RDMs.
    """
    pairs = torch.triu_indices(len(grams[0].sums), len(grams[0].sums), 1)
    vectors = torch.stack([rdm(gram, distance)[pairs[0], pairs[1]] for gram in grams])
    vectors = vectors - vectors.mean(1, keepdim=True)
    norms = vectors.norm(dim=1, keepdim=True)
    return torch.where(norms > CONSTANT, vectors / norms.clamp(min=CONSTANT), 0.0)


def angles(unit_vectors: Tensor) -> Tensor:
    """The angle (layers, layers) between each two of `directions`, in radians; a zero vector is at right angles."""
    return (unit_vectors @ unit_vectors.T).clamp(-1.0, 1.0).acos()
