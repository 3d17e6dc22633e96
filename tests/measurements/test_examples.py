from __future__ import annotations

import numpy as np
import pytest
import torch

from evonas.data import Dataset, normalise
from evonas.measurements.examples import first_examples


@pytest.mark.parametrize(("n", "there"), [(50, 50), (500, 120)])
def test_they_are_the_first_of_the_split_normalised_in_batches(digits: Dataset, n: int, there: int) -> None:
    batches = list(first_examples(digits.test, spec=digits.spec, n=n, batch=30).in_order())
    assert max(len(labels) for _, labels in batches) == 30
    inputs = torch.cat([inputs[0] for inputs, _ in batches]).numpy()
    np.testing.assert_allclose(inputs, normalise(digits.test.inputs[:there], digits.spec), rtol=1e-6)
    assert torch.cat([labels for _, labels in batches]).tolist() == digits.test.labels[:there].tolist()
