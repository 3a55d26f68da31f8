"""Our whole path for one family's tiny model, stage by stage, as its tests use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visionft_api.spec import VisionFineTuneSpec
from visionft_trainer.families import Family
from visionft_trainer.prepare.preprocess import Prepared
from visionft_trainer.settings import Settings
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.storage.scratch import Scratch

from support.family_data import TRAIN_FILE
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, tiny_manifest

LORA_DEVIATION = 0.05
"""Of random adapter weights: large enough that every gradient and every answer depends on them."""


@dataclass(frozen=True)
class FamilyBench:
    """The stages before `load`, done once for a family; the rest is made on demand from `spec`."""

    family: Family
    files: ModelFiles
    spec: VisionFineTuneSpec
    processor: Any
    rows: Prepared

    def having(self, **sections: dict[str, Any]) -> FamilyBench:
        """The same with sections of the spec changed; those of `model`, `adapter`, `training` and `evaluation`."""
        spec = self.spec.to_json()
        for name, section in sections.items():
            spec[name] = spec.get(name, {}) | section
        return replace(self, spec=VisionFineTuneSpec.model_validate(spec))

    def base_model(self) -> Any:
        """As the stage `load` makes it."""
        import torch
        from visionft_trainer.model import load

        return load.load_model(self.files, self.spec, torch.device("cpu"))

    def plain_model(self, folder: Path | None = None) -> Any:
        """The base model, or the one in `folder`, by plain transformers."""
        import torch

        place = self.files.folder if folder is None else folder
        trust = {"trust_remote_code": True} if self.files.runs_code else {}
        return self.family.model_class().from_pretrained(place, dtype=torch.float32, **trust)

    def plain_processor(self, folder: Path) -> Any:
        """The processor in `folder` by plain transformers."""
        from transformers import AutoProcessor

        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=self.files.runs_code)
        # Phi-4's processor does not take the template that was written beside it; its tokenizer does.
        processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
        return processor

    def tuned_model(self) -> Any:
        """As the stage `adapt` makes it, with random adapter weights in place of the first ones, which do nothing."""
        from visionft_trainer.model import adapt

        return randomise_adapter(adapt.adapt(self.base_model(), self.spec, self.family, self.files.identity))

    def batch(self, numbers: Sequence[int] | None = None) -> dict[str, Any]:
        """A training batch of the rows with these numbers, or of all."""
        from visionft_trainer.prepare.collate import training_batch

        return training_batch(self._examples(numbers), self.rows, self.processor, self.family)

    def packs(self, packs: Sequence[Sequence[int]]) -> dict[str, Any]:
        """A training batch of packs of the rows with these numbers."""
        from visionft_trainer.prepare.collate import packed_batch

        return packed_batch([self._examples(rows) for rows in packs], self.rows, self.processor, self.family)

    def prompts(self, numbers: Sequence[int] | None = None) -> dict[str, Any]:
        """A batch of prompts for generation."""
        from visionft_trainer.prepare.collate import prompt_batch

        return prompt_batch(self._examples(numbers), self.rows, self.processor, self.family)

    def answers(self, model: Any, batch_size: int, max_new_tokens: int) -> list[str]:
        """What the stage `evaluate` makes the model answer to all rows."""
        from visionft_trainer.evaluation.generate import Limits, generate

        limits = Limits(max_new_tokens, batch_size)
        answers = generate(model, self._examples(None), self.rows, limits, self.processor, self.family)
        return [answer.text for answer in answers.items]

    def step(self, model: Any, folder: Path) -> Any:
        """The loss of the first optimiser step of the stage `train`; the gradients are left on the weights."""
        import torch
        from visionft_trainer.estimate import choose
        from visionft_trainer.training import train

        shape = choose.on_cpu(self.spec.training)
        trainer = train.build_trainer(model, self.spec, self.rows, None, self.processor, self.family, folder, shape)
        steps = iter(trainer.get_train_dataloader())
        (work,), tokens = trainer.get_batch_samples(steps, 1, torch.device("cpu"))
        trainer.current_gradient_accumulation_steps = 1  # as the library's loop does for one `Work` a step
        model.train()
        return trainer.training_step(model, work, tokens)

    def _examples(self, numbers: Sequence[int] | None) -> list[Any]:
        return [
            self.rows.examples[number] for number in (range(len(self.rows.examples)) if numbers is None else numbers)
        ]


def family_bench(family: Family, claims: Path, scratch: Path) -> FamilyBench:
    """The bench for `family`, whose tiny model is in `claims/models/<name>` and the rows in `claims/data`."""
    from visionft_trainer.data import ingest
    from visionft_trainer.model import load
    from visionft_trainer.prepare import preprocess
    from visionft_trainer.sources import model as source
    from visionft_trainer.sources import model_code
    from visionft_trainer.storage.digest import folder_digest

    folder = claims / MODEL_CLAIM / folder_name(family)
    trust = {"trustRemoteCode": True, "revision": folder_digest(folder)} if family.remote_code else {}
    settings = Settings(claims={MODEL_CLAIM: claims / MODEL_CLAIM, DATA_CLAIM: claims / DATA_CLAIM})
    manifest = tiny_manifest(
        model={"uri": f"pvc://{MODEL_CLAIM}/{folder.name}", "quantization": "none", **trust},
        dataset={"train": {"pvc": {"claimName": DATA_CLAIM, "path": TRAIN_FILE}}, "validation": None},
        training={"maxSteps": 1, "batchSize": 4},
    )
    spec = VisionFineTuneSpec.model_validate(manifest["spec"])
    place = Scratch(scratch)
    files = source.locate(spec.model, settings)
    model_code.try_code(files, spec, settings)
    processor = load.load_processor(files, spec)
    data = ingest.ingest(spec, settings, place)
    rows = preprocess.preprocess(data.train, spec.dataset, processor, files.family, place)
    return FamilyBench(files.family, files, spec, processor, rows)


def folder_name(family: Family) -> str:
    """`Llama 3.2 Vision` to `llama-3-2-vision`: for folders and files."""
    return "".join(letter if letter.isalnum() else "-" for letter in family.name.lower())


def adapted_modules(model: Any) -> list[str]:
    """Full names, in the base model, of the layers that a PEFT model adapts."""
    names = [name.partition(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name]
    return [name.removeprefix("base_model.model.") for name in names]


def randomise_adapter(model: Any) -> Any:
    """Give LoRA's matrices random values; they follow from the names and the seed alone."""
    import torch

    generator = torch.Generator().manual_seed(7)
    for name, parameter in sorted(model.named_parameters(), key=lambda pair: str(pair[0])):
        if ".lora_A." in name or ".lora_B." in name:
            parameter.data.normal_(0, LORA_DEVIATION, generator=generator)
    return model
