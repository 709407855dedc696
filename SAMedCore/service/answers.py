"""What a request is answered: its `Result`, or its `Error` in the user's sentence."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from SAMedCore.errors import SAMedError, is_out_of_memory, said_of_the_system
from SAMedCore.image.texts import in_one_line
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
    known = error if isinstance(error, SAMedError) else said_of_the_system(error)
    if known is not None:
        return Error(in_one_line(str(known)), known.kind)
    if is_out_of_memory(error):
        return Error("The memory ran out: close other programs, or choose another device or a smaller model.", "failed")
    reason = in_one_line(f"{type(error).__name__}: {error}")[:300]
    return Error(f"SAMed failed unexpectedly ({reason}); the log has the details.", "internal")
