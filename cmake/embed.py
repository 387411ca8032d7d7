#!/usr/bin/env python3
"""Writes a C++ file with the page's files as byte arrays: embed.py OUT.cc WEB_FOLDER"""
import pathlib
import sys

FILES = (("/", "index.html", "text/html; charset=utf-8"),
         ("/icon.svg", "icon.svg", "image/svg+xml"),
         ("/app.js", "app.js", "text/javascript; charset=utf-8"),
         ("/style.css", "style.css", "text/css; charset=utf-8"))


def main(out, web):
    lines = ['#include "serve/page_files_internal.h"', "", "namespace malmoi::serve {", "namespace {"]
    entries = []
    for index, (path, name, kind) in enumerate(FILES):
        data = (pathlib.Path(web) / name).read_bytes()
        values = ",".join(str(byte) for byte in data)
        lines.append(f"constexpr unsigned char kFile{index}[] = {{{values}}};")
        entries.append(f'    {{"{path}", "{kind}", '
                       f"{{reinterpret_cast<const char*>(kFile{index}), sizeof(kFile{index})}}}},")
    lines += ["}  // namespace", "", "std::span<const PageFile> PageFiles() {",
              "  static const PageFile files[] = {", *entries, "  };", "  return files;", "}",
              "}  // namespace malmoi::serve", ""]
    pathlib.Path(out).write_text("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:3])
