"""A recipe is fitted to the machine, and what was chosen is said; none of these machines but the last is here."""

from dataclasses import replace

import pytest
import torch

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.errors import Cancelled
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.placement import placed_on
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.options import FinetuneOptions
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.machine import GB, Machine, Network, as_begun, fitted
from SAMedCore.train.processes import ALONE
from SAMedCore.train.recipe import PRESETS, recipe_of
from SAMedCore.work import Notice, Work

LITE, VIT_B, VIT_H = (Network(ARCHITECTURES[name], size) for name, size in (("lite", 256), ("vit_b", 512), ("vit_h", 512)))
CPU = Machine("cpu", cores=2, memory=16 * GB)


def gpu(gigabytes: float, bf16: bool = True) -> Machine:
    return Machine("cuda", cores=8, memory=64 * GB, gpu_memory=int(gigabytes * GB), bf16=bf16)


def end_to_end(recipe):
    return next(stage for stage in recipe.stages if stage.trains == "all")


def test_without_a_gpu_the_decoder_alone_is_trained_and_it_is_said_what_a_gpu_would_do():
    recipe, said = fitted(PRESETS["few-shot"], CPU, LITE, 10)
    assert [stage.trains for stage in recipe.stages] == ["decoder"]
    assert said == (
        "Without a CUDA GPU the mask decoder and the encoder's last stage are trained, on 2 cores, for at most 40 minutes; "
        "with one LoRA in the encoder would be trained too."
    )
    _, said = fitted(PRESETS["few-shot"], replace(CPU, device="mps"), LITE, 10)
    assert "on the Apple GPU" in said


def test_a_large_gpu_runs_the_recipe_as_it_is():
    for name, network in (("few-shot", LITE), ("samed", VIT_B), ("samed_s", VIT_B), ("samed_h", VIT_H)):
        recipe, said = fitted(PRESETS[name], gpu(80), network, 60)
        assert recipe == PRESETS[name]
        assert said.startswith("GPU with 80 GB free: trains ")


def test_of_several_processes_each_needs_memory_for_its_share_of_a_batch():
    alone, shared = (fitted(PRESETS["samed"], replace(gpu(12), processes=count), VIT_B, 60) for count in (1, 4))
    assert alone[0].gradient_checkpointing
    assert shared[0] == PRESETS["samed"]
    assert "24 slices a step shared by 4 processes" in shared[1]
    assert "on 2 cores in each of 2 processes" in fitted(PRESETS["few-shot"], replace(CPU, processes=2), LITE, 10)[1]


def test_where_memory_is_short_few_shot_saves_what_changes_nothing_first_and_takes_fewer_slices_then():
    assert fitted(PRESETS["few-shot"], gpu(8), VIT_B, 60)[0] == PRESETS["few-shot"]
    saved = []
    for gigabytes in (24, 4, 2, 1.5):
        recipe, said = fitted(PRESETS["few-shot"], gpu(gigabytes), VIT_B, 60)
        stages = [stage for stage in recipe.stages if stage.trains == "all"]
        saved.append((recipe.gradient_checkpointing, [stage.batch_size for stage in stages]))
        assert ("activations computed twice" in said) == recipe.gradient_checkpointing
    assert saved == [(False, [8]), (True, [8]), (True, [2]), (False, [])]
    assert "2 slices a step in place of 8" in fitted(PRESETS["few-shot"], gpu(2), VIT_B, 60)[1]
    assert "the mask decoder alone is trained" in said


@pytest.mark.parametrize("name", ["samed", "samed_s", "samed_h"])
@pytest.mark.parametrize("gigabytes", [1, 2, 4, 8, 12, 16, 24, 48, 80])
def test_the_papers_recipes_keep_their_mathematics(name, gigabytes):
    network = VIT_H if name == "samed_h" else VIT_B
    recipe, _ = fitted(PRESETS[name], gpu(gigabytes), network, 2000)
    changes = {"gradient_checkpointing": recipe.gradient_checkpointing, "precision": recipe.precision}
    assert recipe == replace(PRESETS[name], **changes)


def test_where_the_papers_batch_cannot_fit_it_is_said_before_it_starts_and_what_would():
    _, said = fitted(PRESETS["samed"], gpu(2), VIT_B, 60)
    assert said.startswith(
        "24 slices a step take about 4.5 GB of GPU memory, of which 2.0 GB are free: it will probably run out"
    )
    assert "3 slices would fit" in said
    three = replace(PRESETS["samed"], stages=(replace(end_to_end(PRESETS["samed"]), batch_size=3),))
    assert "GPU with 2.0 GB free: trains" in fitted(three, gpu(2), VIT_B, 60, keep_batch=True)[1]
    assert 'No batch does; "few-shot" might.' in fitted(PRESETS["samed_h"], gpu(2), VIT_H, 60)[1]
    assert 'takes days and 25 GB of memory, of 16 GB: "few-shot" is made for it' in fitted(PRESETS["samed"], CPU, VIT_B, 60)[1]


def test_what_a_person_chose_is_kept():
    chosen = recipe_of(FinetuneOptions("out", base="vit_b", batch_size=8, minutes=5))
    recipe, said = fitted(chosen, gpu(2), VIT_B, 60, keep_batch=True)
    assert {stage.batch_size for stage in recipe.stages} == {8}
    assert "it will probably run out of it. 3 slices would fit" in said
    assert "for at most 5 minutes" in fitted(chosen, CPU, VIT_B, 60, keep_batch=True)[1]


def test_a_gpu_without_bf16_computes_in_float32_until_that_does_not_fit():
    assert fitted(PRESETS["few-shot"], gpu(16, bf16=False), VIT_B, 60)[0].precision == "fp32"
    assert fitted(PRESETS["few-shot"], gpu(2, bf16=False), VIT_B, 60)[0].precision == "fp16"


@pytest.mark.parametrize("slices", [1, 60, 400, 4000])
@pytest.mark.parametrize("network", [LITE, VIT_B])
def test_the_encoded_versions_fit_the_memory(network, slices):
    (stage,) = fitted(PRESETS["few-shot"], CPU, network, slices)[0].stages
    assert 1 <= stage.versions <= 16
    assert stage.versions == 1 or stage.versions * slices * network.embedding <= CPU.memory / 4
    assert fitted(PRESETS["few-shot"], replace(CPU, memory=None), network, slices)[0].stages[0].versions == 16


@pytest.mark.parametrize("begun_on", [CPU, gpu(2), gpu(4), gpu(80)])
def test_a_run_goes_on_as_it_began_on_another_machine(begun_on):
    asked = recipe_of(FinetuneOptions("out", base="vit_b", epochs=7))
    begun, _ = fitted(asked, begun_on, VIT_B, 600)
    assert as_begun(asked, begun.to_json()) == begun


def test_another_recipe_is_not_taken_for_the_one_that_was_begun():
    begun = PRESETS["few-shot"].to_json()
    assert as_begun(PRESETS["samed"], begun) == PRESETS["samed"]
    assert as_begun(replace(PRESETS["few-shot"], seed=3), begun).seed == 3


def test_this_machine_is_found():
    machine = Machine.of(torch.device("cpu"), ALONE)
    assert (machine.device, machine.cores, machine.gpu_memory, machine.bf16) == ("cpu", torch.get_num_threads(), 0, False)
    assert machine.memory is None or machine.memory > GB


def test_a_resumed_training_keeps_what_was_chosen_and_says_nothing_new(files, several_versions, tmp_path, monkeypatch):
    """Begun where two of five versions fit the memory, gone on with where all do."""
    volume = read_volume(files.ct)
    cases = [Case(volume, placed_on(read_labelmap(files.labels), volume.grid))]
    two_versions = Machine("cpu", 2, memory=2 * 4 * len(volume.voxels) * Network(ARCHITECTURES["vit_b"], 64).embedding)
    options = FinetuneOptions(str(tmp_path / "out"), base=str(files.base), epochs=3, validation=0, device="cpu")
    seen: list = []
    in_second = Work(seen.append, lambda: any(getattr(event, "epoch", 0) == 2 for event in seen))
    with monkeypatch.context() as patch:
        patch.setattr(Machine, "of", lambda device, processes: two_versions)
        with pytest.raises(Cancelled):
            finetune(cases, options, in_second)
    assert any("the mask decoder alone is trained, on 2 cores" in event.message for event in seen if isinstance(event, Notice))
    told: list = []
    finetune(cases, replace(options, resume=True), Work(told.append))
    assert read_info(tmp_path / "out").recipe["stages"][0]["versions"] == 2
    assert not any("is trained" in event.message for event in told if isinstance(event, Notice))
