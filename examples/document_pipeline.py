"""Split a text into pages, work on them two at a time, then index and summarise it side by side. Takes some seconds.

    durable-studio run examples/document_pipeline.py --id my-document --watch

Kill it in the middle (``kill -9``) and run the same line again: pages that were done are not done again.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from durable_studio import Context, foreach, parallel, step, workflow

TEXT = """
A step's body runs at least once; its recorded result exists exactly once.
The position of an execution is stored, so nothing has to be replayed to find it.
A worker that dies loses its lease, and another one goes on where it was.
Branches and items commit on their own: a crash repeats only the unfinished ones.
A wait holds no thread and no worker; it is a row with a due time.
When something fails for good, the handlers of the completed steps run backwards.
What a step prints and logs belongs to it, and can be read while it runs.
The picture of a workflow is the workflow, with a state on every node.
"""


class Document(BaseModel):
    title: str = "How it goes on"
    text: str = TEXT
    seconds_per_page: float = 0.5
    folder: str = ""
    """Where the result goes; a folder for temporary files by default."""


@step
def split_pages(text: str) -> dict[str, list[str]]:
    time.sleep(0.3)
    return {"pages": [line.strip() for line in text.splitlines() if line.strip()]}


@step
def read_page(ctx: Context, page: str, seconds_per_page: float) -> dict[str, Any]:
    print(f"reading page {ctx.index + 1}")
    time.sleep(seconds_per_page)
    ctx.increment("words", len(page.split()))
    return {"number": ctx.index + 1, "words": [word.strip(".,;:").lower() for word in page.split()]}


@step
def build_index(read: list[dict[str, Any]]) -> dict[str, list[int]]:
    time.sleep(0.3)
    index: dict[str, list[int]] = {}
    for page in read:
        for word in page["words"]:
            if len(word) > 5 and page["number"] not in index.setdefault(word, []):
                index[word].append(page["number"])
    return {"index": index}  # type: ignore[dict-item]


@step
def summarise(read: list[dict[str, Any]]) -> str:
    time.sleep(0.3)
    counted = Counter(word for page in read for word in page["words"] if len(word) > 3)
    return "mostly about " + ", ".join(word for word, _ in sorted(counted.most_common(3)))


@step
def publish(ctx: Context) -> str:
    folder = Path(ctx["folder"] or Path(tempfile.gettempdir()) / "durable-document-pipeline")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ctx.execution_id}.txt"
    lines = [ctx["title"], f"{len(ctx['pages'])} pages, {ctx['words']} words, {ctx['summarise']}", ""]
    lines += [f"{word}: {', '.join(map(str, pages))}" for word, pages in sorted(ctx["index"].items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@workflow(input=Document, tags=["documents"])
def document_pipeline():
    """Read every page of a document, then publish its index."""
    return [
        split_pages,
        foreach("read_pages", read_page, items="pages", as_="page", concurrency=2, collect="read"),
        parallel("digest", build_index, summarise),
        publish,
    ]
