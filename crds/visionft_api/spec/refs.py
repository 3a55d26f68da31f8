"""Names of other objects in the resource's namespace."""

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import DnsName


class SecretRef(ApiModel):
    """A Secret in the same namespace."""

    name: DnsName = Field(description="Name of the Secret.")


class ProfileRef(ApiModel):
    """A profile that a platform team offers."""

    name: DnsName = Field(description="Name of the profile whose settings this resource starts from.")
