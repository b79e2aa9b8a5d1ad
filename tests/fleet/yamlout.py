"""Writes the block YAML that the configuration files of the tests need: mappings, lists, scalars."""
import json
import re

PLAIN = re.compile(r"^[A-Za-z][A-Za-z0-9_./-]*$|^[0-9]+(ms|s|m|h|k|M)?$")


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if PLAIN.match(value) and value.lower() not in ("true", "false", "yes", "no", "on", "off", "null"):
        return value
    return json.dumps(value)


def dump(value, indent=0):
    pad, lines = " " * indent, []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                lines.append("%s%s:" % (pad, key))
                lines.append(dump(item, indent + 2).rstrip("\n"))
            elif isinstance(item, (dict, list)):
                lines.append("%s%s: %s" % (pad, key, "{}" if isinstance(item, dict) else "[]"))
            else:
                lines.append("%s%s: %s" % (pad, key, scalar(item)))
    else:
        for item in value:
            if isinstance(item, (dict, list)):
                body = dump(item, indent + 2).rstrip("\n")
                lines.append(pad + "- " + body[indent + 2:])
            else:
                lines.append(pad + "- " + scalar(item))
    return "\n".join(lines) + "\n"
