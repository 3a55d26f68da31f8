"""DeepSeek-OCR, the first version: a SAM tower, a CLIP tower over its features, and experts that are linear layers."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

from .views import ReadsViews, Views, ViewsProcessor, lines


class DeepseekOCRConfig(LlamaConfig):
    model_type = "deepseek_vl_v2"
    image_token_id: int | None = None
    n_routed_experts: int = 4
    n_shared_experts: int = 2
    num_experts_per_tok: int = 2
    moe_intermediate_size: int = 32
    first_k_dense_replace: int = 1
    vision_width: int = 16
    vision_layers: int = 2
    tile_pixels: int = 32
    patch_pixels: int = 4


class DeepseekOCRImageProcessor(Views):
    grid_name = "images_spatial_crop"

    def named(self, rows, columns):
        return columns, rows

    def tokens(self, rows, columns):
        whole = self.tile_tokens * (self.tile_tokens + 1)
        tiles = rows * self.tile_tokens * (columns * self.tile_tokens + 1)
        return whole + 1 + (tiles if rows * columns > 1 else 0)


class DeepseekOCRProcessor(ViewsProcessor):
    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)


def attend(joined):
    """Two heads over `[B, T, 3 * D]`."""
    query, key, value = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in joined.chunk(3, dim=-1))
    return scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class SamAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, hidden):
        return self.proj(attend(self.qkv(hidden)))


class SamMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, hidden):
        return self.lin2(nn.functional.gelu(self.lin1(hidden)))


class SamBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), SamAttention(width)
        self.norm2, self.mlp = nn.LayerNorm(width), SamMlp(width)

    def forward(self, hidden):
        hidden = hidden + self.attn(self.norm1(hidden))
        return hidden + self.mlp(self.norm2(hidden))


class Sam(nn.Module):
    """`[V, 3, S, S]` to `[V, 2 * D, E, E]`: patches, blocks, then twice half the edge."""

    def __init__(self, config):
        super().__init__()
        width, patch = config.vision_width, config.patch_pixels
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.pos_embed = nn.Parameter(torch.randn(1, (config.tile_pixels // patch) ** 2, width) * 0.1)
        self.blocks = nn.ModuleList(SamBlock(width) for _ in range(config.vision_layers))
        self.net_2 = nn.Conv2d(width, width, 3, 2, 1, bias=False)
        self.net_3 = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False)

    def forward(self, views):
        hidden = self.patch_embed["proj"](views)
        edge = hidden.shape[-1]
        hidden = hidden.flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            hidden = block(hidden)
        return self.net_3(self.net_2(hidden.transpose(1, 2).unflatten(2, (edge, edge))))


class ClipAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, hidden):
        return self.out_proj(attend(self.qkv_proj(hidden)))


class ClipMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, hidden):
        return self.fc2(nn.functional.gelu(self.fc1(hidden)))


class ClipBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer_norm1, self.self_attn = nn.LayerNorm(width), ClipAttention(width)
        self.layer_norm2, self.mlp = nn.LayerNorm(width), ClipMlp(width)

    def forward(self, hidden):
        hidden = hidden + self.self_attn(self.layer_norm1(hidden))
        return hidden + self.mlp(self.layer_norm2(hidden))


class ClipTransformer(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.layers = nn.ModuleList(ClipBlock(width) for _ in range(layers))

    def forward(self, hidden):
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class Clip(nn.Module):
    """`[V, E * E, W]` of SAM's features to as many of its own, behind a class token."""

    def __init__(self, config):
        super().__init__()
        width = 2 * config.vision_width
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.1)
        self.pre_layrnorm = nn.LayerNorm(width)
        self.transformer = ClipTransformer(width, config.vision_layers)

    def forward(self, patches):
        start = self.class_embedding.expand(len(patches), 1, -1)
        return self.transformer(self.pre_layrnorm(torch.cat([start, patches], dim=1)))[:, 1:]


class Projector(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.Linear(4 * config.vision_width, config.hidden_size)

    def forward(self, features):
        return self.layers(features)


class Mlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, hidden):
        return self.down_proj(nn.functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class Gate(nn.Module):
    """The router: a matrix, and no linear layer."""

    def __init__(self, config):
        super().__init__()
        self.chosen = config.num_experts_per_tok
        self.weight = nn.Parameter(torch.randn(config.n_routed_experts, config.hidden_size) * 0.1)

    def forward(self, hidden):
        shares = (hidden @ self.weight.T).softmax(-1)
        best, indices = shares.topk(self.chosen, dim=-1)
        return torch.zeros_like(shares).scatter(-1, indices, best)


class Moe(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config.hidden_size, config.moe_intermediate_size
        self.experts = nn.ModuleList(Mlp(width, inner) for _ in range(config.n_routed_experts))
        self.gate = Gate(config)
        self.shared_experts = Mlp(width, inner * config.n_shared_experts)

    def forward(self, hidden):
        shares = self.gate(hidden)
        routed = sum(shares[..., number, None] * expert(hidden) for number, expert in enumerate(self.experts))
        return routed + self.shared_experts(hidden)


class DeepseekOCRModel(ReadsViews, LlamaModel):
    grid_name = "images_spatial_crop"

    def __init__(self, config):
        super().__init__(config)
        for layer in self.layers[config.first_k_dense_replace :]:
            layer.mlp = Moe(config)
        self.sam_model, self.vision_model, self.projector = Sam(config), Clip(config), Projector(config)
        self.image_newline = nn.Parameter(torch.randn(config.hidden_size) * 0.1)
        self.view_seperator = nn.Parameter(torch.randn(config.hidden_size) * 0.1)
        self.post_init()

    def pictures(self, pixel_values, grids):
        grids = [(rows, columns) for columns, rows in grids.tolist()]
        counts = [1 + rows * columns if rows * columns > 1 else 1 for rows, columns in grids]
        views = torch.cat([views[:count] for views, count in zip(pixel_values, counts, strict=True)])
        patches = self.sam_model(views).flatten(2).transpose(1, 2)
        features = self.projector(torch.cat([self.vision_model(patches), patches], dim=-1))
        pictures = []
        for picture, (rows, columns) in zip(features.split(counts), grids, strict=True):
            tiles = [lines(picture[1:], rows, columns, self.image_newline)] if len(picture) > 1 else []
            whole = lines(picture[:1], 1, 1, self.image_newline)
            pictures.append(torch.cat([*tiles, whole, self.view_seperator[None]]))
        return pictures


class DeepseekOCRForCausalLM(LlamaForCausalLM):
    config_class = DeepseekOCRConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = DeepseekOCRModel(config)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        pixel_values=None,
        images_spatial_crop=None,
        labels=None,
        use_cache=None,
        logits_to_keep=0,
        **kwargs,
    ):
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            images_spatial_crop=images_spatial_crop,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )
