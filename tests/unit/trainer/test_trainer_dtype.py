"""What a device computes in."""

import pytest
import torch
from visionft_trainer.model.load import dtype_of


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        (None, torch.float32),
        ((7, 0), torch.float16),  # V100
        ((7, 5), torch.float16),  # T4: torch calls bfloat16 supported there, and imitates it
        ((8, 0), torch.bfloat16),
        ((8, 9), torch.bfloat16),
        ((9, 0), torch.bfloat16),
        ((12, 0), torch.bfloat16),
    ],
)
def test_bfloat16_where_the_gpu_has_it(capability: tuple[int, int] | None, dtype: torch.dtype) -> None:
    assert dtype_of(capability) is dtype
