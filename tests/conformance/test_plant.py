"""plant.py finds what is wrong with the faults, and tells a test that noticed one from another that just failed."""
import os
import tempfile
import unittest

import plant
import table

ENTRY = "5.0 1.0.0-1 all is right\na.c\n- if (x)\n-     y();\n+ if (!x)\n+     y();\n"
SOURCE = "    if (x)\n    y();\n"
PROOF = {("5.0", "1.0.0-1"): table.Proof("5.0", "MQTT-1.0.0-1", "conformance5_x.py", "A.test_x", 1)}


class Plants(unittest.TestCase):
    def troubles(self, source=SOURCE, entry=ENTRY, proofs=None):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "a.c"), "w", encoding="utf-8") as f:
                f.write(source)
            return "\n".join(plant.check(plant.read_plants(entry), PROOF if proofs is None else proofs, folder))

    def test_an_entry(self):
        (one,) = plant.read_plants("# words\n\n%s\n\n" % ENTRY)
        self.assertEqual(one, ("5.0", "1.0.0-1", "all is right", "a.c", "if (x)\n    y();", "if (!x)\n    y();"))

    def test_what_is_no_entry(self):
        for entry in (ENTRY.replace("5.0 ", ""), ENTRY.replace("- ", "* "), "\n".join(ENTRY.split("\n")[:3])):
            self.assertRaises(SystemExit, plant.read_plants, entry)

    def test_all_is_well_but_for_the_number(self):
        self.assertEqual(self.troubles(), "only 1 faults")

    def test_text_that_is_not_there(self):
        self.assertIn("5.0 1.0.0-1: a.c: found 0 times instead of once:\nif (x)", self.troubles("if (y)\n    y();\n"))

    def test_text_that_is_there_twice(self):
        self.assertIn("5.0 1.0.0-1: a.c: found 2 times", self.troubles(SOURCE * 2))

    def test_a_file_that_is_not_there(self):
        self.assertIn("5.0 1.0.0-1: b.c: no such file", self.troubles(entry=ENTRY.replace("a.c", "b.c")))

    def test_what_changes_nothing(self):
        self.assertIn("5.0 1.0.0-1: a.c: nothing is changed", self.troubles(entry=ENTRY.replace("!x", "x")))

    def test_a_statement_without_a_test(self):
        self.assertIn("5.0 1.0.0-1: no test proves it", self.troubles(proofs={}))

    def test_one_twice(self):
        self.assertIn("5.0 1.0.0-1: stands there 2 times", self.troubles(entry=ENTRY + "\n" + ENTRY))

    def test_verdicts(self):
        (one,) = plant.read_plants(ENTRY)
        self.assertEqual(plant.verdict(one, True, ""), "UNNOTICED")
        self.assertIsNone(plant.verdict(one, False, "x\nat the proof of MQTT-1.0.0-2, MQTT-1.0.0-1\ny"))
        self.assertIsNone(plant.verdict(one, False, "part: at the proof of MQTT-1.0.0-1\n"))
        self.assertEqual(plant.verdict(one, False, "at the proof of MQTT-1.0.0-10\n"), "fails elsewhere: MQTT-1.0.0-10")
        self.assertEqual(plant.verdict(one, False, "no proof\nFAILED\n"), "fails elsewhere: FAILED")

    def test_tests_are_found(self):
        """By the class that runs a mixin on the memory store, and by the test that runs a part."""
        proofs = {p.number: p for p in table.find_proofs(str(plant.TESTS))[0] if p.version == "5.0"}
        self.assertEqual(plant.test_of(proofs["MQTT-3.1.2-22"]), ("test_conformance5.py", "MemoryTime.test_keep_alive"))
        self.assertEqual(plant.test_of(proofs["MQTT-6.0.0-4"]), (
            "test_conformance_websocket.py", "WebSocketItself5.test_mqtt_is_chosen", "--failfast"))


if __name__ == "__main__":
    unittest.main()
