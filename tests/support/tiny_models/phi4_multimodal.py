"""A tiny random Phi-4-multimodal."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.parts import VISION_WIDTH, square, text_config, vision_config, write_model
from support.tiny_models.tokenizer import byte_tokenizer

# As the checkpoint's: a whole conversation ends with the end of the text, after the end of the last turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% else %}{{ eos_token }}{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|image|>", "<|audio|>")
# The image processor counts 256 tokens for the whole view, whatever its size: 32 x 32 patches, 2 x 2 to a token.
PATCH_PIXELS, CROP_PIXELS = 4, 128


def tiny_phi4_multimodal(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Phi-4-multimodal (config, weights, processor, tokenizer) to `folder`."""
    from transformers import (
        Phi4MultimodalConfig,
        Phi4MultimodalFeatureExtractor,
        Phi4MultimodalForCausalLM,
        Phi4MultimodalImageProcessor,
        Phi4MultimodalProcessor,
    )

    extra = {"image_token": "<|image|>", "audio_token": "<|audio|>"}
    tokenizer = byte_tokenizer(SPECIAL_TOKENS, eos="<|endoftext|>", pad="<|endoftext|>", extra_special_tokens=extra)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    ends = [ids["<|endoftext|>"], ids["<|end|>"]]
    config = Phi4MultimodalConfig(
        **text_config(
            tokenizer,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=4096,
            original_max_position_embeddings=4096,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.75},
            bos_token_id=ids["<|endoftext|>"],
            eos_token_id=ends,
        ),
        vision_config=vision_config(
            hidden_size=VISION_WIDTH // 2,
            num_hidden_layers=3,
            num_attention_heads=1,
            image_size=CROP_PIXELS,
            crop_size=CROP_PIXELS,
            patch_size=PATCH_PIXELS,
            image_token_id=ids["<|image|>"],
        ),
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_blocks": 1,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "nemo_conv_channels": 16,
            "bias_max_distance": 8,
            "audio_token_id": ids["<|audio|>"],
        },
    )
    processor = Phi4MultimodalProcessor(
        image_processor=Phi4MultimodalImageProcessor(size=square(CROP_PIXELS), patch_size=PATCH_PIXELS),
        audio_processor=Phi4MultimodalFeatureExtractor(),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    )
    return write_model(folder, Phi4MultimodalForCausalLM, config, processor, seed=seed, ends=ends)
