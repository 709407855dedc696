"""The network against one written plainly, and the authors' files in and out."""

import pytest
import torch
from plain_samed import PlainSamed, random_base, random_original

from SAMedCore.checkpoint.fetch import sha256_of
from SAMedCore.checkpoint.folder import Base, read_info
from SAMedCore.checkpoint.load import load_merged, load_peft
from SAMedCore.checkpoint.original import describe_original, export_original, import_original
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.work import Work


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("original")


@pytest.fixture(scope="module")
def base_state():
    return random_base()


@pytest.fixture(scope="module")
def base_file(folder, base_state):
    torch.save(base_state, folder / "base.pth")
    return folder / "base.pth"


@pytest.fixture(scope="module")
def base(base_file):
    return Base("base", "vit_b", sha256_of(base_file))


@pytest.fixture(scope="module", params=[False, True], ids=["SAMed", "SAMed_s"])
def imported(request, folder, base_state, base_file, base):
    """(the authors' tensors, their file, the checkpoint folder made of it)"""
    name = "samed_s" if request.param else "samed"
    state, file = random_original(base_state, in_decoder=request.param), folder / f"{name}.pth"
    torch.save(state, file)
    import_original(file, base, base_file, folder / name)
    return state, file, folder / name


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 512, 512, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def test_logits_equal_the_plain_network_merged_and_unmerged(imported, base_state, base_file, images):
    state, _, checkpoint = imported
    expected = PlainSamed(base_state, state).eval()(images)
    without_lora = {key: torch.zeros_like(value) if "_b_" in key else value for key, value in state.items()}
    lora_matters = (PlainSamed(base_state, without_lora).eval()(images[:1]) - expected[:1]).abs().max()
    assert lora_matters > 0.1

    unmerged, _ = load_peft(checkpoint, base_file)
    merged, _ = load_merged(checkpoint, base_file)
    assert (unmerged(images) - expected).abs().max() <= 1e-4
    assert (merged(images) - expected).abs().max() <= 1e-4


def test_an_imported_file_comes_out_as_it_went_in(imported, base_file, tmp_path):
    state, _, checkpoint = imported
    export_original(checkpoint, tmp_path / "out.pth", base_file)
    exported = torch.load(tmp_path / "out.pth", weights_only=True)
    assert exported.keys() == state.keys()
    assert all(torch.equal(exported[key], value) for key, value in state.items())


def test_the_import_says_how_the_published_slices_lie(imported):
    info = read_info(imported[2])
    assert info.preprocessing.orientation == "RPS"
    assert info.preprocessing.sizes == (224, 512)
    assert info.labels.names[:2] == ("spleen", "right kidney")


def test_a_checkpoint_refuses_another_base(imported, base_state, tmp_path):
    base_state = {**base_state, "image_encoder.pos_embed": base_state["image_encoder.pos_embed"] + 1}
    torch.save(base_state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: wrong base model"):
        load_peft(imported[2], tmp_path / "other.pth")


def test_a_file_that_lacks_tensors_is_refused_by_name(imported, base, base_file, tmp_path):
    state = dict(imported[0])
    del state["w_b_003"]
    torch.save(state, tmp_path / "damaged.pth")
    with pytest.raises(InputError, match=r"damaged\.pth: .*w_b_003"):
        import_original(tmp_path / "damaged.pth", base, base_file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_original_file_says_what_it_is(imported):
    facts = describe_original(imported[1])
    assert (facts.classes, facts.lora.rank, facts.lora.in_decoder) == (8, 4, imported[1].name == "samed_s.pth")


def test_a_cancelled_import_leaves_nothing(imported, base, base_file, tmp_path):
    with pytest.raises(Cancelled):
        import_original(imported[1], base, base_file, tmp_path / "out", work=Work(is_cancelled=lambda: True))
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_is_never_executed(base, base_file, tmp_path):
    torch.save({"w_a_000": print}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"evil\.pth: not a weights file"):
        import_original(tmp_path / "evil.pth", base, base_file, tmp_path / "out")
