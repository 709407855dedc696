"""Where the time of one slice goes."""

import time
from collections import defaultdict
from functools import wraps

from machine import seconds, wait_for_gpu
from settings import ROUNDS

from SAMedCore import segment as segmenting
from SAMedCore.model.preprocessing import Preprocessing


def test_stages(benchmark, pair, make_ct, monkeypatch):
    ct = make_ct(1)
    rounds, spent = defaultdict(list), defaultdict(float)

    def timed(owner, method, stage):
        plain = getattr(owner, method)

        @wraps(plain)
        def run(*arguments, **options):
            wait_for_gpu()
            began = time.perf_counter()
            result = plain(*arguments, **options)
            wait_for_gpu()
            spent[stage] += time.perf_counter() - began
            return result

        monkeypatch.setattr(owner, method, run)

    timed(Preprocessing, "images_of", "window")
    timed(segmenting, "resize", "resize")
    timed(pair.fast.sam, "encode", "encode")
    timed(pair.fast.sam, "decode", "decode")
    timed(Preprocessing, "restore_labels", "restore")

    def segment():
        spent.clear()
        whole = seconds(lambda: pair.fast.segment(ct))
        for stage, duration in spent.items():
            rounds[stage].append(duration)
        rounds["classes and the rest"].append(whole - sum(spent.values()))

    segment()
    rounds.clear()
    benchmark.pedantic(segment, rounds=ROUNDS)
    benchmark.extra_info["stages_s"] = dict(rounds)
