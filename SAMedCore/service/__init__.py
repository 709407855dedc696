"""The process that Slicer talks to: ``python -m SAMedCore.service --folder PRIVATE_FOLDER``.

Requests come on stdin and events go to stdout, as `SAMedCore.service.messages` has them; stderr is the log, which is also in
``worker.log`` in the private folder. When stdin ends, the process and all that it started and left in that folder are gone.

    __main__.py     who gets which file descriptor, before anything else is imported
    process.py      its group, its log, and how it goes
    loading.py      what takes long to import
    server.py       one request at a time, the others waiting in order, each cancelled when that is asked
    job.py          one request, and what it tells meanwhile
    jobs.py         what each request does; prompting.py prompts and kept slices; answers.py what went wrong, in words
    ahead.py        what is done while there is none: slices encoded for prompting
    volumes.py      the open volumes, by handle
    models.py       the networks that stay in memory between requests; embeddings.py what they have encoded
    voxels.py       the .npy files
    wire.py         messages as lines of bytes
"""
