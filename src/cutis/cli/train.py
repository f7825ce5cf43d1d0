"""The verb `cutis train`: from a manifest and a recipe to a model bundle."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutis.cli.progress import progress_bar
from cutis.errors import CutisError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from cutis.training import Progress, Recipe


def train_verb(
    manifests: Annotated[list[Path], typer.Argument(metavar="M...", help="One or more manifests (.parquet or .csv).")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="BUNDLE", help="Folder to write.")],
    recipe: Annotated[
        str,
        typer.Option("--recipe", metavar="NAME|FILE", help="A recipe that ships with cutis, or a .toml file."),
    ] = "default",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the recipe. Repeat it."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run of the same command stopped.")
    ] = False,
    folds: Annotated[
        bool, typer.Option("--folds", help="Cross-validate over the manifest's folds: a bundle each.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="With --folds: folds trained at a time.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Train a classifier and write its bundle.

    While it runs, BUNDLE.run holds its checkpoint; after Ctrl-C or a crash, the same command with --resume goes on
    and ends with the same weights.

    Example: cutis train ham.parquet --recipe default -o bundle

    Example: cutis train folds.parquet --folds --jobs 4 -o cross-validation

    Example: cutis train ham.parquet --set schedule.epochs=5 --set model.patient='["age","sex"]' -o bundle
    """
    from rich.console import Console
    from rich.table import Table

    from cutis.data import read_manifest
    from cutis.training import load_recipe, train, train_folds

    if not output.name:  # "." is replaced by renaming, and nobody can rename the floor under their feet
        raise CutisError(
            "the folder one stands in cannot be the bundle", where=str(output), fix="Name another with -o."
        )
    if jobs > 1 and not folds:
        raise CutisError("--jobs trains folds at a time, and no folds are asked for", fix="Add --folds.")
    chosen = load_recipe(recipe, set_)
    manifest = read_manifest(*manifests)
    with progress_bar() as bar:
        task = TrainingTask(bar, chosen)
        if folds:
            predictions = train_folds(
                manifest,
                chosen,
                output,
                resume=resume,
                progress=task.step,
                decoding=task.decoded,
                fold_begins=task.fold_begins,
                jobs=jobs,
            )
            figures: dict[str, Any] = {"images predicted out of fold": len(predictions.image_ids)}
            written = [
                str(output / "predictions.parquet"),
                *[str(each) for each in sorted(output.glob("fold*"))],
            ]
        else:
            bundle = train(manifest, chosen, output, resume=resume, progress=task.step, decoding=task.decoded)
            figures = {
                "recipe": chosen.name,
                "training images": bundle.about["training_images"],
                "validation images": bundle.about["validation_images"],
                "minutes": round(bundle.about["training_seconds"] / 60, 1),
            } | _validation_figures(bundle.evaluation)
            written = [str(output)]
    if json:
        typer.echo(dumps(figures | {"written": written}, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for name, value in figures.items():
        table.add_row(
            name, f"{value:.3f}" if name.startswith("validation") and isinstance(value, float) else f"{value}"
        )
    Console().print(table)
    for path in written:
        typer.echo(f"written: {path}")


def _validation_figures(evaluation: dict[str, Any]) -> dict[str, float | None]:
    """The main figures of a bundle's evaluation, by name; none where nothing was set aside."""
    overall = evaluation.get("overall", {})
    names = ("balanced_accuracy", "accuracy", "macro_auc")
    return {f"validation {name.replace('_', ' ')}": overall[name]["value"] for name in names if name in overall}


class TrainingTask:
    """Shows a training run: a bar on a terminal, a line an epoch everywhere."""

    def __init__(self, bar: "Bar", recipe: "Recipe") -> None:
        self._bar = bar
        self._epochs = recipe.schedule.epochs
        self._name = "training"
        self._task: TaskID | None = None
        self._decoding: TaskID | None = None

    def decoded(self, images: int) -> None:
        """So many more images are decoded, or were found in the cache."""
        if self._decoding is None:
            self._decoding = self._bar.add_task("decoding images", total=None)
        self._bar.advance(self._decoding, images)

    def fold_begins(self, fold: int, folds: int) -> None:
        """A new fold: the bar starts again."""
        self._name = f"fold {fold + 1} of {folds}"
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = None

    def step(self, progress: "Progress") -> None:
        """One training step is done."""
        if self._decoding is not None:
            self._bar.remove_task(self._decoding)
            self._decoding = None
        if self._task is None:
            # A resumed run starts in the middle: its speed is counted from there.
            self._task = self._bar.add_task(self._name, total=progress.steps * progress.images)
            self._bar.update(self._task, completed=(progress.step - 1) * progress.images)
            self._bar.reset(self._task, completed=(progress.step - 1) * progress.images)
        epoch = f"{self._name}, epoch {progress.epoch + 1}/{self._epochs}, loss {progress.loss:.2f}"
        self._bar.update(self._task, completed=progress.step * progress.images, description=epoch)
        if progress.epoch_record:
            record = progress.epoch_record
            score = record.get("val_balanced_accuracy")
            measured = f", validation balanced accuracy {score:.3f}" if score is not None else ""
            self._bar.console.print(
                f"{self._name}: epoch {progress.epoch + 1}/{self._epochs}, loss {record['train_loss']:.3f}{measured}, "
                f"{record['seconds'] / 60:.1f} min",
                highlight=False,
            )
