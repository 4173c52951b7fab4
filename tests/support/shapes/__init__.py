"""Projects of the shapes that people have, by what `samestack init` reads of them; no line of anybody's.

The recipes of real ones are in tests/corpus/; these have the same shapes, so that every run of `check` sees them.
"""

from . import processes, served, services, variables

SHAPES = served.SHAPES | processes.SHAPES | services.SHAPES | variables.SHAPES
