"""No deadlines for hypothesis: on a busy machine the first call of a lazily imported package takes seconds."""

from hypothesis import settings

settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")
