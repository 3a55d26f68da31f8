"""The file that a trainer starts from: the resolved spec of one run."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from visionft_api import API_VERSION
from visionft_api.base import ApiModel
from visionft_api.hashing import spec_hash
from visionft_api.parse import read_document, read_text, validate
from visionft_api.resource import VisionFineTune
from visionft_api.spec import VisionFineTuneSpec

RUN_KIND: Final = "TrainingRun"


class RunMetadata(ApiModel):
    """Which resource the run belongs to."""

    namespace: str = Field(description="Namespace of the resource.")
    name: str = Field(description="Name of the resource.")
    uid: str = Field(default="", description="UID of the resource; empty on a workstation.")


class RunFile(ApiModel):
    """One run: what the operator writes and the trainer reads."""

    api_version: Literal["visionft.dev/v1alpha1"] = API_VERSION
    kind: Literal["TrainingRun"] = RUN_KIND
    metadata: RunMetadata
    run: int = Field(ge=1, description="Number of the run.")
    spec_hash: str = Field(description="Hash over what the training depends on.")
    spec: VisionFineTuneSpec = Field(description="The spec with its defaults filled in.")

    @classmethod
    def from_resource(cls, resource: VisionFineTune, run: int) -> "RunFile":
        """The run file of a resource's run."""
        return cls(
            metadata=RunMetadata(
                namespace=resource.metadata.namespace or "default",
                name=resource.metadata.name,
                uid=resource.metadata.uid,
            ),
            run=run,
            spec_hash=spec_hash(resource.spec),
            spec=resource.spec,
        )

    def to_text(self) -> str:
        """The file's text: JSON, the same for the same run."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


def load_run_file(path: Path) -> RunFile:
    """Read a run file, or a VisionFineTune manifest as run 1 of a workstation.

    Raises:
        ManifestError: the file cannot be read, or is wrong; it names every problem.
    """
    source = str(path)
    document = read_document(read_text(path), source)
    if document.get("kind") == RUN_KIND:
        return validate(RunFile, document, source)
    return RunFile.from_resource(validate(VisionFineTune, document, source), run=1)
