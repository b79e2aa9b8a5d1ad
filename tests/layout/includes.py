"""Reads who includes whom in broker/, lb/ and common/, and names what breaks the rules of the house:

- A folder includes only itself and folders above it in docs/architecture.md, "The order of the folders".
- The programs' own files (those directly in broker/ and lb/) may include everything; no folder includes them.
- common/ includes no program, no program the other one; broker/fleet and broker/client meet at the store only.
- Modules (the .c and the .h of one name) don't include each other in a circle.
- A header includes few others: what embeds many structs has a reason, what collects headers for others has none.

    includes.py [--root FOLDER] [broker|lb|common ...]

Prints one line for each finding and ends with 1 if there are any. There is no list of exceptions.
"""
import argparse
import collections
import pathlib
import re
import sys

TOPS = ("common", "broker", "lb")
MAP = "docs/architecture.md"
TITLE = "## The order of the folders"

APART = (("common", "broker"), ("common", "lb"), ("broker", "lb"), ("lb", "broker"),
         ("broker/fleet", "broker/client"), ("broker/client", "broker/fleet"))

HEADER_MOST = 8  # other project headers that one may include
HEADER_MOST_OF_FOLDER = 5
WHOLE_FOLDER = 3  # headers in it, from which on including all of them is including the folder

Include = collections.namedtuple("Include", "file line target")


def folder_of(path):
    return path.rpartition("/")[0]


def module_of(path):
    return path.rpartition(".")[0]


def is_in(path, folder):
    return path == folder or path.startswith(folder + "/")


def read_order(root):
    """Folder -> place in the list, 0 at the top."""
    lines = (root / MAP).read_text(encoding="utf-8").splitlines()
    if TITLE not in lines:
        sys.exit(f"{MAP}:1: expected a section '{TITLE}' with one fenced list of folders, the lowest layer first")
    order = {}
    fenced = False
    for line in lines[lines.index(TITLE) + 1:]:
        if line.startswith("```"):
            if fenced:
                break
            fenced = True
        elif fenced and line.strip():
            order[line.split()[0].rstrip("/")] = len(order)
    return order


def read_files(root, tops):
    """Path -> its includes of files in quotes."""
    files = {}
    for top in tops:
        for path in sorted((root / top).rglob("*.[ch]")):
            name = path.relative_to(root).as_posix()
            files[name] = []
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                if found:
                    files[name].append(Include(name, number, found[1]))
    return files


def check_folders(files, order):
    seen = set()
    for name in files:
        folder = folder_of(name)
        if folder in order or folder in seen or folder in ("broker", "lb"):
            continue
        seen.add(folder)
        yield f"{name}:1: the folder {folder} isn't in the list of {MAP}, '{TITLE[3:]}'; expected it there"


def wrong_way(include, order):
    """What is wrong with one include, or None."""
    source, target = folder_of(include.file), folder_of(include.target)
    if include.target.split("/")[0] not in TOPS or ".." in include.target:
        return "expected the whole path, from common/, broker/ or lb/ on"
    for one, other in APART:
        if is_in(source, one) and is_in(target, other):
            return f"expected nothing of {other}/ in {one}/"
    if source in ("broker", "lb") or source == target:
        return None
    if target in ("broker", "lb"):
        return f"expected no file of the program itself in a folder ({source})"
    if order.get(target, -1) > order.get(source, len(order)):
        return f"expected only folders above {source} in the order of the folders; {target} stands below it"
    return None


def check_ways(files, order):
    for includes in files.values():
        for include in includes:
            problem = wrong_way(include, order)
            if problem:
                yield f"{include.file}:{include.line}: includes {include.target}: {problem}"


def check_headers(files):
    headers = collections.Counter(folder_of(name) for name in files if name.endswith(".h"))
    for name, includes in files.items():
        if not name.endswith(".h"):
            continue
        of = collections.Counter(folder_of(i.target) for i in includes)
        line = includes[-1].line if includes else 1
        if len(includes) > HEADER_MOST:
            yield f"{name}:{line}: a header that includes {len(includes)} others; expected at most {HEADER_MOST}"
        for folder, count in of.items():
            others = headers[folder] - (folder == folder_of(name))
            if count > HEADER_MOST_OF_FOLDER:
                yield (f"{name}:{line}: a header that includes {count} of {folder}; "
                       f"expected at most {HEADER_MOST_OF_FOLDER} of one folder")
            elif count >= max(others, WHOLE_FOLDER):
                yield f"{name}:{line}: a header that includes all {count} of {folder}; expected those that it needs"


def module_graph(files):
    """Module -> {module it includes: the include}."""
    graph = collections.defaultdict(dict)
    for name, includes in files.items():
        for include in includes:
            if module_of(include.target) != module_of(name):
                graph[module_of(name)].setdefault(module_of(include.target), include)
    return graph


def reach(graph, start):
    """Module -> the one before it on a shortest way from `start` (which is in it if there is a way back)."""
    before = {}
    queue = collections.deque([start])
    while queue:
        at = queue.popleft()
        for target in graph.get(at, ()):
            if target not in before:
                before[target] = at
                queue.append(target)
    return before


def check_circles(files):
    graph = module_graph(files)
    reached = {module: reach(graph, module) for module in list(graph)}
    done = set()
    for start in sorted(reached):
        if start in done or start not in reached[start]:
            continue
        circle = {m for m in reached[start] if start in reached.get(m, ())}
        done |= circle
        steps, at = [], start
        while not steps or at != start:
            steps.append(graph[reached[start][at]][at])
            at = reached[start][at]
        way = ", ".join(f"{i.file}:{i.line} includes {i.target}" for i in reversed(steps))
        yield (f"{steps[-1].file}:{steps[-1].line}: {len(circle)} modules in a circle ({', '.join(sorted(circle))}); "
               f"expected none. One way round: {way}")


def check(root, tops=TOPS):
    root = pathlib.Path(root)
    order = read_order(root)
    files = read_files(root, tops)
    findings = [*check_folders(files, order), *check_ways(files, order), *check_headers(files), *check_circles(files)]
    return findings if files else [f"{root}: no file of {', '.join(tops)} found"]


def main():
    parser = argparse.ArgumentParser(description="Who may include whom; see the head of this file.")
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("tops", nargs="*", default=TOPS, metavar="broker|lb|common")
    args = parser.parse_args()
    findings = check(args.root, args.tops)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
