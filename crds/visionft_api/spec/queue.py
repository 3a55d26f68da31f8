"""`spec.queue`: waiting in line with others."""

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import DnsName


class QueueSpec(ApiModel):
    """A Kueue queue."""

    name: DnsName = Field(description="Name of the LocalQueue in the same namespace.")
    priority_class_name: DnsName | None = Field(default=None, description="Name of the WorkloadPriorityClass.")
