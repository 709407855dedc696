"""What a training step on a GPU keeps until its backward pass is what the choice for a machine reckons with."""

from dataclasses import replace

import pytest
import torch
from cuda_networks import unset_sam
from cuda_rehearsal import NEEDS_CUDA_BUILD

from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.train.loss import segmentation_loss
from SAMedCore.train.machine import Network
from SAMedCore.train.optimization import in_precision, recomputed_blocks
from SAMedCore.train.recipe import PRESETS, Recipe

pytestmark = NEEDS_CUDA_BUILD


def kept(model: torch.nn.Module, slices: int, recipe: Recipe) -> int:
    """Bytes of what autograd saves in a step of so many slices, the model's own parameters left out."""
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if (storage := tensor.untyped_storage()._cdata) not in own:
            saved[storage] = tensor
        return tensor

    device = torch.device("cuda")
    with (
        recomputed_blocks(model, recipe.gradient_checkpointing),
        in_precision(device, recipe),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        low_res_logits = model(torch.zeros(slices, model.input_size, model.input_size, device=device))
        labels = torch.zeros(slices, *low_res_logits.shape[-2:], dtype=torch.int64, device=device)
        segmentation_loss(low_res_logits, labels)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


@pytest.mark.parametrize("architecture", ["vit_b", "lite"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_kept_of_a_slice_is_what_is_reckoned_with(gpu, architecture, precision):
    model = add_lora(unset_sam(architecture), LoraSettings()).to("cuda")
    recipe = replace(PRESETS["samed"], precision=precision)
    of_a_slice = kept(model, 2, recipe) - kept(model, 1, recipe)
    assert 0.7 < of_a_slice / Network(model.architecture, model.input_size).kept(recipe) < 1.05


def test_gradient_checkpointing_keeps_of_each_block_its_input(gpu):
    model = add_lora(unset_sam("vit_b"), LoraSettings()).to("cuda")
    recipe = replace(PRESETS["samed"], gradient_checkpointing=True)
    of_a_slice = kept(model, 2, recipe) - kept(model, 1, recipe)
    assert of_a_slice < Network(model.architecture, model.input_size).kept(recipe)
