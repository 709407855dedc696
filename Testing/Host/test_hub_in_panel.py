"""Models of the Hugging Face Hub through the Settings tab: a real worker fetches them from a stand-in of the Hub."""

import pytest
from hub_server import running_hub

import slicerhost
from SAMedCore.checkpoint.catalogue import BASE_MODELS, DEMO_FOLDER

JOB_SECONDS = 1200
"""A busy machine takes minutes until a worker is there."""

BASE, CHECKPOINT = "hf:someone/a-base", "hf:someone/a-checkpoint@v2"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The stand-in, which has a base model and a checkpoint; the cache folder is empty."""
    with running_hub() as running:
        for name, value in (("HF_ENDPOINT", running.address), ("HF_HOME", str(tmp_path)), ("NO_PROXY", "127.0.0.1,localhost")):
            monkeypatch.setenv(name, value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
        files = {file.name: file.read_bytes() for file in DEMO_FOLDER.iterdir()}
        running.repository("someone/a-checkpoint", files)
        branches = running.repositories["someone/a-checkpoint"].branches
        branches["v2"] = branches["main"]
        yield running


def fetch(panel, name: str) -> None:
    panel.ui.tabWidget.setCurrentWidget(panel.ui.settingsTab)
    panel.ui.hubNameEdit.text = name
    slicerhost.click(panel.ui.fetchHubButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=JOB_SECONDS)


def keys(comboBox) -> list[str]:
    return [comboBox.itemData(index) for index in range(comboBox.count)]


def listed(panel) -> list[str]:
    return [panel.ui.baseModelsList.item(row).text() for row in range(panel.ui.baseModelsList.count)]


def test_the_list_names_every_base_model_of_the_catalogue(panel):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.settingsTab)
    assert [text.partition(":")[0] for text in listed(panel)] == [base.name for base in BASE_MODELS]
    assert any(text.startswith("medsam: MedSAM") for text in listed(panel))
    assert "Apache-2.0" in panel.ui.baseModelsList.item(0).toolTip()


def test_there_is_nothing_to_fetch_before_a_name_is_written(panel):
    assert not panel.ui.fetchHubButton.enabled
    assert panel.ui.fetchHubButton.toolTip == "Write a model's name first."
    panel.ui.hubNameEdit.text = "hf:someone/a-base"
    assert panel.ui.fetchHubButton.enabled


@pytest.mark.parametrize("text", ["hf:someone", "hf:../secret/files", "someone/a model"])
def test_what_is_no_name_of_the_hub_is_refused_in_words_and_nothing_is_asked(hub, panel, text):
    fetch(panel, text)
    (said,) = slicerhost.dialogs.texts("error")
    assert "write hf:owner/name or hf:owner/name@revision" in said
    assert hub.asked == []


def test_what_the_hub_does_not_have_is_said_in_a_sentence(hub, panel):
    fetch(panel, "hf:nobody/nothing")
    (said,) = slicerhost.dialogs.texts("error")
    assert "hf:nobody/nothing" in said
    assert "Traceback" not in said


def test_a_checkpoint_is_offered_to_segment_and_to_go_on_from(hub, panel):
    fetch(panel, CHECKPOINT)
    assert slicerhost.dialogs.texts("error") == []
    for combo in (panel.ui.modelComboBox, panel.ui.startCheckpointComboBox):
        assert CHECKPOINT in keys(combo)
    assert CHECKPOINT in panel.ui.statusLabel.text
    assert panel.ui.hubNameEdit.text == ""
    panel.panel.parameterNode.model = CHECKPOINT
    assert panel.ui.organsList.count == 8
    assert len(listed(panel)) == len(BASE_MODELS)


def test_a_base_model_is_offered_wherever_one_is_chosen_until_the_cache_is_cleared(hub, panel, lite_bytes):
    hub.repository("someone/a-base", {"lite_medsam.pth": lite_bytes})
    fetch(panel, "someone/a-base")
    assert slicerhost.dialogs.texts("error") == []
    for combo in (panel.ui.completeBaseComboBox, panel.ui.startBaseComboBox):
        assert keys(combo)[-1] == BASE
    assert listed(panel)[-1].startswith(f"{BASE}: ")
    assert listed(panel)[-1].endswith("(here)")
    slicerhost.click(panel.ui.clearCacheButton)
    assert len(listed(panel)) == len(BASE_MODELS)


@pytest.fixture
def lite_bytes(lite_weights) -> bytes:
    return lite_weights.read_bytes()
