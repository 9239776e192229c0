"""Whether a document is one of SPDX 2.3, as far as the lists of parts here use it."""
import re

ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+$")
# Of the SPDX licence list: what the parts declare.
LICENCES = {"0BSD", "Apache-2.0", "BSD-2-Clause", "bzip2-1.0.6", "curl", "GPL-2.0-only", "GPL-3.0-or-later", "LGPL-2.1-only", "LGPL-2.1-or-later", "MIT", "Zlib"}
EXCEPTIONS = {"GCC-exception-3.1", "Linux-syscall-note"}
RELATIONS = {"DESCRIBES", "STATIC_LINK", "BUILD_DEPENDENCY_OF"}
HEAD = {"spdxVersion": r"SPDX-2\.3", "dataLicense": r"CC0-1\.0", "SPDXID": "SPDXRef-DOCUMENT", "name": ".+", "documentNamespace": r"[a-z][a-z0-9+.-]*:[^\s#]+"}
PACKAGE = {"SPDXID": ID.pattern, "name": ".+", "versionInfo": ".+", "downloadLocation": r"NOASSERTION|NONE|[a-z+]+://\S+"}


def is_licence(text):
    words = text.split(" WITH ")
    return words[0] in LICENCES and (len(words) == 1 or (len(words) == 2 and words[1] in EXCEPTIONS))


def head_faults(document):
    yield from ("%s: %r" % (key, document.get(key)) for key, form in HEAD.items() if not re.fullmatch(form, str(document.get(key))))
    created = document.get("creationInfo", {})
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created.get("created", "")):
        yield "created: %r" % created.get("created")
    if not created.get("creators") or not all(re.match("(Tool|Person|Organization): .", one) for one in created["creators"]):
        yield "creators: %r" % created.get("creators")


def package_faults(package):
    yield from ("%s: %r" % (key, package.get(key)) for key, form in PACKAGE.items() if not re.fullmatch(form, str(package.get(key))))
    yield from ("%s: %r" % (key, package.get(key)) for key in ("licenseConcluded", "licenseDeclared") if not is_licence(str(package.get(key))))
    if package.get("filesAnalyzed") is not False or "packageVerificationCode" in package:
        yield "files are not analysed, and that is to be said"
    if not re.match("NOASSERTION$|(Person|Organization): .", package.get("supplier", "NOASSERTION")):
        yield "supplier: %r" % package["supplier"]
    yield from ("checksum: %r" % one for one in package.get("checksums", [])
                if one.get("algorithm") != "SHA256" or not re.fullmatch("[0-9a-f]{64}", one.get("checksumValue", "")))
    yield from ("externalRef: %r" % one for one in package.get("externalRefs", [])
                if (one.get("referenceCategory"), one.get("referenceType")) != ("PACKAGE-MANAGER", "purl")
                or not re.fullmatch(r"pkg:deb/debian/[a-z0-9.+-]+@[A-Za-z0-9.~%:_-]+\?arch=source", one.get("referenceLocator", "")))


def relation_faults(document):
    known = {"SPDXRef-DOCUMENT"} | {p.get("SPDXID") for p in document.get("packages", [])}
    if len(known) != len(document.get("packages", [])) + 1:
        yield "an SPDXID is there twice"
    used = set()
    for one in document.get("relationships", []):
        ends = {one.get("spdxElementId"), one.get("relatedSpdxElement")}
        used |= ends
        if one.get("relationshipType") not in RELATIONS or not ends <= known or len(ends) != 2:
            yield "relation: %r" % one
    yield from ("%s has no relation" % one for one in sorted(known - used))


def faults(document):
    """What is wrong with it, in words; an empty list when nothing is."""
    wrong = list(head_faults(document)) + list(relation_faults(document))
    for package in document.get("packages", []):
        wrong += ["%s: %s" % (package.get("name"), words) for words in package_faults(package)]
    return wrong
