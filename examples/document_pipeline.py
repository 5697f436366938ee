"""Read a shelf of documents one after the other, count and summarise each side by side, and write one report.

    durable-studio run examples/document_pipeline.py
    durable-studio run examples/document_pipeline.py --input '{"folder": "docs", "report": "report.txt"}'

It takes some seconds on purpose: kill it in the middle and run it again with the same --id. It goes on with the
document it was at, and no document is read twice.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

from pydantic import BaseModel

from durable_studio import Context, foreach, parallel, step, workflow

SHELF = {
    "harbour.txt": "The harbour wakes before the town. Boats leave, gulls follow, and the town sleeps on.",
    "winter.txt": "Winter came early that year. The river froze, and the children walked to school on it.",
    "kitchen.txt": "Every kitchen has a drawer that nobody can close. Ours has two.",
    "letters.txt": "She wrote letters to people she had never met. Some of them answered, and some came.",
    "clock.txt": "The clock in the station was always three minutes late. So were the trains, and nobody minded.",
    "garden.txt": "A garden is never finished. It is only ever between two plans.",
    "bridge.txt": "They built the bridge twice. The first one was too beautiful to be crossed by carts.",
    "island.txt": "The island had one road, which went round it. Everybody met everybody once a day.",
}


class Shelf(BaseModel):
    folder: str | None = None
    """Folder with .txt or .md files; a small shelf of our own without one."""
    report: str | None = None
    pause: float = 0.25
    """Seconds that reading a document takes."""


@step
def list_documents(ctx: Context) -> None:
    """Which documents there are."""
    folder = ctx["folder"]
    if folder is None:
        ctx["documents"] = sorted(SHELF)
    else:
        ctx["documents"] = sorted(str(path) for path in Path(folder).iterdir() if path.suffix in (".txt", ".md"))
    print(f"{len(ctx['documents'])} documents")


@step
def read_document(document: str, pause: float) -> dict[str, str]:
    """The document's text."""
    time.sleep(pause)
    text = SHELF[document] if document in SHELF else Path(document).read_text(encoding="utf-8")
    print(f"read {document}: {len(text)} characters")
    return {"text": text}


@step
def count_words(text: str) -> dict[str, int]:
    """How long it is."""
    return {"words": len(re.findall(r"\w+", text))}


@step
def find_keywords(text: str) -> dict[str, list[str]]:
    """The words it uses most, short ones left out."""
    words = Counter(word.lower() for word in re.findall(r"\w{5,}", text))
    return {"keywords": [word for word, _ in words.most_common(3)]}


@step
def describe(document: str, words: int, keywords: list[str]) -> str:
    """One line on the document."""
    return f"{Path(document).name:<14} {words:>4} words   {', '.join(keywords)}"


@step
def write_report(ctx: Context) -> dict[str, str]:
    """All lines, to a file or to stdout."""
    report = "\n".join(ctx["descriptions"])
    if ctx["report"] is None:
        print(report)
        return {"written": "stdout"}
    Path(ctx["report"]).write_text(report + "\n", encoding="utf-8")
    return {"written": ctx["report"]}


@workflow(input=Shelf, output="descriptions")
def document_pipeline():
    """Read, analyse and describe every document."""
    return [
        list_documents,
        foreach(
            "each_document",
            [read_document, parallel("analyse", count_words, find_keywords), describe],
            items="documents",
            as_="document",
            collect="descriptions",
        ),
        write_report,
    ]
