"""A model in 4 or 8 bits, brought back to 16 or 32, layer by layer: there is never a second copy of the whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def dequantise(model: Any) -> Any:
    """Replace each quantised layer by a plain one with the same weights in the model's own precision, in place."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    if not getattr(model, "is_quantized", False):
        return model
    # By name: a list of the layers would keep all quantised weights while the plain ones come.
    quantised = [name for name, layer in model.named_modules() if isinstance(layer, Linear4bit | Linear8bitLt)]
    for name in quantised:
        model.set_submodule(name, _plain_linear(model.get_submodule(name), model.dtype))
    model.is_loaded_in_4bit = False
    model.is_loaded_in_8bit = False
    model.is_quantized = False
    model.hf_quantizer = None
    del model.config.quantization_config
    return model


def _plain_linear(layer: Any, dtype: torch.dtype) -> nn.Linear:
    plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    plain.weight = nn.Parameter(_weight_of(layer).to(dtype), requires_grad=False)
    if layer.bias is not None:
        plain.bias = nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
    return plain


def _weight_of(layer: Any) -> Any:
    from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant
    from bitsandbytes.nn.modules import Linear4bit

    weight: Any = layer.weight
    if isinstance(layer, Linear4bit):
        return dequantize_4bit(weight.data, weight.quant_state)
    # The scales move from the weight to the layer's state at the first forward pass.
    scales = weight.SCB if layer.state.SCB is None else layer.state.SCB
    return int8_vectorwise_dequant(weight.data, scales)
