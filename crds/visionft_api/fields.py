"""The strings of the API that have a form: their patterns, lengths, and what to write when one does not fit."""

from typing import Annotated

from pydantic import Field

from visionft_api.metrics import METRICS

# Patterns are read by Go's RE2 in the API server and by Rust's regex in pydantic; keep to what both share.
DNS_LABEL_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# Five digits a unit (99999h is 11 years) so that no duration overflows 64 bits of nanoseconds in CEL.
DURATION_PATTERN = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$"
DECIMAL_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?([eE][-+]?[0-9]{1,2})?$"
SIGNED_DECIMAL_PATTERN = r"^-?[0-9]{1,9}(\.[0-9]{1,9})?([eE][-+]?[0-9]{1,2})?$"
# No "m": 400m of memory is less than a byte, and always a mistake.
SIZE_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$"
CPU_PATTERN = r"^([0-9]{1,6}m|[0-9]{1,4}(\.[0-9]{1,3})?)$"
# Relative, below the claim, "/" between segments, no segment that starts with "..".
CLAIM_PATH_PATTERN = r"^(\.?[A-Za-z0-9_@=+,-][A-Za-z0-9._@=+, -]*)(/\.?[A-Za-z0-9_@=+,-][A-Za-z0-9._@=+, -]*)*/?$"
# As above, or the claim itself.
CLAIM_PLACE_PATTERN = rf"^(\.|{CLAIM_PATH_PATTERN[1:-1]})$"
HUB_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$"
REVISION_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._/-]*$"
# A model's: as above, or the digest of a folder.
MODEL_REVISION_PATTERN = "^([A-Za-z0-9][A-Za-z0-9._/-]*|sha256:[a-f0-9]{64})$"
COMMIT_PATTERN = "^[a-f0-9]{40}$"
CONFIG_KEY_PATTERN = "^[-._a-zA-Z0-9]+$"
BUCKET_PATTERN = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$"
URL_PATTERN = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s]*)?$"
IMAGE_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._:/-]*(@sha256:[a-f0-9]{64})?$"
RESOURCE_NAME_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
ENV_NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*$"
DIGEST_PATTERN = "^sha256:[a-f0-9]{64}$"
MODEL_URI_PATTERN = r"^(pvc|s3|oci)://[^\s]+$"
REPOSITORY_PATTERN = "^[a-z0-9][a-z0-9._:/-]*$"
CRON_PATTERN = "^(@(hourly|daily|weekly|monthly)|[0-9*/,-]+( [0-9*/,-]+){4})$"
# W&B's own: what its addresses cannot hold. No space at the ends, where nobody sees it.
WANDB_PROJECT_PATTERN = r"^[^ /\\#?%:\x00-\x1f]([^/\\#?%:\x00-\x1f]*[^ /\\#?%:\x00-\x1f])?$"
WANDB_ENTITY_PATTERN = "^[A-Za-z0-9._-]+$"
MODULE_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"
GATE_PATTERN = (
    rf"^({'|'.join(METRICS)}) *"
    r"((<=|<|>=|>) *[0-9]{1,3}(\.[0-9]{1,9})?([eE]-[0-9]{1,2})?|[<>] *baseline)$"
)

WHAT_FITS = {
    DNS_LABEL_PATTERN: 'lower-case letters, digits and "-", such as "my-tune"',
    DNS_NAME_PATTERN: 'a Kubernetes name: lower-case letters, digits, "-" and ".", such as "my-claim"',
    DURATION_PATTERN: 'a duration in hours, minutes and seconds, such as "90s", "30m" or "1h30m" (two days: "48h")',
    DECIMAL_PATTERN: 'a number that is not negative, in quotes, such as "0.03" or "2e-4"',
    SIGNED_DECIMAL_PATTERN: 'a number in quotes, such as "-0.03" or "2e-4"',
    SIZE_PATTERN: 'a size in bytes, such as "512Mi" or "16Gi"',
    CPU_PATTERN: 'a number of CPUs, such as "4" or "500m"',
    CLAIM_PATH_PATTERN: 'a path inside the claim without a leading "/" and without "..", such as "train/data.jsonl"',
    CLAIM_PLACE_PATTERN: 'a path inside the claim without a leading "/" and without "..", such as "train/data.jsonl", '
    'or "." for the claim itself',
    HUB_ID_PATTERN: 'a name on the hub, such as "Qwen/Qwen2-VL-2B-Instruct"',
    REVISION_PATTERN: 'a branch, tag or commit, such as "main"',
    MODEL_REVISION_PATTERN: 'a branch, tag or commit of a hub model, or the digest of a folder, such as "main"',
    CONFIG_KEY_PATTERN: 'a key of the ConfigMap, such as "data.jsonl"',
    BUCKET_PATTERN: 'a bucket name: lower-case letters, digits, "-" and "."',
    URL_PATTERN: 'an address, such as "https://minio.storage.svc:9000"',
    IMAGE_PATTERN: 'an image reference, such as "visionft/trainer:0.1.0"',
    RESOURCE_NAME_PATTERN: 'the name of an extended resource, such as "nvidia.com/gpu"',
    LABEL_VALUE_PATTERN: 'a label value: letters, digits, "-", "_" and "."',
    ENV_NAME_PATTERN: 'a variable name: letters, digits and "_", not starting with a digit',
    MODEL_URI_PATTERN: 'a place such as "pvc://models/qwen2-vl-2b", or use name for a model on the hub',
    REPOSITORY_PATTERN: 'a repository such as "registry.example.com/team/model"',
    CRON_PATTERN: 'five cron fields such as "0 3 * * *", or @hourly, @daily, @weekly or @monthly',
    WANDB_PROJECT_PATTERN: 'a project\'s name without / \\ # ? % : and without a space at its ends, such as "receipts"',
    WANDB_ENTITY_PATTERN: 'the name of a user or team as it stands in its address: letters, digits, ".", "_" and "-"',
    GATE_PATTERN: f'a metric ({", ".join(METRICS)}), an operator (<, <=, >, >=) and a number, such as "cer <= 0.05"; '
    'or < or > and the word baseline, such as "cer < baseline"',
    MODULE_NAME_PATTERN: 'the name of a module, such as "lm_head" or "embed_tokens"',
    DIGEST_PATTERN: 'a digest, "sha256:" and 64 hexadecimal digits',
}
"""What a person should write where the pattern refused."""

DnsLabel = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, min_length=1, max_length=63)]
DnsName = Annotated[str, Field(pattern=DNS_NAME_PATTERN, min_length=1, max_length=253)]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, min_length=2, max_length=18)]
DecimalString = Annotated[str, Field(pattern=DECIMAL_PATTERN, min_length=1, max_length=24)]
SignedDecimalString = Annotated[str, Field(pattern=SIGNED_DECIMAL_PATTERN, min_length=1, max_length=25)]
Size = Annotated[str, Field(pattern=SIZE_PATTERN, min_length=1, max_length=18)]
Cpu = Annotated[str, Field(pattern=CPU_PATTERN, min_length=1, max_length=8)]
ClaimPath = Annotated[str, Field(pattern=CLAIM_PATH_PATTERN, min_length=1, max_length=512)]
ClaimPlace = Annotated[str, Field(pattern=CLAIM_PLACE_PATTERN, min_length=1, max_length=512)]
HubId = Annotated[str, Field(pattern=HUB_ID_PATTERN, min_length=1, max_length=200)]
Revision = Annotated[str, Field(pattern=REVISION_PATTERN, min_length=1, max_length=200)]
ModelRevision = Annotated[str, Field(pattern=MODEL_REVISION_PATTERN, min_length=1, max_length=200)]
ConfigKey = Annotated[str, Field(pattern=CONFIG_KEY_PATTERN, min_length=1, max_length=253)]
Bucket = Annotated[str, Field(pattern=BUCKET_PATTERN, min_length=3, max_length=63)]
Url = Annotated[str, Field(pattern=URL_PATTERN, min_length=8, max_length=512)]
Image = Annotated[str, Field(pattern=IMAGE_PATTERN, min_length=1, max_length=512)]
ResourceName = Annotated[str, Field(pattern=RESOURCE_NAME_PATTERN, min_length=1, max_length=253)]
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE_PATTERN, max_length=63)]
EnvName = Annotated[str, Field(pattern=ENV_NAME_PATTERN, min_length=1, max_length=128)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Beyond this, readers of JSON disagree, and the API server refuses the whole object at 2**63."""
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=71)]
