"""includes.py finds what it is there for: made-up houses in a temporary folder, each with one thing wrong."""
import pathlib
import tempfile
import unittest

import includes

MAP = """# Map

## The order of the folders

Words before the list.

```
common/base
common/net      what goes over sockets
broker/store
broker/fleet/connect
broker/client
lb/backend
lb/flow
```

```
not/a/folder
```
"""


class Includes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("docs/architecture.md", MAP)
        self.write("common/base/clock.h", "")
        self.write("lb/backend/server.h", '#include "common/base/clock.h"\n')
        self.write("lb/flow/flow.c", '#include "lb/backend/server.h"\n#include "lb/flow/rules.h"\n')
        self.write("lb/flow/rules.h", "#include <stdio.h>\n")
        self.write("lb/main.c", '#include "lb/flow/rules.h"\n#include "lb/reload.h"\n')
        self.write("lb/reload.h", "")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def expect(self, *parts):
        """One finding, with all of these in it."""
        findings = includes.check(self.root)
        self.assertEqual(len(findings), 1, findings)
        for part in parts:
            self.assertIn(part, findings[0])

    def test_a_tidy_house_passes(self):
        self.assertEqual(includes.check(self.root), [])

    def test_a_house_without_files_is_a_mistake(self):
        self.assertEqual(len(includes.check(self.root, ["broker"])), 1)

    def test_an_upward_include(self):
        self.write("lb/backend/server.c", '\n#include "lb/flow/rules.h"\n')
        self.expect("lb/backend/server.c:2:", "includes lb/flow/rules.h", "lb/flow stands below it")

    def test_a_folder_that_is_not_in_the_list(self):
        self.write("lb/extra/thing.c", '#include "common/base/clock.h"\n')
        self.expect("lb/extra/thing.c:1:", "lb/extra isn't in the list")

    def test_a_file_directly_in_common(self):
        self.write("common/util.h", "")
        self.expect("common/util.h:1:", "the folder common isn't in the list")

    def test_the_program_in_a_folder(self):
        self.write("lb/flow/attempt.c", '#include "lb/reload.h"\n')
        self.expect("lb/flow/attempt.c:1:", "no file of the program itself")

    def test_a_program_in_common(self):
        self.write("common/net/peer.c", '#include "lb/backend/server.h"\n')
        self.expect("common/net/peer.c:1:", "nothing of lb/ in common/")

    def test_a_program_in_the_other(self):
        self.write("broker/store/store.h", "")
        self.write("lb/flow/attempt.c", '#include "broker/store/store.h"\n')
        self.expect("lb/flow/attempt.c:1:", "nothing of broker/ in lb/")

    def test_fleet_in_client(self):
        self.write("broker/fleet/connect/claim.h", "")
        self.write("broker/client/client.c", '#include "broker/fleet/connect/claim.h"\n')
        self.expect("broker/client/client.c:1:", "nothing of broker/fleet/ in broker/client/")

    def test_an_include_without_its_path(self):
        self.write("lb/flow/attempt.c", '#include "rules.h"\n')
        self.expect("lb/flow/attempt.c:1:", "expected the whole path")

    def test_a_circle_through_a_source_file(self):
        self.write("lb/flow/rules.c", '#include "lb/flow/rules.h"\n#include "lb/flow/relay.h"\n')
        self.write("lb/flow/relay.h", '#include "lb/flow/rules.h"\n')
        self.expect("2 modules in a circle (lb/flow/relay, lb/flow/rules)",
                    "lb/flow/rules.c:2 includes lb/flow/relay.h", "lb/flow/relay.h:1 includes lb/flow/rules.h")

    def test_a_circle_of_the_program_itself(self):
        self.write("lb/reload.c", '#include "lb/service.h"\n')
        self.write("lb/service.c", '#include "lb/reload.h"\n')
        self.expect("2 modules in a circle (lb/reload, lb/service)")

    def collect(self, folders, each):
        names = [f"{folder}/part{i}.h" for folder in folders for i in range(each)]
        for name in names:
            self.write(name, "")
        self.write("lb/flow/all.h", "".join(f'#include "{name}"\n' for name in names))

    def test_a_fat_header(self):
        for name in ("common/base/more.h", "common/net/more.h", "lb/backend/more.h"):
            self.write(name, "")
        self.collect(["common/base", "common/net", "lb/backend"], 3)
        self.expect("lb/flow/all.h:9:", "a header that includes 9 others; expected at most 8")

    def test_a_header_with_too_many_of_a_folder(self):
        self.write("common/net/more.h", "")
        self.collect(["common/net"], 6)
        self.expect("lb/flow/all.h:6:", "a header that includes 6 of common/net; expected at most 5")

    def test_a_header_that_is_a_whole_folder(self):
        self.collect(["common/net"], 3)
        self.expect("lb/flow/all.h:3:", "a header that includes all 3 of common/net")

    def test_a_map_without_the_list(self):
        self.write("docs/architecture.md", "# Map\n")
        with self.assertRaises(SystemExit):
            includes.check(self.root)


if __name__ == "__main__":
    unittest.main()
