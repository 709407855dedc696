"""Which product a layer takes; that they agree is what `test_encoders.py` and `test_attention.py` are for."""

import os
import subprocess
import sys

import pytest
import torch

from SAMedCore.model.fast import layers

PRODUCTS_OF_A_LAYER = """
import torch
from SAMedCore.model.fast.layers import Linear
with torch.inference_mode(), torch.profiler.profile() as profiled:
    Linear(64, 64)(torch.rand(8, 64))
print(torch.backends.cpu.get_cpu_capability(), any("linear_pointwise" in each.key for each in profiled.key_averages()))
"""


@pytest.mark.skipif(not layers.HAS_ONEDNN, reason="this torch has no product of oneDNN's")
@pytest.mark.parametrize("environment", [{}, {"ATEN_CPU_CAPABILITY": "avx2"}], ids=["as it is", "as AVX2"])
def test_onednn_multiplies_where_there_is_avx_512_and_torchs_own_product_elsewhere(environment):
    command = [sys.executable, "-c", PRODUCTS_OF_A_LAYER]
    said = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True).stdout
    capability, is_onednn = said.split()
    assert is_onednn == str(capability == "AVX512")
    assert not environment or capability != "AVX512"


def test_both_products_agree(monkeypatch):
    x, weight, bias = torch.rand(100, 48) - 0.5, torch.rand(32, 48) - 0.5, torch.rand(32)
    answers = []
    for uses_onednn in {layers.HAS_ONEDNN, False}:
        monkeypatch.setattr(layers, "USES_ONEDNN", uses_onednn)
        answers.append(layers.linear(x, weight, bias))
    for answer in answers:
        torch.testing.assert_close(answer, x @ weight.T + bias)
