"""Hugging Face's hub: give it stores, shards and models, and copy them from there.

Reading by URL needs nothing of this package: ``hub://owner/name`` is one of the addresses that
`physioprep.remote` knows.
"""

from physioprep.hub.pull import PullResult, pull
from physioprep.hub.push import PushResult, push

__all__ = ["PullResult", "PushResult", "pull", "push"]
