"""The servers that artifacts are published to: real ones, behind a relay that breaks off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import registry.server
from objectstore.server import ACCESS_KEY, SECRET_KEY, ObjectStore
from objectstore.server import running as running_store
from obstore.store import S3Store
from support.cutting_proxy import CuttingProxy
from support.downloads import BUCKET
from visionft_trainer.settings import Settings


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectStore]:
    with running_store() as store:
        (store.folder / BUCKET).mkdir()
        yield store


@pytest.fixture(scope="session")
def oci() -> Iterator[registry.server.Registry]:
    with registry.server.running() as server:
        yield server


@pytest.fixture
def store_proxy(store: ObjectStore) -> Iterator[CuttingProxy]:
    with CuttingProxy(store.port).running() as proxy:
        yield proxy


@pytest.fixture
def oci_proxy(oci: registry.server.Registry) -> Iterator[CuttingProxy]:
    with CuttingProxy(oci.port).running() as proxy:
        yield proxy


@pytest.fixture
def keys() -> Settings:
    """The account of the S3 server, as the operator hands it in."""
    return Settings(secrets={"OUTPUT_S3_AWS_ACCESS_KEY_ID": ACCESS_KEY, "OUTPUT_S3_AWS_SECRET_ACCESS_KEY": SECRET_KEY})


@pytest.fixture
def bucket(store: ObjectStore) -> S3Store:
    """The bucket, by a plain client."""
    return store.client(BUCKET)
