"""Questions to the raw results of a bench run."""

import statistics


class Results:
    def __init__(self, runs):
        self.runs = runs

    def cases(self, prefix):
        return list(dict.fromkeys(r["case"] for r in self.runs if r["case"].startswith(prefix)))

    def contenders(self, prefix):
        """Of all cases that begin so, or of the one that is called so."""
        exact = any(r["case"] == prefix for r in self.runs)
        return list(dict.fromkeys(r["contender"] for r in self.runs
                                  if r["case"] == prefix or (not exact and r["case"].startswith(prefix))))

    def values(self, case, contender, key):
        return [r[key] for r in self.runs if r["case"] == case and r["contender"] == contender and key in r]

    def median(self, case, contender, key):
        found = self.values(case, contender, key)
        return statistics.median(found) if found else None

    def part(self, case, contender, key, what):
        """The median of one process' part, as of {"redis": .., "broker": ..}."""
        found = [v[what] for v in self.values(case, contender, key + "_of") if what in v]
        return statistics.median(found) if found else None

    def spread(self, case, contender, key):
        """(max - min) / median over the rounds; None with fewer than two."""
        found = self.values(case, contender, key)
        middle = statistics.median(found) if found else 0
        return (max(found) - min(found)) / middle if len(found) > 1 and middle else None

    def ratio(self, case, ours, peers, key):
        """(ours ÷ best peer of the medians, lowest, highest of the rounds); None without a peer."""
        mine = self.median(case, ours, key)
        theirs = {p: self.median(case, p, key) for p in peers}
        theirs = {p: v for p, v in theirs.items() if v}
        if mine is None or not theirs:
            return None
        best = min(theirs, key=theirs.get)
        rounds = [a / b for a, b in zip(self.values(case, ours, key), self.values(case, best, key)) if b]
        return mine / theirs[best], min(rounds), max(rounds)

    def errors(self):
        return [r for r in self.runs if "error" in r]

    def inexact(self):
        return [r for r in self.runs if not r.get("exact", True)]
