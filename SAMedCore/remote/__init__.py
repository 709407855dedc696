"""The worker on another computer, over the user's OpenSSH: ``python -m SAMedCore.remote ssh://host --folder PRIVATE_FOLDER``.

That process looks to whoever started it exactly like ``python -m SAMedCore.service``: the same lines, the same .npy files in
the same private folder. It starts ``ssh``, at whose other end a small process starts the real worker. Imports no torch.

    frames.py       what travels over the connection, cut into pieces; packing.py voxels made smaller without loss
    channel.py      frames in both directions; window.py how many bytes may be under way
    ssh.py          the ssh process, and what it means when it complains
    near.py         this end: requests from stdin, events to stdout; sending.py files to the other end, places.py where they
                    lie there; receiving.py voxels and checkpoints from there
    far.py          the other end, before anything else is imported; far_end.py after that
    checking.py     what a computer can do, and how fast the connection is; installing.py what it needs
    client.py       one job after the other, for programs that wait for each: the command line
"""
