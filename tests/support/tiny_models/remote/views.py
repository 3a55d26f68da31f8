"""What both stand-ins share: pictures as one whole view and a grid of tiles, and where they enter the words."""

import numpy as np
import torch
from transformers import BaseImageProcessor, BatchFeature, ProcessorMixin
from transformers.image_utils import make_flat_list_of_images


class Views(BaseImageProcessor):
    """Pictures as `pixel_values [N, views, 3, S, S]`: the whole, then tiles line by line; missing ones are zero."""

    grid_name = "image_sizes"

    def __init__(self, tile_pixels=32, most_tiles=4, tile_tokens=2, **kwargs):
        super().__init__(**kwargs)
        self.tile_pixels, self.most_tiles, self.tile_tokens = tile_pixels, most_tiles, tile_tokens

    def preprocess(self, images, return_tensors=None, **kwargs):
        images = make_flat_list_of_images(images)
        grids = [self._grid(image) for image in images]
        views = [self._views(image.convert("RGB"), *grid) for image, grid in zip(images, grids, strict=True)]
        pixels = torch.zeros(len(views), max(map(len, views)), *views[0].shape[1:])
        for place, picture in zip(pixels, views, strict=True):
            place[: len(picture)] = picture
        data = {
            "pixel_values": pixels,
            self.grid_name: torch.tensor([self.named(*grid) for grid in grids]),
            "num_img_tokens": torch.tensor([self.tokens(*grid) for grid in grids]),
        }
        return BatchFeature(data, tensor_type=return_tensors)

    def named(self, rows, columns):
        """What the model is told of a grid."""
        raise NotImplementedError

    def tokens(self, rows, columns):
        """How many tokens a picture becomes."""
        raise NotImplementedError

    def _grid(self, image):
        """Rows and columns that a picture fills at its own size."""
        columns, rows = (max(1, round(side / self.tile_pixels)) for side in image.size)
        while rows * columns > self.most_tiles:
            rows, columns = (rows - 1, columns) if rows > columns else (rows, columns - 1)
        return rows, columns

    def _views(self, image, rows, columns):
        size = self.tile_pixels
        large = image.resize((columns * size, rows * size))
        boxes = [(x * size, y * size, (x + 1) * size, (y + 1) * size) for y in range(rows) for x in range(columns)]
        views = [image.resize((size, size)), *(large.crop(box) for box in boxes)]
        return torch.from_numpy(np.stack([np.asarray(view) for view in views])).permute(0, 3, 1, 2) / 127.5 - 1


class ViewsProcessor(ProcessorMixin):
    """Writes as many image tokens as the image processor counts."""

    image_token = "<image>"

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def replace_image_token(self, image_inputs, image_idx, **kwargs):
        return self.image_token * int(image_inputs["num_img_tokens"][image_idx])

    @property
    def unused_input_names(self):
        return ["num_img_tokens"]


class ReadsViews:
    """Above a language model: puts pictures where the image tokens stand."""

    grid_name = "image_sizes"

    def forward(self, input_ids=None, past_key_values=None, inputs_embeds=None, pixel_values=None, **kwargs):
        grids = kwargs.pop(self.grid_name, None)
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
            if pixel_values is not None and not (past_key_values and past_key_values.get_seq_length()):
                pictures = torch.cat(self.pictures(pixel_values, grids)).to(inputs_embeds.dtype)
                places = (input_ids == self.config.image_token_id)[..., None]
                inputs_embeds = inputs_embeds.masked_scatter(places, pictures)
        return super().forward(inputs_embeds=inputs_embeds, past_key_values=past_key_values, **kwargs)


def lines(tiles, rows, columns, newline):
    """`tiles [rows * columns, q * q, D]` as one picture, `newline [D]` behind each of its lines: `[tokens, D]`."""
    edge, width = int(tiles.shape[1] ** 0.5), tiles.shape[-1]
    picture = tiles.view(rows, columns, edge, edge, width).transpose(1, 2).reshape(rows * edge, columns * edge, width)
    return torch.cat([picture, newline.expand(rows * edge, 1, width)], dim=1).flatten(0, 1)
