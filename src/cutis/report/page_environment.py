"""How every page is rendered: our templates, everything escaped, a name that is not given an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cutis.evaluation import counted, decimal, decimal_interval, percent, percent_interval

TEMPLATES = Path(__file__).parent / "templates"


def page_environment() -> Environment:
    """Jinja's environment for the templates of this room, which may write figures as the house writes them."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        counted=counted,
        decimal=decimal,
        decimal_interval=decimal_interval,
        percent=percent,
        percent_interval=percent_interval,
    )
    return environment
