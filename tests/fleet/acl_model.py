"""What an ACL file allows, in the plainest form: written from mosquitto's documentation, not from our code.

mosquitto.conf(5): without `topic` rules for a client nothing is allowed; those before the first `user` are for clients
without a user name; `pattern` goes for all; "any deny topics are handled before topics that grant access".

Beyond the documentation: names with '+', '#' or '/' put into a pattern would widen it, so they grant nothing, and neither
does a name that makes it begin with '$'. as_mosquitto: as the program of version 2.0 does it, whose deny in a pattern comes
after the grants of topics, and who voids all patterns for names with '+' or '#'.
"""
READ, WRITE = 1, 2
WORDS = {0: "deny", READ: "read", WRITE: "write", READ | WRITE: "readwrite"}


def matches(pattern, topic):
    if topic.startswith("$") and pattern[:1] in ("+", "#"):
        return False
    levels, names = pattern.split("/"), topic.split("/")
    for at, level in enumerate(levels):
        if level == "#":
            return True
        if at >= len(names) or level not in ("+", names[at]):
            return False
    return len(levels) == len(names)


def is_filter(text):
    levels = text.split("/")
    return text != "" and all(level in ("+", "#") or not set("+#") & set(level) for level in levels) \
        and "#" not in levels[:-1]


class Rule:
    def __init__(self, kind, user, access, pattern):
        self.kind, self.user, self.access, self.pattern = kind, user, access, pattern

    def line(self, rng):
        word = WORDS[self.access] + " "
        if self.access == READ | WRITE and rng.random() < 0.5:
            word = ""
        return "%s %s%s\n" % ("pattern" if self.kind == "pattern" else "topic", word, self.pattern)

    def filter_for(self, user, client_id, as_mosquitto):
        """None: the rule isn't for this client."""
        if self.kind == "anonymous":
            return self.pattern if not user else None
        if self.kind == "user":
            return self.pattern if user == self.user else None
        out, rest = "", self.pattern
        while rest:
            name = {"%c": client_id, "%u": user}.get(rest[:2], False)
            if name is False:
                out, rest = out + rest[0], rest[1:]
                continue
            if not name:
                return None
            if not as_mosquitto and self.access and (set("+#/") & set(name) or out == "" and name.startswith("$")):
                return None
            out, rest = out + name, rest[2:]
        return out if is_filter(out) else None


class Model:
    def __init__(self, rng):
        self.rules, self.text, self.rng = [], "", rng

    def add(self, kind, user, access, pattern):
        rule = Rule(kind, user, access, pattern)
        self.rules.append(rule)
        self.text += rule.line(self.rng)

    def section(self, user):
        self.text += "\nuser %s\n" % user

    def found(self, patterns, user, client_id, topic, wanted, as_mosquitto):
        """(a deny matches, a grant does)"""
        denied = granted = False
        for rule in self.rules:
            if (rule.kind == "pattern") not in patterns:
                continue
            made = rule.filter_for(user, client_id, as_mosquitto)
            if made is None or not matches(made, topic):
                continue
            denied = denied or rule.access == 0
            granted = granted or bool(rule.access & wanted)
        return denied, granted

    def allows(self, user, client_id, topic, wanted, as_mosquitto=False):
        if not as_mosquitto:
            denied, granted = self.found((True, False), user, client_id, topic, wanted, False)
            return granted and not denied
        denied, granted = self.found((False,), user, client_id, topic, wanted, True)
        if denied or granted:
            return not denied
        if set("+#") & set((user or "") + client_id):
            return False
        denied, granted = self.found((True,), user, client_id, topic, wanted, True)
        return granted and not denied


def make_levels(rng, levels, first=()):
    text = [rng.choice(list(levels) + list(first))] + [rng.choice(levels) for _ in range(rng.randrange(3))]
    return "/".join(text)


def make_filter(rng, pattern):
    if rng.random() < 0.06:
        return "#"
    levels = ("a", "%c", "%u", "+", "b", "x-%c", "%u") if pattern else ("a", "b", "ann", "+", "", "bob", "+", "c1")
    text = make_levels(rng, levels, ("$dev",)) or "a"
    return text + "/#" if rng.random() < 0.35 else text


def make_topic(rng):
    return make_levels(rng, ("a", "b", "ann", "bob", "c1", "", "x-c1", "a"), ("$dev",)) or "a"


def make(rng, users, admin):
    """A file with rules for some of the users; the one named `admin` may do all but what a pattern denies."""
    model = Model(rng)

    def add_some(kind, user, count):
        for _ in range(rng.randrange(count)):
            is_pattern = rng.random() < 0.3
            access = rng.choice((0, READ, WRITE, READ | WRITE, READ | WRITE))
            text = make_filter(rng, is_pattern)
            if access == 0 and is_pattern and text == "#":
                access = READ  # or nothing could be seen
            model.add("pattern" if is_pattern else kind, user, access, text)

    add_some("anonymous", None, 6)
    for user in users:
        if rng.random() < 0.8:
            model.section(user)
            add_some("user", user, 6)
    model.section(admin)
    for text in ("#", "$dev/#"):
        model.add("user", admin, READ | WRITE, text)
    return model

