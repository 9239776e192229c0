# SPDX-License-Identifier: Apache-2.0
"""A strict parser of Monasca's alarm expressions: parse(text) returns the sub-expressions or raises Bad.

    expression := term (and|or|&&|||  term)*          term := ( expression ) | sub
    sub := [func '('] name ['{' key=value, .. '}'] [, deterministic] [, period] [')'] op number [times N]
Functions min max avg sum count last; a comparison without one means max for > and min for <. Deterministic stands before the
period; periods are multiples of 60; numbers are decimal without exponent.
"""
import re

FUNCTIONS = ("min", "max", "avg", "sum", "count", "last")
OPERATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
TOKEN = re.compile(r"\s*(&&|\|\||<=|>=|[(){},=<>]|[^\s(){},=<>&|;\"\\]+)")
NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
NAME = re.compile(r"[^<>={},\"\\;&() ]{1,255}\Z")


class Bad(Exception):
    pass


def tokens_of(text):
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise Bad("unexpected %r" % text[at:at + 10])
        found.append((m.group(1), m.start(1), m.end(1)))
        at = m.end()
    return found


class Parser:
    def __init__(self, text):
        self.text, self.tokens, self.at, self.subs = text, tokens_of(text), 0, []

    def peek(self, ahead=0):
        i = self.at + ahead
        return self.tokens[i][0] if i < len(self.tokens) else None

    def take(self, want=None):
        token = self.peek()
        if token is None or (want is not None and token != want):
            raise Bad("expected %s, found %s" % (want or "more", token or "the end"))
        self.at += 1
        return token

    def expression(self, depth=0):
        if depth > 20:
            raise Bad("nested too deep")
        self.term(depth)
        while self.peek() is not None and (self.peek().lower() in ("and", "or") or self.peek() in ("&&", "||")):
            self.take()
            self.term(depth)

    def term(self, depth):
        if self.peek() == "(":
            self.take()
            self.expression(depth + 1)
            self.take(")")
        else:
            self.sub()

    def dimensions(self):
        found = {}
        self.take("{")
        while True:
            key = self.take()
            self.take("=")
            first = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
            last = first
            while self.peek() not in (",", "}", None):  # a value may hold spaces
                if self.peek() in ("=", "{", "(", ")"):
                    raise Bad("%s in a dimension's value" % self.peek())
                last = self.tokens[self.at][2]
                self.take()
            value = self.text[first:last]
            if not NAME.match(key) or not value or len(value) > 255:
                raise Bad("bad dimension %s=%s" % (key, value))
            found[key] = value
            if self.take() == "}":
                return found
            if self.text[self.tokens[self.at - 1][1]] != ",":
                raise Bad("expected , or }")

    def arguments(self, sub):
        """[, deterministic] [, period]"""
        if self.peek() == "," and self.peek(1) == "deterministic":
            self.at += 2
            sub["deterministic"] = True
        if self.peek() == ",":
            self.take()
            period = self.take()
            if not period.isdigit() or int(period) == 0 or int(period) % 60:
                raise Bad("the period %s is not a multiple of 60" % period)
            sub["period"] = int(period)

    def metric(self, sub):
        name = self.take()
        if not NAME.match(name):
            raise Bad("bad metric name %s" % name)
        sub["metric"] = name
        sub["dimensions"] = self.dimensions() if self.peek() == "{" else {}

    def sub(self):
        sub = {"function": None, "deterministic": False, "period": 60, "times": 1}
        called = self.peek(1) == "("
        if called:
            sub["function"] = self.take().lower()
            if sub["function"] not in FUNCTIONS:
                raise Bad("unknown function %s" % sub["function"])
            self.take("(")
        self.metric(sub)
        if called:
            self.arguments(sub)
            self.take(")")
        op = self.take().lower()
        if op not in OPERATORS:
            raise Bad("unknown operator %s" % op)
        sub["operator"] = OPERATORS[op]
        number = self.take()
        if not NUMBER.match(number):
            raise Bad("bad number %s" % number)
        sub["threshold"] = float(number)
        sub["function"] = sub["function"] or ("max" if sub["operator"][0] == ">" else "min")
        if (self.peek() or "").lower() == "times":
            self.take()
            times = self.take()
            if not times.isdigit() or int(times) == 0:
                raise Bad("bad count of periods %s" % times)
            sub["times"] = int(times)
        self.subs.append(sub)


def parse(text):
    p = Parser(text)
    p.expression()
    if p.peek() is not None:
        raise Bad("unexpected %s" % p.peek())
    return p.subs
