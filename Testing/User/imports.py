"""What can be imported where a user works, and what cannot."""

import json

from environments import UserPython

IMPORT_EVERY_MODULE = """
import json, pkgutil, SAMedCore
from importlib import import_module
from SAMedCore.errors import InputError
refused = {}
for module in pkgutil.walk_packages(SAMedCore.__path__, "SAMedCore."):
    if not module.name.endswith("__main__"):
        try:
            import_module(module.name)
        except InputError as error:
            refused[module.name] = str(error)
print(json.dumps(refused))
"""


def import_every_module(user: UserPython) -> dict[str, str]:
    """The modules that say that they need an extra -> what they say; any other failure fails the test."""
    return json.loads(user.python(IMPORT_EVERY_MODULE))


def lacks(user: UserPython, package: str) -> bool:
    """Whether this package is not there; that it is there and broken does not count."""
    done = user.start(user.program, "-c", f"import {package}")
    return done.returncode == 1 and f"No module named '{package}'" in done.stderr
