"""Training on a GPU, rehearsed: each preset, the few-shot stages, mixed precision, validation, going on after a kill."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import SMALL_FEW_SHOT, finetune, run
from cuda_networks import LABELS, annotated_scan, dtypes_seen, unset_sam
from cuda_rehearsal import NEEDS_CUDA_BUILD, rehearsal
from peft import PeftModel

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.train import recipe
from SAMedCore.train.cases import Case
from SAMedCore.train.loop import Run, train
from SAMedCore.train.optimization import Optimization
from SAMedCore.train.recipe import PRESETS, Recipe, Stage
from SAMedCore.train.slices import SliceDataset, slice_dataset
from SAMedCore.work import TrainingProgress, Work

pytestmark = NEEDS_CUDA_BUILD

SLICES = 3


@pytest.fixture
def gpu(gpu):
    gpu.brings = 0  # a gradient scaler takes any other number for an overflow
    return gpu


def shortened(name: str, **changes) -> Recipe:
    """The preset with an epoch a stage, of two slices and one."""
    recipe = PRESETS[name]
    stages = (replace(stage, epochs=1, batch_size=2, versions=1) for stage in recipe.stages)
    return replace(recipe, stages=tuple(stages), **changes)


def model_for(recipe: Recipe, architecture: str) -> PeftModel:
    return add_lora(unset_sam(architecture), LoraSettings(in_decoder=recipe.lora_in_decoder))


def dataset_for(recipe: Recipe, model: PeftModel) -> SliceDataset:
    grid = Preprocessing(sizes=recipe.sizes or (model.input_size,))
    dataset = slice_dataset([Case(*annotated_scan(SLICES))], LABELS, grid, model.low_res_size)
    return dataset.augmented(recipe.augmentation, recipe.seed)


def saved(path: Path, model: torch.nn.Module, metrics: dict) -> None:
    path.mkdir(exist_ok=True)


def trained(out: Path, recipe: Recipe, model: PeftModel, **options) -> list[dict]:
    dataset = dataset_for(recipe, model)
    return train(Run(model, recipe, out, saved, torch.device("cuda"), **options), dataset, dataset.part([0], None))


@pytest.fixture
def optimizations(monkeypatch) -> list[Optimization]:
    """Those that the runs made, one a stage."""
    made: list[Optimization] = []
    begin = Optimization.of
    monkeypatch.setattr(Optimization, "of", lambda *arguments: made.append(begin(*arguments)) or made[-1])
    return made


@pytest.mark.parametrize(
    ("preset", "architecture", "in_layers"),
    [
        ("samed", "vit_b", torch.float32),
        ("samed_s", "vit_b", torch.float32),
        ("samed_h", "vit_h", torch.float16),
        ("few-shot", "lite", torch.bfloat16),
    ],
)
def test_each_preset_trains_in_its_precision(gpu, tmp_path, monkeypatch, optimizations, preset, architecture, in_layers):
    recipe = shortened(preset)
    model = model_for(recipe, architecture)
    tf32: set[bool] = set()
    model.image_encoder.register_forward_pre_hook(lambda *_: tf32.add(torch.backends.cudnn.allow_tf32))
    losses: list[torch.Tensor] = []
    scale = torch.amp.GradScaler.scale
    monkeypatch.setattr(torch.amp.GradScaler, "scale", lambda scaler, loss: losses.append(loss) or scale(scaler, loss))
    with dtypes_seen(model, "q_proj.lora_A.default", "neck", "output_upscaling") as seen:
        history = trained(tmp_path / "out", recipe, model)
    stages = [stage.trains for stage in recipe.stages]
    assert [(row["stage"], row["step"]) for row in history] == [(stage, 2) for stage in stages]
    assert seen == {"q_proj.lora_A.default": {in_layers}, "neck": {torch.float32}, "output_upscaling": {in_layers}}
    assert {(loss.dtype, loss.shape, loss.device.type) for loss in losses} == {(torch.float32, (), "cuda")}
    assert tf32 == {False}
    assert len(optimizations) == len(stages)
    optimization = optimizations[-1]
    assert optimization.scaler.is_enabled() == (in_layers == torch.float16)
    moments = [each for state in optimization.optimizer.state.values() for each in (state["exp_avg"], state["exp_avg_sq"])]
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert {(each.dtype, each.device.type) for each in (*moments, *trainable)} == {(torch.float32, "cuda")}
    assert len(moments) == 2 * sum(parameter.grad is not None for parameter in trainable)
    assert {parameter.grad is None for parameter in model.parameters() if not parameter.requires_grad} == {True}


def test_few_shot_encodes_each_slice_once_and_trains_lora_afterwards(gpu, tmp_path):
    recipe = shortened("few-shot", sizes=(512,))
    model = model_for(recipe, "vit_b")
    encoded: list[int] = []
    model.image_encoder.register_forward_pre_hook(lambda encoder, inputs: encoded.append(len(inputs[0])))
    before_lora: list[bool] = []

    def tell(event):
        if isinstance(event, TrainingProgress):
            trains_lora = any(p.grad is not None for name, p in model.named_parameters() if "lora" in name)
            before_lora.append((event.stage, trains_lora))

    trained(tmp_path / "out", recipe, model, work=Work(tell))
    of_decoder_stage, of_steps, of_validation = [1, SLICES], [2, 1], [1]
    assert encoded == [*of_decoder_stage, *of_steps, *of_validation]
    assert set(before_lora) == {("decoder", False), ("all", True)}


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved(gpu, tmp_path, optimizations):
    gpu.brings = 1
    recipe = shortened("samed_h")
    trained(tmp_path / "out", recipe, model_for(recipe, "vit_b"))
    assert not optimizations[0].optimizer.state
    assert "aten::_amp_foreach_non_finite_check_and_unscale_" in gpu.kernels
    assert "aten::_amp_update_scale_" in gpu.kernels


def test_nothing_waits_for_the_gpu_in_a_step_but_its_loss(gpu, tmp_path):
    """And in validation, but the predicted classes; weights and optimiser are copied to the host once an epoch, to be kept."""
    recipe = shortened("samed")
    model = model_for(recipe, "vit_b").to("cuda")
    dataset = dataset_for(recipe, model)
    optimization = Optimization.of(model, recipe, torch.device("cuda"))
    inputs, labels = (torch.stack(each).pin_memory() for each in zip(dataset[0, 0], dataset[0, 1], strict=True))
    gpu.copies.clear()
    optimization.step(model, inputs, labels, 1e-3)
    assert gpu.copies == {("to the GPU", "pinned", "not blocking"): 2, ("to the host", "pageable", "blocking"): 1}


def test_a_killed_run_goes_on_with_its_state_on_the_gpu_though_there_are_fewer(gpu, tmp_path, monkeypatch, optimizations):
    recipe = shortened("samed_h")
    recipe = replace(recipe, stages=(replace(recipe.stages[0], epochs=2),))

    def cancelled() -> bool:
        return (tmp_path / "out.training" / "state.pt").exists()

    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: [torch.zeros(16, dtype=torch.uint8)] * 2)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda states: [[gpu][number] for number, _ in enumerate(states)])
    with pytest.raises(Cancelled):
        trained(tmp_path / "out", recipe, model_for(recipe, "vit_b"), work=Work(is_cancelled=cancelled))
    history = trained(tmp_path / "out", recipe, model_for(recipe, "vit_b"), resume=True)
    assert [row["step"] for row in history] == [2, 4]
    resumed = optimizations[-1]
    assert {state["exp_avg"].device.type for state in resumed.optimizer.state.values()} == {"cuda"}
    assert {state["exp_avg"].dtype for state in resumed.optimizer.state.values()} == {torch.float32}


def test_a_run_begun_without_a_gpu_goes_on_with_one(tmp_path, optimizations):
    """In float32 and without a loss scale at first."""
    stage = Stage(batch_size=2, epochs=2, planned_epochs=2, warmup_steps=1)
    recipe = Recipe("mixed", sizes=(64,), stages=(stage,), augmentation=None, precision="fp16")
    out = tmp_path / "out"

    def run_on(device: str, **options) -> None:
        model = add_lora(unset_sam("vit_b", input_size=64), LoraSettings())
        for tensor in (*model.parameters(), *model.buffers()):
            torch.nn.init.zeros_(tensor)
        train(Run(model, recipe, out, saved, torch.device(device), **options), dataset_for(recipe, model), None)

    with pytest.raises(Cancelled):
        run_on("cpu", work=Work(is_cancelled=(tmp_path / "out.training" / "state.pt").exists))
    with rehearsal() as gpu:
        gpu.brings = 0
        run_on("cuda", resume=True)
    assert [optimization.scaler.is_enabled() for optimization in optimizations] == [False, True]


def test_too_little_memory_is_said_in_a_sentence(gpu, tmp_path):
    recipe = shortened("samed")
    model = model_for(recipe, "vit_b")
    gpu.largest_tensor = 15_000_000
    with pytest.raises(SAMedError, match="memory ran out"):
        trained(tmp_path / "out", recipe, model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_the_command_line_trains_on_the_gpu_and_leaves_a_checkpoint(gpu, files, capsys, tmp_path, monkeypatch):
    decoder = replace(SMALL_FEW_SHOT.stages[0], epochs=1)
    stages = (decoder, replace(decoder, trains="all", only_on_gpu=True))
    monkeypatch.setitem(recipe.PRESETS, "few-shot", replace(SMALL_FEW_SHOT, stages=stages))
    arguments = ["auto" if each == "cpu" else each for each in finetune(files, tmp_path / "checkpoint")]
    events = run(capsys, *arguments)
    assert [event["stage"] for event in events if event.get("epoch_done")] == ["decoder", "all"]
    assert read_info(tmp_path / "checkpoint").recipe["name"] == "few-shot"
    kept = torch.load(tmp_path / "checkpoint.training" / "state.pt")
    assert {tensor.device.type for tensor in kept["parameters"].values()} == {"cpu"}
    assert all(np.isfinite(tensor.numpy()).all() for tensor in kept["parameters"].values())
