"""What a request is answered: its `Result`, or its `Error` in the user's sentence."""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING

from SAMedCore.errors import SAMedError, is_out_of_memory
from SAMedCore.service.events import Error, Result
from SAMedCore.service.job import Job
from SAMedCore.service.wire import encode

if TYPE_CHECKING:
    from SAMedCore.service.models import Models
    from SAMedCore.service.volumes import Volumes


def answer_to(job: Job, models: Models, volumes: Volumes) -> Result | Error:
    """Do what the job's request says."""
    from SAMedCore.service.jobs import do

    try:
        answer = Result(do(job, models, volumes))
        encode(answer)
        return answer
    except Exception as error:
        if not isinstance(error, SAMedError):
            traceback.print_exception(error)
        if is_out_of_memory(error):
            models.release()
        return error_of(error)


def error_of(error: Exception) -> Error:
    """The answer to a request that has failed so."""
    if isinstance(error, SAMedError):
        return Error(" ".join(str(error).split()), error.kind)
    if is_out_of_memory(error):
        return Error("The memory ran out: close other programs, or choose another device or a smaller model.", "failed")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Error("The disk is full: free some space and try again.", "failed")
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return Error(f"SAMed failed unexpectedly ({reason}); the log has the details.", "internal")
