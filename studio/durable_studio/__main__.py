"""``python -m durable_studio`` is the command ``durable-studio``."""

from __future__ import annotations

from durable_studio.command import main

if __name__ == "__main__":
    main()
