"""Write Qwen2-VL-2B with random weights (4.4 GB, bfloat16): its real shape, its real cost, no download.

    python make_model.py FOLDER

The tokenizer knows single bytes only, so a text has about three times the tokens that the real one would make; the
embedding keeps the real vocabulary of 151,936.
"""

import sys
from pathlib import Path

import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor, Qwen2VLVideoProcessor
from transformers.models.qwen2_vl import Qwen2VLImageProcessor

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.tiny_models import CHAT_TEMPLATE, SPECIAL_TOKENS, tiny_tokenizer

PIXELS = {"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28}


def main() -> None:
    folder = Path(sys.argv[1])
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 32768
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 151936,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": True,
        },
        vision_config={"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16, "mlp_ratio": 4},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=PIXELS),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=PIXELS),
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)


if __name__ == "__main__":
    main()
