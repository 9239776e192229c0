"""A little of man(7): escaping, and the few shapes that the pages need."""


def escape(text):
    text = text.replace("…", "...").replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + text if text.startswith(".") else text


def bold(text):
    return "\\fB%s\\fR" % escape(text)


def italic(text):
    return "\\fI%s\\fR" % escape(text)


class Page:
    def __init__(self, name, section, summary, version, date):
        self.name, self.section = name, section
        self.lines = ['.TH %s %d %s "heat-pulse %s"' % (escape(name).upper().replace("\\E", "\\e"), section, date, version),
                      ".SH NAME", "%s \\- %s" % (escape(name), escape(summary))]

    def head(self, title):
        self.lines.append(".SH %s" % escape(title.upper()))

    def sub(self, title):
        self.lines.append(".SS %s" % escape(title))

    def paragraph(self):
        if not self.lines[-1].startswith((".SH", ".SS")):
            self.lines.append(".PP")

    def text(self, *sentences):
        """One paragraph; what stands between ** is bold."""
        self.paragraph()
        self.lines += [self.marked(s) for s in sentences]

    @staticmethod
    def marked(sentence):
        parts = sentence.split("**")
        return "".join(bold(p) if i % 2 else escape(p) for i, p in enumerate(parts)) if not parts[0].startswith(".") else "\\&" + escape(sentence)

    def item(self, tag, *sentences):
        """@tag is roff already."""
        self.lines += [".TP", tag] + [self.marked(s) for s in sentences]

    def more(self, *sentences):
        self.lines.append(".br")
        self.lines += [self.marked(s) for s in sentences]

    def verbatim(self, lines):
        self.paragraph()
        self.lines += [".nf"] + [escape(line) if line else "\\&" for line in lines] + [".fi"]

    def usage(self, lines):
        for i, line in enumerate(lines):
            self.lines += [".br"] if i else []
            words = line.split(" ")
            self.lines.append(" ".join([bold(words[0])] + [escape(w) for w in words[1:]]))

    def see(self, *names):
        self.head("See also")
        self.lines.append(",\n".join("\\fB%s\\fR(%s)" % (escape(n[:-3]), n[-2]) for n in names))

    def __str__(self):
        return "\n".join(self.lines) + "\n"
