"""`spec.resources`: what a run may use."""

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import CPU_PATTERN, SIZE_PATTERN, Cpu, ResourceName, Size
from visionft_api.quantities import parse_cpu, parse_size
from visionft_api.rules import Rule, malformed

MIN_MEMORY = "256Mi"
"""Python with torch takes more than this before the first weight is read."""


class ResourcesSpec(ApiModel):
    """GPUs, CPUs and memory."""

    gpus: int = Field(default=1, ge=0, le=16, description="GPUs on each node. 0 trains on CPU.")
    gpu_resource_name: ResourceName = Field(
        default="nvidia.com/gpu", description="Extended resource that a GPU is asked for by."
    )
    nodes: int = Field(default=1, ge=1, le=256, description="Nodes that train together.")
    cpu: Cpu | None = Field(default=None, description='CPUs on each node, such as "8". Absent: no request.')
    memory: Size | None = Field(default=None, description='Memory on each node, such as "64Gi". Absent: no request.')
    shared_memory: Size | None = Field(
        default=None, description="Size of /dev/shm, through which data loaders pass pictures; it counts as memory."
    )

    rules = (
        Rule(
            cel="self.nodes == 1 || self.gpus > 0",
            holds=lambda m: m.nodes == 1 or m.gpus > 0,
            message="nodes {nodes} with gpus 0: training on CPU is for one node; set nodes to 1 or gpus to at least 1",
            at="nodes",
        ),
        Rule(
            cel="self.gpuResourceName.contains('/')",
            holds=lambda m: "/" in m.gpu_resource_name,
            message='gpuResourceName "{gpuResourceName}" has no vendor; write it like nvidia.com/gpu',
            at="gpuResourceName",
        ),
        Rule(
            cel="!has(self.cpu) || quantity(self.cpu).isGreaterThan(quantity('0'))",
            holds=lambda m: m.cpu is None or parse_cpu(m.cpu) > 0,
            message='cpu "{cpu}" must be above 0; remove it to ask for none',
            at="cpu",
            unless=(malformed("cpu", CPU_PATTERN),),
        ),
        Rule(
            cel=f"!has(self.memory) || quantity(self.memory).compareTo(quantity('{MIN_MEMORY}')) >= 0",
            holds=lambda m: m.memory is None or parse_size(m.memory) >= parse_size(MIN_MEMORY),
            message=f'memory "{{memory}}" is below {MIN_MEMORY}, which no training fits in; did you forget the unit, '
            'as in "64Gi"?',
            at="memory",
            unless=(malformed("memory", SIZE_PATTERN),),
        ),
        Rule(
            cel="!has(self.sharedMemory) || !has(self.memory) || "
            "quantity(self.sharedMemory).compareTo(quantity(self.memory)) < 0",
            holds=lambda m: (
                m.shared_memory is None or m.memory is None or parse_size(m.shared_memory) < parse_size(m.memory)
            ),
            message='sharedMemory "{sharedMemory}" must be below memory "{memory}", which it counts as; raise memory',
            at="sharedMemory",
            unless=(
                malformed("memory", SIZE_PATTERN),
                malformed("sharedMemory", SIZE_PATTERN),
            ),
        ),
    )
