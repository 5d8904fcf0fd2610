"""YAML as people mean it: each key once, no aliases, and numbers as they look.

PyYAML reads version 1.1, in which 010 is 8, 1:30 is 90 and 1e-4 is text; numbers are those of 1.2,
and a date is a text.
"""

import re
from collections import Counter
from typing import Any

import yaml


def load(text: str) -> Any:
    """Read a document of plain values. Raises yaml.YAMLError."""
    return yaml.load(text, _Plain)


class _Plain(yaml.SafeLoader):
    """A key is there once, and an alias nowhere: of these a few lines fill any memory."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias, which starts with *")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        times = Counter(str(key.value) for key, _ in node.value)
        if twice := [key for key, n in times.items() if n > 1]:
            raise yaml.YAMLError(f"a key that is there twice, {', '.join(twice)}")
        return super().construct_mapping(node, deep)


_NUMBERS = {
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)$"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(?=[.eE])(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"
                        r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"),
}  # fmt: skip
_Plain.yaml_implicit_resolvers = {
    first: [
        (tag, form)
        for tag, form in resolvers
        if tag.rpartition(":")[2] not in {*_NUMBERS, "timestamp"}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _form in _NUMBERS.items():
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _form, [*"-+.0123456789"])
