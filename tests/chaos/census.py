"""What is in Kitsu at the end, beside what was sent."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.submit import Record, Submission
from tests.chaos.phases import Plan
from tests.support.media import digest

KINDS = (
    "lost",
    "duplicated",
    "wrong bytes",
    "attachments",
    "same revision",
    "disagreement",
    "failed",
)
"""What can be wrong. "disagreement": the result, or a name, says something else than Kitsu."""


@dataclasses.dataclass(frozen=True)
class Publish:
    """One that was submitted.

    Attributes:
        plan: What happened to it on the way.
        task: Kitsu's task that it went to.
        path: What was sent.
        sha256: Of that, when it was submitted.
        submission: What the submitter has of it.
        attachments: What was sent with the comment.
    """

    plan: Plan
    task: str
    path: Path
    sha256: str
    submission: Submission
    attachments: tuple[Path, ...] = ()

    @property
    def tag(self) -> str:
        return self.plan.tag


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is not as it must be.

    Attributes:
        kind: One of :data:`KINDS`.
    """

    kind: str
    tag: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.tag}: {self.what}"


class Census:
    """Reads Kitsu, past every road."""

    def __init__(self, kitsu: KitsuClient) -> None:
        self._kitsu = kitsu

    def take(self, publishes: Sequence[Publish]) -> list[Finding]:
        """All that is wrong; nothing, if each is in Kitsu exactly once."""
        findings: list[Finding] = []
        for task in dict.fromkeys(one.task for one in publishes):
            comments = gazu.task.all_comments_for_task(task, client=self._kitsu)
            revisions: list[tuple[str, int]] = []
            for publish in publishes:
                if publish.task == task:
                    mine = [one for one in comments if publish.tag in (one["text"] or "")]
                    findings += self._check(publish, mine, revisions)
            count = Counter(revision for _, revision in revisions)
            findings += [
                Finding("same revision", tag, f"revision {revision} is taken {count[revision]}x")
                for tag, revision in revisions
                if count[revision] > 1
            ]
        return findings

    def _check(
        self,
        publish: Publish,
        comments: list[dict[str, Any]],
        revisions: list[tuple[str, int]],
    ) -> list[Finding]:
        def finding(kind: str, what: str) -> Finding:
            return Finding(kind, publish.tag, f"{what} [{publish.plan}]")

        record = publish.submission.record()
        if not comments:
            return [finding("lost", f"no comment; the submission is {_told(record)}")]
        found: list[Finding] = []
        if len(comments) > 1:
            found.append(finding("duplicated", f"{len(comments)} comments"))
        attached = sorted(one["size"] for one in comments[0]["attachment_files"])
        if attached != sorted(path.stat().st_size for path in publish.attachments):
            found.append(finding("attachments", f"of {attached} bytes"))
        rows = [row["id"] for comment in comments for row in comment["previews"]]
        previews = [gazu.files.get_preview_file(row, client=self._kitsu) for row in rows]
        revisions += [(publish.tag, one["revision"]) for one in previews]
        if len(previews) > 1:
            found.append(finding("duplicated", f"{len(previews)} previews"))
        stored = [one for one in previews if one["original_name"]]
        if not stored:
            return [*found, finding("lost", f"no content; the submission is {_told(record)}")]
        for one in stored:
            if one["original_name"] != publish.path.stem:
                found.append(finding("disagreement", f"original_name {one['original_name']}"))
            if self._digest(one) != publish.sha256:
                found.append(finding("wrong bytes", f"preview {one['id']} ({one['status']})"))
        if record.state != "SUCCESS":
            found.append(finding("failed", f"all is there, but the submission is {_told(record)}"))
        elif _ids(record.result) != [comments[0]["id"], stored[0]["id"]]:
            found.append(finding("disagreement", f"the submission says {record.result}"))
        return found

    def rows_without_content(self, task: str) -> list[str]:
        """Preview rows of a task that nobody will fill any more."""
        rows = gazu.files.get_all_preview_files_for_task(task, client=self._kitsu)
        return [row["id"] for row in rows if not row["original_name"]]

    def _digest(self, preview: dict[str, Any]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            gazu.files.download_preview_file(preview, str(path), client=self._kitsu)
            return digest(path)


def _ids(result: Any) -> list[str]:
    """Of the comment and the previews that ``publish_preview`` or ``publish`` says it made."""
    rows = [result["comment"], *result["previews"]] if isinstance(result, dict) else result
    return [one["id"] for one in rows]


def _told(record: Record) -> str:
    return f"{record.state} {record.error or ''}".strip()
