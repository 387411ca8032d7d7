#!/usr/bin/env python3
"""Checks of form that no compiler makes. Exit 0 when all is well, 1 with one line per finding.

    tidy.py [ROOT] [--no-format]

  length    a file has at most 800 lines, a C++ function (from the first line of its signature to
            its closing brace) at most 70
  words     no reminders left in the text; no `throw`, no <regex> in src; no sleeping in tests
  names     no folder or file called after nothing in particular (util, common, misc, helpers)
  places    no path of one machine in code or documents
  format    src is as clang-format-14 leaves it (skipped with a message where it is missing)
"""
import pathlib
import re
import shutil
import subprocess
import sys

FILE_LINES, FUNCTION_LINES = 800, 70
# Files that may be longer, each with its reason.
LONG_FILES = {}
# Files that must spell what they forbid.
RULE_FILES = {"tools/tidy.py", "tests/test_tools.py"}
SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__", ".venv", ".pytest_cache",
                   "sample"}
TEXT = {".h", ".cc", ".c", ".py", ".sh", ".mjs", ".js", ".css", ".html", ".cmake", ".md", ".txt",
        ".json", ".apt", ""}
CODE = TEXT - {".md", ".txt", ".json", ""}
VAGUE = re.compile(r"(?:^|_)(?:utils?|commons?|misc|helpers?)$")
REMINDER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")
MACHINE = re.compile(r"(?<![\w.$}~*])/(?:work|home|root)/\w")
SCRATCH = re.compile(r"(?<![\w.$}])/tmp/\w")

RAW_STRING = re.compile(r'R"([^()\\ ]{0,16})\(')
CHARACTER = re.compile(r"'(?:[^'\\\n]|\\.)+'")
STRING = re.compile(r'"(?:[^"\\\n]|\\.|\\\n)*"')


def blank(text):
    """Same number of lines, nothing on them."""
    return "\n" * text.count("\n")


def strip(text):
    """C++ without comments, literals' contents, preprocessor lines and the branches behind #else.

    Every line keeps its number. What is left has balanced braces where the file's do, whichever
    way its conditionals fall.
    """
    out, at = [], 0
    while at < len(text):
        end, kept = token(text, at, out)
        out.append(kept if kept is not None else blank(text[at:end]))
        at = end
    return drop_directives("".join(out))


def token(text, at, out):
    """End of the token at `at`, and what to keep of it (None: only its line breaks)."""
    if text.startswith("//", at):
        end = text.find("\n", at)
        return (len(text) if end < 0 else end), None
    if text.startswith("/*", at):
        end = text.find("*/", at + 2)
        return (len(text) if end < 0 else end + 2), None
    if raw := RAW_STRING.match(text, at):
        close = text.find(f"){raw[1]}\"", raw.end())
        end = len(text) if close < 0 else close + len(raw[1]) + 2
        return end, '""' + blank(text[at:end])
    if found := STRING.match(text, at):
        return found.end(), '""' + blank(found[0])
    # A quote behind a digit separates digits: 1'000.
    if text[at] == "'" and not (out and out[-1][-1:].isalnum()):
        if found := CHARACTER.match(text, at):
            return found.end(), "' '"
    return at + 1, text[at]


def drop_directives(text):
    lines, skipping, depth, continued = [], 0, 0, False
    for line in text.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line)
        if directive and not continued:
            word = directive[1]
            depth += word.startswith("if")
            if word in ("else", "elif") and not skipping:
                skipping = depth
            if word == "endif":
                skipping = 0 if skipping == depth else skipping
                depth -= 1
        gone = directive or continued
        continued = bool(gone and line.endswith("\\"))
        lines.append("" if gone or skipping else line)
    return "\n".join(lines)


TYPE_HEAD = re.compile(r"(?:template\s*<.*>\s*)?(?:inline\s+|export\s+)?"
                       r"(?:namespace|class|struct|union|enum|extern\s*\"\")\b", re.DOTALL)
INITIALISERS = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)")
TAIL = re.compile(r"[\w\s:<>,&*.\[\]-]*")


def opens(head):
    """What a brace behind `head` (the code since the last statement or brace) opens."""
    head = head.strip()
    flat = without_parentheses(head)
    if TYPE_HEAD.match(head) and not re.search(r"\)\s*(?:const|noexcept|override)*$", head):
        return "scope"
    if ")" not in flat or head.endswith(("=", ",", "(", "return")):
        return "values"
    if INITIALISERS.search(flat):
        return "values" if head[-1:].isalnum() or head[-1:] in "_>" else "function"
    return "function" if TAIL.fullmatch(flat.rpartition(")")[2]) else "values"


def without_parentheses(text):
    """Drops what stands inside parentheses, keeps the outermost pair itself."""
    out, depth = [], 0
    for char in text:
        depth -= char == ")"
        if depth <= 0:
            out.append(char)
        depth += char == "("
    return "".join(out)


def functions(text):
    """Yields (first line, last line, signature) of every function with a body."""
    code = strip(text)
    stack, head, line, first = [], "", 1, 1
    parentheses = 0
    for char in code:
        inside = "function" in (kind for kind, _, _ in stack)
        if char == "{":
            kind = "values" if inside or parentheses else opens(head)
            stack.append((kind, first, head))
            head = head + "{" if kind == "values" and not inside else ""
        elif char == "}" and stack:
            kind, begin, signature = stack.pop()
            if kind == "function":
                yield begin, line, " ".join(signature.split())
            head = head + "}" if kind == "values" and not inside else ""
        elif char == ";" and not parentheses:
            head = ""
        elif not inside:
            head = head + char if head or not char.isspace() else ""
            parentheses += (char == "(") - (char == ")")
        if len(head) == 1 and not char.isspace():
            first = line
        if re.fullmatch(r"\s*(?:public|private|protected)\s*:", head):
            head = ""
        line += char == "\n"


def check_lengths(name, path, text):
    lines = text.count("\n") + (not text.endswith("\n"))
    if path.suffix in CODE and lines > FILE_LINES and name not in LONG_FILES:
        yield f"{name}:{FILE_LINES + 1}: {lines} lines, at most {FILE_LINES}: split the file"
    if name.startswith("src/") and path.suffix in (".h", ".cc"):
        for first, last, signature in functions(text):
            if last - first + 1 > FUNCTION_LINES:
                yield (f"{name}:{first}: function of {last - first + 1} lines, at most "
                       f"{FUNCTION_LINES}: {signature[:60]}")


def check_words(name, path, text):
    if name in RULE_FILES:
        return
    test = path.stem.endswith("_test") or name.startswith("tests/")
    rules = [(REMINDER, "open an issue instead"), (MACHINE, "a path of one machine")]
    if not test:
        rules.append((SCRATCH, "a path of one machine: ask for the temporary folder"))
    yield from search(name, text, rules)
    if not name.startswith("src/") or path.suffix not in (".h", ".cc"):
        return
    if re.search(r"^\s*#\s*include\s*<regex>", text, re.MULTILINE):
        yield f"{name}:1: <regex> is slow to compile and to run: parse by hand"
    rules = [(re.compile(r"\bthrow\b"), "errors are values: return a Status")]
    if test:
        rules.append((SLEEP, "a test never sleeps: order threads by events"))
    yield from search(name, strip(text), rules)


def search(name, text, rules):
    for number, line in enumerate(text.splitlines(), 1):
        for rule, advice in rules:
            if found := rule.search(line):
                yield f"{name}:{number}: {found[0]}: {advice}"


def check_name(name):
    for part in pathlib.PurePosixPath(name).parts:
        stem = part.partition(".")[0].removesuffix("_test")
        if VAGUE.search(stem):
            yield f"{name}:1: {part}: name it after what it holds"


def check_format(root, files):
    tool = shutil.which("clang-format-14")
    if not tool:
        print("skipped: format: clang-format-14 is not installed")
        return
    files = [str(file) for file in files]
    for start in range(0, len(files), 100):
        done = subprocess.run([tool, "--dry-run", "-Werror", *files[start:start + 100]], cwd=root,
                              text=True, stderr=subprocess.PIPE)
        yield from sorted({f"{line.split(': error')[0]}: run clang-format-14 -i"
                           for line in done.stderr.splitlines() if ": error:" in line})


def sources(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not SKIPPED_FOLDERS.intersection(parts) and path.suffix in TEXT:
            yield path


def check(root, format_too=True):
    """All findings as printable lines."""
    found, formatted = [], []
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        found += check_name(name)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # Binary test data has no form.
        found += check_lengths(name, path, text)
        found += check_words(name, path, text)
        if name.startswith("src/") and path.suffix in (".h", ".cc"):
            formatted.append(path.relative_to(root))
    if format_too:
        found += check_format(root, formatted)
    return found


def main(arguments):
    places = [word for word in arguments if not word.startswith("--")]
    if len(places) > 1 or set(arguments) - set(places) - {"--no-format"}:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(places[0]) if places else pathlib.Path(__file__).resolve().parents[1]
    found = check(root.resolve(), "--no-format" not in arguments)
    print("\n".join(found) or "tidy: nothing to report")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
