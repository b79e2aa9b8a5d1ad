"""table.py finds what is wrong."""
import os
import tempfile
import unittest

import table

MIXIN = """class A(Conformance):
    def test_one(self):
        self.proves("MQTT-1.0.0-1")
        self.assertTrue(x)
"""
RUN = "from conformance5_x import A\n\n\nclass Memory(A, harness.FleetTest):\n    pass\n"


class Table(unittest.TestCase):
    def troubles(self, mixin, run=RUN, name="conformance5_x.py", statements=None):
        with tempfile.TemporaryDirectory() as folder:
            for file, text in ((name, mixin), ("test_x.py", run)):
                with open(os.path.join(folder, file), "w", encoding="utf-8") as f:
                    f.write(text)
            proofs, troubles = table.find_proofs(folder)
        listed = statements or {"3.1.1": {}, "5.0": {"1.0.0-1": ("server", "one", "")}}
        return "\n".join(troubles + table.check(listed, proofs))

    def test_all_is_well(self):
        self.assertEqual(self.troubles(MIXIN), "")

    def test_the_version_is_that_of_the_file(self):
        self.assertIn("MQTT 3.1.1 has no statement MQTT-1.0.0-1", self.troubles(
            MIXIN, name="conformance_x.py", run=RUN.replace("conformance5_x", "conformance_x")))

    def test_a_number_without_a_test(self):
        self.assertIn("no test proves MQTT-1.0.0-1", self.troubles("class A:\n    pass\n"))

    def test_a_client_needs_none(self):
        self.assertEqual(self.troubles("class A:\n    pass\n", statements={"5.0": {"1.0.0-1": ("client", "", "")}}), "")

    def test_an_unknown_number(self):
        self.assertIn("no statement MQTT-1.0.0-2", self.troubles(MIXIN.replace("0-1", "0-2")))
        self.assertIn("no statement 1.0.0-1", self.troubles(MIXIN.replace("MQTT-", "")))

    def test_a_number_twice(self):
        twice = MIXIN + MIXIN.replace("test_one", "test_two")[len("class A(Conformance):\n"):]
        self.assertIn("proved more than once: conformance5_x.py:3, conformance5_x.py:6", self.troubles(twice))

    def test_no_assertion_behind(self):
        self.assertIn("no assertion", self.troubles(MIXIN.replace("        self.assertTrue(x)\n", "")))

    def test_what_does_not_run(self):
        self.assertIn("A.one is no test that runs", self.troubles(MIXIN.replace("test_one", "one")))
        self.assertIn("no test_*.py runs A", self.troubles(MIXIN, run=""))
        self.assertIn("no test_*.py runs A", self.troubles(MIXIN, run=RUN.replace("conformance5_x", "conformance_x")))

    def test_what_a_test_calls_runs(self):
        called = MIXIN.replace("test_one", "one") + "    def test_it(self):\n        self.side_by_side(self.one)\n"
        self.assertEqual(self.troubles(called), "")


if __name__ == "__main__":
    unittest.main()
