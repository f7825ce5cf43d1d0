import pytest

from cutis.errors import RecipeError
from cutis.training import load_recipe, parse_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid_and_survives_json(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe


def test_fields_are_overridden_as_toml_or_text():
    recipe = load_recipe(
        "default",
        [
            "schedule.epochs=3",
            "model.backbone=resnet18",
            "model.patient=['age', 'sex']",
            "augmentation.flip=false",
        ],
    )
    assert recipe.schedule.epochs == 3
    assert recipe.model.backbone == "resnet18"
    assert recipe.model.patient == ("age", "sex")
    assert recipe.augmentation.flip is False


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("schedule.epochs=0", "schedule.epochs.*greater than or equal to 1"),
        ("schedule.epoch=3", "schedule.epoch.*not permitted"),
        ("epochs", "key=value"),
        ("seed.x=1", "a value, not a section|seed"),
        ("augmentation.scale=[2.0, 1.0]", "smaller first"),
        ("image.training=[16, 16]", "at least 32"),
        ("precision=float16", "precision"),
    ],
)
def test_a_bad_override_names_the_field(override, told):
    with pytest.raises(RecipeError, match=told):
        load_recipe("default", [override])


def test_a_recipe_file_is_read_and_its_faults_named(tmp_path):
    good = tmp_path / "mine.toml"
    good.write_text('name = "mine"\n[schedule]\nepochs = 2\n')
    assert load_recipe(good).schedule.epochs == 2
    bad = tmp_path / "bad.toml"
    bad.write_text("name = \n")
    with pytest.raises(RecipeError, match=r"bad\.toml: is not valid TOML"):
        load_recipe(bad)
    with pytest.raises(RecipeError, match="does not exist"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match="no recipe is called 'nonesuch'.*default"):
        load_recipe("nonesuch")
