# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the checks share: the table of rooms, the sources of a room, and what objects call."""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULE_NAMES = ("init_module", "cleanup_module")	# every kernel module has these


class Room:
    def __init__(self, tree, name, folder, faces, uses, names):
        self.name, self.folder, self.path = name, folder, tree / folder
        self.faces = [] if faces == "-" else faces.split(",")
        self.uses = [] if uses == "-" else uses.split(",")
        self.names = "" if names == "-" else names.rstrip("!")
        self.is_strict = names.endswith("!")

    def files(self, ending):
        return sorted(self.path.glob(f"*{ending}"))

    def face_files(self):
        """A face may lie elsewhere, as a library's public header does."""
        return [path.resolve() for face in self.faces
                for path in (self.path.glob(face) if "*" in face else [self.path / face])]

    def face_text(self):
        """With the headers of the room that a face itself includes, so that others see them by it."""
        faces = [path for path in self.face_files() if path.is_file()]
        inner = [self.path / name for face in faces
                 for name in re.findall(r'^#include "([^"/]+)"', face.read_text(), re.M)]
        return "\n".join(without_comments(path.read_text()) for path in [*faces, *inner]
                         if path.is_file())


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def rooms(tree, table=None):
    """{name: Room} of those that have sources; a build folder may have an empty one left."""
    lines = (table or HERE / "rooms").read_text().splitlines()
    found = [Room(tree, *line.split()) for line in lines if line and not line.startswith("#")]
    known = {room.name for room in found}
    for room in found:
        if unknown := set(room.uses) - known:
            sys.exit(f"rooms: {room.name} uses {', '.join(unknown)}, which is no room")
    return {room.name: room for room in found if room.files(".[ch]")}


def room_of(all_rooms, file):
    return next((room for room in all_rooms.values()
                 if room.path == file.parent or file in room.face_files()), None)


def source_of(tree, build, obj):
    """Kbuild has it at the source's place; CMake below CMakeFiles/TARGET.dir, with __ for `..`."""
    rel = re.sub(r"CMakeFiles/[^/]+\.dir/", "", str(obj.relative_to(build)))
    rel = os.path.normpath(rel.replace("__/", "../"))
    return tree / (re.sub(r"(\.c)?\.o$", "", rel) + ".c")


def objects(tree, build):
    """{source: object} of all that was built and whose source is there."""
    found = {}
    for obj in sorted(build.rglob("*.o")):
        source = source_of(tree, build, obj)
        if source.is_file():
            found[source] = obj
    return found


def symbols(obj):
    """What an object defines for others, and what it wants."""
    defined, wanted = set(), set()
    lines = subprocess.run(["nm", str(obj)], check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        *_, kind, name = line.split()
        if kind in "Uvw":
            wanted.add(name)
        elif kind.isupper() and not name.startswith("__") and name not in MODULE_NAMES:
            defined.add(name)
    return defined, wanted


def conclude(check, faults, seen):
    for fault in faults:
        print(f"{check}: {fault}", file=sys.stderr)
    if not faults:
        print(f"{check}: {seen}")
    sys.exit(1 if faults else 0)
