"""Pickles in Redis and in the job queue are signed: writing there runs no code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import cache
from huey import MemoryHuey

from dashboard import settings as product
from isales_proxy.core import signed_pickle
from isales_proxy.core.signed_pickle import CacheSerializer, Forged, JobSerializer
from tests.support.services import REDIS, redis_cache


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def test_cached_value_keeps_its_type() -> None:
    serializer = CacheSerializer()
    for value in ({"a": (1, b"x")}, frozenset({1}), True, 5, "5", None, 1.5):
        kept = serializer.dumps(value)
        back = serializer.loads(kept if isinstance(kept, bytes) else str(kept).encode())
        assert (type(back), back) == (type(value), value)


def test_unsigned_pickle_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "sprung"
    forged = pickle.dumps(Trap(file))
    for data in (forged, b"x" * 32 + forged, b"", signed_pickle.dumps(1, purpose="jobs")):
        with pytest.raises(Forged):
            CacheSerializer().loads(data)
    with pytest.raises(Forged):
        JobSerializer().deserialize(forged)
    assert not file.exists()


def test_value_signed_with_a_fallback_key_is_loaded(settings: Any) -> None:
    kept = CacheSerializer().dumps("value")
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-that-is-long-enough-for-anything"
    with pytest.raises(Forged):
        CacheSerializer().loads(kept)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert CacheSerializer().loads(kept) == "value"


@pytest.mark.redis
def test_forged_value_in_redis_is_a_cache_miss(settings: Any, tmp_path: Path) -> None:
    redis_cache(settings)
    cache.set("mine", {"a": 1})
    file = tmp_path / "sprung"
    store = redis.Redis(host=REDIS[0], port=REDIS[1], db=15)
    (key,) = store.keys(f"{cache.key_prefix}:*:mine")
    assert cache.get("mine") == {"a": 1}
    store.set(key, pickle.dumps(Trap(file)))
    assert cache.get("mine", "nothing") == "nothing"
    assert not file.exists()


def test_forged_job_is_not_run(tmp_path: Path) -> None:
    queue = MemoryHuey("forged", serializer=product.HUEY["serializer"])
    file = tmp_path / "sprung"
    queue.storage.enqueue(pickle.dumps(Trap(file)))
    with pytest.raises(Forged):
        queue.dequeue()
    assert not file.exists()
