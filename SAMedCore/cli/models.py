"""List, fetch, describe, push, import and export models.

list: what there is; fetch NAME: get a base model, or what hf:owner/name names; info CHECKPOINT: what it is; push: upload to the
Hugging Face Hub; import FILE.pth: the authors' files; export.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from SAMedCore.cli.console import Console, add_debug, add_json, pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    listing = actions.add_parser("list", help="base models and checkpoints, and where they come from")
    fetch = actions.add_parser("fetch", help="get a base model, or anything of the Hugging Face Hub, into the cache folder")
    fetch.add_argument("name", metavar="NAME", help="of `samed models list`, or hf:owner/name[@revision]")
    push = actions.add_parser("push", help="upload a checkpoint to the Hugging Face Hub, with your own login there")
    push.add_argument("checkpoint", metavar="CHECKPOINT")
    push.add_argument("name", metavar="hf:owner/name[@branch]")
    push.add_argument("--private", action="store_true", help="make a new repository private")
    info = actions.add_parser("info", help="what a checkpoint is and what it was trained on")
    info.add_argument("checkpoint", metavar="CHECKPOINT")
    importing = actions.add_parser("import", help="turn a .pth of SAMed's authors into a checkpoint")
    importing.add_argument("file", metavar="FILE.pth", type=Path)
    importing.add_argument("--base", required=True, metavar="BASE", help="vit_b, vit_l, vit_h, or a weights file")
    importing.add_argument("--out", required=True, metavar="CHECKPOINT", type=Path)
    importing.add_argument(
        "--orientation", default="RPS", metavar="RPS|auto", help="how its training slices lay; auto: by the model's confidence"
    )
    importing.add_argument("--input-size", type=pixels, default=512, metavar="PIXELS", help="default: 512")
    export = actions.add_parser("export", help="write a checkpoint as the authors' .pth")
    export.add_argument("checkpoint", metavar="CHECKPOINT")
    export.add_argument("file", metavar="FILE.pth", type=Path)
    export.add_argument("--base", metavar="FILE", type=Path, help="the base model's weights, if not in the cache folder")
    for action, run_action in (
        (listing, _list),
        (fetch, _fetch),
        (push, _push),
        (info, _info),
        (importing, _import),
        (export, _export),
    ):
        add_debug(action)
        add_json(action)
        action.set_defaults(action=run_action)
    parser.set_defaults(action=_list, json=False)


def run(options: argparse.Namespace, console: Console) -> None:
    options.action(options, console)


def _list(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint import catalogue

    lines, rows = ["Base models:"], []
    for base in [*catalogue.BASE_MODELS, *catalogue.fetched_bases()]:
        here = base.path.is_file()
        state = "here" if here else f"get it with: samed models fetch {base.name}"
        lines.append(f"  {base.name:14}{base.description} [{base.licence or 'licence not stated'}]; {state}")
        rows.append({"kind": "base", "name": base.name, "description": base.description, "here": here})
    lines.append("Checkpoints:")
    for known in [*catalogue.CHECKPOINTS, *catalogue.fetched_checkpoints()]:
        here = known.folder is not None and known.folder.is_dir()
        where = "here" if here else f"by import, from {known.address}" if known.address else "missing here"
        lines.append(f"  {known.name:14}{known.description} (base {known.base}); {where}")
        rows.append({"kind": "checkpoint", "name": known.name, "description": known.description, "here": here})
    console.result("\n".join(lines), models=rows)


def _fetch(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.exchange import fetch_model

    path = fetch_model(options.name, console.work)
    console.result(f"Fetched and checked: {path}", path=str(path))


def _push(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.exchange import push_checkpoint
    from SAMedCore.checkpoint.hub import hub_name

    address = push_checkpoint(options.checkpoint, hub_name(options.name), options.private, console.work)
    console.result(f"Pushed: {address}", address=address)


def _info(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.folder import find_folder, read_info

    facts = read_info(find_folder(options.checkpoint)).to_json()
    console.result(json.dumps(facts, indent=1), **facts)


def _import(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.catalogue import check_weights_file
    from SAMedCore.checkpoint.folder import check_output
    from SAMedCore.checkpoint.load import find_base_model
    from SAMedCore.files.atomic import claimed
    from SAMedCore.files.outputs import check_outputs
    from SAMedCore.image.orientation import axes_of

    check_output(options.out)
    check_weights_file(options.file)
    if options.orientation != "auto":
        axes_of(options.orientation)
    base, weights = find_base_model(options.base)
    check_outputs([options.out], [options.file, weights])

    from SAMedCore.checkpoint.original import import_original

    with claimed(options.out):
        import_original(options.file, base, weights, options.out, options.orientation, options.input_size, console.work)
    console.result(f"Checkpoint: {options.out}", checkpoint=str(options.out))


def _export(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.folder import check_checkpoint, find_folder
    from SAMedCore.files.atomic import check_writable
    from SAMedCore.files.outputs import check_outputs
    from SAMedCore.model.architectures import architecture_of

    check_writable(options.file)
    architecture_of(check_checkpoint(options.checkpoint, options.base).base.architecture).check_original()
    check_outputs([options.file], [options.base, *find_folder(options.checkpoint).iterdir()])

    from SAMedCore.checkpoint.original import export_original

    export_original(find_folder(options.checkpoint), options.file, options.base)
    console.result(f"Exported: {options.file}", file=str(options.file))
