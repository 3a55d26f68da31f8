"""Phi-3-Vision: CLIP's layer before the last, 2 x 2 patches joined, tiles before the whole view."""

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, Phi3Config, Phi3ForCausalLM, Phi3Model

from .views import ReadsViews, Views, ViewsProcessor, lines


class Phi3VConfig(Phi3Config):
    model_type = "phi3_v"
    img_processor: dict | None = None
    image_token_id: int | None = None


class Phi3VImageProcessor(Views):
    def named(self, rows, columns):
        return rows * self.tile_pixels, columns * self.tile_pixels

    def tokens(self, rows, columns):
        return (rows * columns + 1) * self.tile_tokens**2 + 1 + (rows + 1) * self.tile_tokens


class Phi3VProcessor(ViewsProcessor):
    image_token = "<|image|>"

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)


class Phi3ImageEmbedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        clip = CLIPVisionConfig(**config.img_processor)
        joined = 4 * clip.hidden_size
        self.tile_pixels = clip.image_size
        self.layer = config.img_processor.get("layer_idx", -2)
        self.img_processor = CLIPVisionModel(clip)
        self.glb_GN = nn.Parameter(torch.randn(1, 1, joined))
        self.sub_GN = nn.Parameter(torch.randn(1, 1, 1, joined))
        self.img_projection = nn.Sequential(
            nn.Linear(joined, config.hidden_size), nn.GELU(), nn.Linear(config.hidden_size, config.hidden_size)
        )

    def forward(self, pixel_values, image_sizes):
        grids = [(height // self.tile_pixels, width // self.tile_pixels) for height, width in image_sizes.tolist()]
        counts = [1 + rows * columns for rows, columns in grids]
        views = torch.cat([views[:count] for views, count in zip(pixel_values, counts, strict=True)])
        patches = self.img_processor(views, output_hidden_states=True).hidden_states[self.layer][:, 1:]
        edge, width = int(patches.shape[1] ** 0.5) // 2, patches.shape[-1]
        blocks = patches.view(-1, edge, 2, edge, 2, width).transpose(2, 3).reshape(len(views), edge**2, 4 * width)
        pictures = []
        for picture, (rows, columns) in zip(blocks.split(counts), grids, strict=True):
            tiles = lines(picture[1:], rows, columns, self.sub_GN.flatten())
            whole = lines(picture[:1], 1, 1, self.sub_GN.flatten())
            pictures.append(self.img_projection(torch.cat([tiles, self.glb_GN[0], whole])))
        return pictures


class Phi3VModel(ReadsViews, Phi3Model):
    def __init__(self, config):
        super().__init__(config)
        self.vision_embed_tokens = Phi3ImageEmbedding(config)
        self.post_init()

    def pictures(self, pixel_values, grids):
        return self.vision_embed_tokens(pixel_values, grids)


class Phi3VForCausalLM(Phi3ForCausalLM):
    config_class = Phi3VConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = Phi3VModel(config)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        pixel_values=None,
        image_sizes=None,
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
            image_sizes=image_sizes,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )
