"""The only composition root: store, committer, worker, bus and queries behind `Engine`."""
