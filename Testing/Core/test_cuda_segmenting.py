"""Segmenting on a GPU, rehearsed: where tensors are, of what dtype, and in what order the host waits."""

import numpy as np
import pytest
import torch
from cli_files import run, segment
from cuda_networks import LABELS, annotated_scan, checkpoint_info, dtypes_seen, unset_sam
from cuda_rehearsal import NEEDS_CUDA_BUILD, Event
from worker_process import written

from SAMedCore.checkpoint.folder import CheckpointInfo
from SAMedCore.checkpoint.load import find_base_model, write_checkpoint
from SAMedCore.errors import SAMedError
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import build_sam
from SAMedCore.options import ModelOptions, RankOptions, SegmentOptions
from SAMedCore.rank import rank_slices
from SAMedCore.segment import Segmenter, load_model
from SAMedCore.service.events import Progress
from SAMedCore.service.job import Job
from SAMedCore.service.jobs import do
from SAMedCore.service.messages import Segment
from SAMedCore.service.models import Models
from SAMedCore.service.volumes import Volumes

pytestmark = NEEDS_CUDA_BUILD

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
FLASH, MEMORY_EFFICIENT = "aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_efficient_attention"


@pytest.fixture
def segmenter(gpu) -> Segmenter:
    return Segmenter(unset_sam("vit_b"), checkpoint_info("vit_b"), "cuda")


@pytest.mark.parametrize(
    ("architecture", "precision"), [("vit_b", "fp32"), ("vit_b", "bf16"), ("vit_b", "fp16"), ("lite", "fp32"), ("lite", "bf16")]
)
def test_every_slice_is_segmented_in_the_precision_that_was_asked_for(gpu, architecture, precision):
    segmenter = Segmenter(unset_sam(architecture), checkpoint_info(architecture), "auto", precision)
    volume, _ = annotated_scan(19)
    layers = ("attn.qkv", "attn.proj", "neck.1", "neck", "output_upscaling")
    with dtypes_seen(segmenter.sam, *layers) as seen:
        found = segmenter.segment_with_probabilities(volume, SegmentOptions(probabilities=True))
    in_layers = HALF.get(precision, torch.float32)
    products = {name: {in_layers} for name in ("attn.qkv", "attn.proj", "output_upscaling")}
    assert seen == {**products, "neck.1": {torch.float32}, "neck": {torch.float32}}
    assert (found.labelmap.voxels == LABELS.values[0]).all()
    assert (found.probabilities.shape, found.probabilities.dtype) == ((len(LABELS) + 1, 19, 20, 24), np.float16)
    assert FLASH in gpu.kernels if in_layers != torch.float32 else MEMORY_EFFICIENT in gpu.kernels


@pytest.mark.parametrize("architecture", ["vit_l", "vit_h"])
def test_the_large_models_run_too(gpu, architecture):
    segmenter = Segmenter(unset_sam(architecture), checkpoint_info(architecture), "cuda")
    assert segmenter.dtype == torch.bfloat16
    assert (segmenter.segment(annotated_scan(1)[0]).voxels == LABELS.values[0]).all()


def test_logits_are_float32_on_the_gpu_in_batches_of_16_and_the_rest(segmenter):
    volume, _ = annotated_scan(19)
    batches = list(segmenter.low_res_logits(volume, range(19)))
    assert [indices for indices, _ in batches] == [list(range(16)), [16, 17, 18]]
    assert [tuple(logits.shape) for _, logits in batches] == [(16, 4, 128, 128), (3, 4, 128, 128)]
    assert {(logits.dtype, logits.device.type) for _, logits in batches} == {(torch.float32, "cuda")}


def test_the_next_batch_is_handed_over_before_the_last_one_is_waited_for(segmenter, monkeypatch):
    order = []
    segmenter.sam.image_encoder.register_forward_pre_hook(lambda encoder, inputs: order.append(("given", len(inputs[0]))))
    wait = Event.synchronize
    monkeypatch.setattr(Event, "synchronize", lambda event: (order.append(("waited", None)), wait(event)))
    segmenter.segment(annotated_scan(5)[0], batch_size=2)
    waited = ("waited", None)
    assert order == [("given", 2), ("given", 2), waited, ("given", 1), waited, waited]


def test_slices_are_copied_from_pinned_memory_and_labels_to_it(segmenter, gpu):
    segmenter.segment(annotated_scan(3)[0], batch_size=2)
    not_waited_for = {key: count for key, count in gpu.copies.items() if key[2] == "not blocking"}
    assert not_waited_for == {("to the GPU", "pinned", "not blocking"): 2, ("to the host", "pinned", "not blocking"): 2}


def test_batches_are_halved_until_they_fit_into_the_memory(segmenter, gpu):
    one_slice = segmenter.sam.image_encoder.blocks[0].mlp.lin1.out_features * 32 * 32 * 2
    gpu.largest_tensor = 5 * one_slice
    given = []
    segmenter.sam.image_encoder.register_forward_pre_hook(lambda encoder, inputs: given.append(len(inputs[0])))
    assert (segmenter.segment(annotated_scan(19)[0]).voxels == LABELS.values[0]).all()
    assert given == [16, 8, 4, 4, 4, 4, 3]


@pytest.mark.parametrize("orientation", ["LPS", "auto"])
def test_a_slice_that_does_not_fit_into_the_memory_is_refused_in_a_sentence(gpu, orientation):
    segmenter = Segmenter(unset_sam("vit_b"), checkpoint_info("vit_b", orientation=orientation), "cuda")
    gpu.largest_tensor = 5_000_000
    with pytest.raises(SAMedError, match="too little memory for one slice"):
        segmenter.segment(annotated_scan(3)[0])


def test_what_did_not_fit_is_let_go_of_before_the_memory_is_tidied(segmenter, gpu, monkeypatch):
    weights = gpu.bytes_in_use()
    held = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: held.append(gpu.bytes_in_use()))
    gpu.largest_tensor = 60_000_000
    segmenter.segment(annotated_scan(16)[0])
    assert held
    assert max(held) < weights + 20_000_000


def test_the_orientation_is_looked_for_on_the_gpu(gpu):
    segmenter = Segmenter(unset_sam("vit_b"), checkpoint_info("vit_b", orientation="auto", sizes=(48, 512)), "cuda")
    given = []
    segmenter.sam.image_encoder.register_forward_pre_hook(lambda encoder, inputs: given.append(len(inputs[0])))
    assert (segmenter.segment(annotated_scan(7)[0]).voxels == LABELS.values[0]).all()
    assert given == [5] * 8 + [7]


@pytest.mark.parametrize("in_decoder", [False, True])
def test_a_checkpoint_on_the_disk_segments(gpu, small_network, tmp_path, in_decoder):
    """SAMed and SAMed_s, LoRA merged."""
    sam = build_sam("vit_b", len(LABELS), 64, seed=0)
    torch.save(sam.state_dict(), tmp_path / "base.pth")
    base, weights = find_base_model(tmp_path / "base.pth")
    info = CheckpointInfo(base, LABELS, Preprocessing(sizes=(48, 64)))
    write_checkpoint(tmp_path / "checkpoint", add_lora(sam, LoraSettings(in_decoder=in_decoder)), info)
    segmenter = load_model(tmp_path / "checkpoint", "cuda:0", base_weights=weights)
    assert {parameter.device for parameter in segmenter.sam.parameters()} == {torch.device("cuda:0")}
    assert not any("lora" in name for name, _ in segmenter.sam.named_parameters())
    assert (segmenter.segment(annotated_scan(2)[0]).voxels == LABELS.values[0]).all()


def test_slices_are_ranked(segmenter):
    volume, _ = annotated_scan(18)
    ranked = rank_slices(segmenter, volume, RankOptions([0]))
    assert sorted(each.number for each in ranked) == list(range(1, 18))
    assert {each.uncertainty for each in ranked} == {1.0}


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_the_command_line_segments_on_the_gpu(gpu, files, capsys, tmp_path, device):
    arguments = [device if each == "cpu" else each for each in segment(files, tmp_path / "out.nii.gz")]
    assert run(capsys, *arguments)[-1]["segmentation"] == str(tmp_path / "out.nii.gz")
    assert FLASH in gpu.kernels


def test_the_worker_segments_on_the_gpu_and_keeps_the_model(gpu, files, volume, tmp_path):
    models, volumes, told = Models(), Volumes(), []
    volumes.open("ct", written(tmp_path, "ct", volume))
    request = Segment("ct", ModelOptions(str(files.checkpoint), str(files.base)))
    for number in (1, 2):
        labelmap = do(Job(request, number, tmp_path, told.append), models, volumes)["labelmap"]
        assert (np.load(labelmap["path"]) == 1).all()
    assert [event.phase for event in told if isinstance(event, Progress)].count("loading") == 2
    assert models.embeddings.bytes == 4 * 256 * 4 * 4 * 4
    assert models.embeddings.of("ct").get(("LPS", 0)).device.type == "cuda"
    weights = gpu.bytes_in_use()
    models.release()
    assert gpu.bytes_in_use() < weights / 100
