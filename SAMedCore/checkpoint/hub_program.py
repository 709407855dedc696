"""Talk to the Hugging Face Hub: a program of its own, so that it can be ended at once while the network hangs.

    python hub_program.py list REPOSITORY REVISION ANSWER.json             what is in it, at which commit
    python hub_program.py download REPOSITORY COMMIT FOLDER FILE...        these files into that folder
    python hub_program.py upload REPOSITORY REVISION private|default ANSWER.json FOLDER FILE...

The address of the Hub, the user's login and offline mode are huggingface_hub's own: HF_ENDPOINT, HF_TOKEN and `hf auth login`,
HF_HUB_OFFLINE. What fails is one line on stderr. Uses nothing but huggingface_hub, which this process alone imports.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOGIN = "log in with Hugging Face's own tool (hf auth login) or set HF_TOKEN"


def list_files(repository: str, revision: str, answer: str) -> None:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    card: Any = info.card_data or {}
    licence = card.get("license")
    files = {each.rfilename: {"size": each.size, "sha256": each.lfs and each.lfs["sha256"]} for each in info.siblings or []}
    facts = {"commit": info.sha, "licence": licence if isinstance(licence, str) else "", "files": files}
    Path(answer).write_text(json.dumps(facts), encoding="utf-8")


def download(repository: str, commit: str, folder: str, *files: str) -> None:
    from huggingface_hub import hf_hub_download

    for file in files:
        hf_hub_download(repository, file, revision=commit, local_dir=folder)


def upload(repository: str, revision: str, visibility: str, answer: str, folder: str, *files: str) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not get_token():
        sys.exit(f"you are not logged in: {LOGIN}")
    hub = HfApi()
    # Left out and not False, so that an organisation's own default holds.
    private: Any = {"private": True} if visibility == "private" else {}
    hub.create_repo(repository, exist_ok=True, **private)
    if revision != "main":
        hub.create_branch(repository, branch=revision, exist_ok=True)
    operations = [CommitOperationAdd(path_in_repo=file, path_or_fileobj=Path(folder) / file) for file in files]
    commit = hub.create_commit(repository, operations, commit_message="SAMed checkpoint", revision=revision)
    Path(answer).write_text(json.dumps({"commit": commit.oid, "address": commit.commit_url}), encoding="utf-8")


def said_of(error: Exception) -> str:
    """The reason in one line, for a person."""
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"it asks for its terms to be accepted: accept them on its page, and {LOGIN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return "it has no such branch, tag or commit"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such repository, or it is private; for a private one {LOGIN}"
    if status in (401, 403):
        return f"the Hub refuses it (status {status}): {LOGIN}, with a token that may do it"
    if status is not None:
        return f"the Hub answers with status {status}: try again later"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "huggingface_hub is set to work offline (HF_HUB_OFFLINE)"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"the Hub cannot be reached, or broke off: {reason}"


def main(action: str, *arguments: str) -> None:
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    actions: dict[str, Callable[..., None]] = {"list": list_files, "download": download, "upload": upload}
    try:
        actions[action](*arguments)
    except Exception as error:  # huggingface_hub raises many kinds, of three HTTP libraries over its versions
        sys.exit(said_of(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
