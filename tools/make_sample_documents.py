#!/usr/bin/env python3
"""Writes the sample's office documents: one HWPX, one DOCX, one PDF. Standard library only.

    make_sample_documents.py [FOLDER]       (default: sample/documents)

They are smaller than what an office program writes, but complete: packages with their manifests,
paragraphs, a heading, a table, and for the PDF two pages with a text layer. The outputs are part of
the repository; tests/test_sample.py holds them to this script.
"""
import pathlib
import sys
import zipfile
from xml.sax.saxutils import escape

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

CLUB_TITLE = "독서 모임 운영 지침"
CLUB = [
    "말모이도서관에 등록한 독서 모임은 2026년 3월 현재 19개이다. 이 지침은 모임을 새로 만들고 꾸려 가는 데 필요한 것을 정한다.",
    "1. 등록: 회원 5명 이상이면 등록할 수 있다. 대표 한 사람과 총무 한 사람을 정하고, 등록은 해마다 1월에 새로 한다.",
    "2. 지원: 등록한 모임에는 한 해 150,000원까지 책값을 지원한다. 같은 책 10권을 묶은 '돌려 읽기 꾸러미'는 한 달 동안 빌릴 수 있다.",
    "3. 의무: 한 달에 한 번 이상 모이고, 한 해에 두 번 서평을 낸다. 석 달 동안 모이지 않으면 등록이 취소된다.",
    "4. 누리집: 서평은 대출 화면의 '이웃의 글'에 실린다. 실은 글은 글쓴이가 언제든지 내릴 수 있다.",
]
CLUB_TABLE = [
    ["모임", "때", "인원"],
    ["밤샘 소설", "둘째 금요일 19시", "11명"],
    ["사투리 채집", "첫째 토요일 10시", "8명"],
    ["천천히 논어", "매주 수요일 14시", "14명"],
]

ACCESS_TITLE = "Accessibility statement"
ACCESS = [
    "This statement covers the building and the web site of Malmoi Library. It was last revised on "
    "15 January 2026.",
    "The web site meets level AA of the web content guidelines, version 2.2, with two known gaps: "
    "the seat map of the reading room cannot be used by keyboard alone, and scanned newspapers from "
    "before 1950 have no text layer.",
    "The library lends three DAISY players and 412 talking books. Large print books carry the letter "
    "L. A sign language interpreter is present on the second Saturday of each month from 13:00 to "
    "17:00.",
    "Complaints are answered within seven days by the accessibility officer, Ms Han.",
]
ACCESS_TABLE = [
    ["Aid", "Number", "Where"],
    ["Screen magnifier", "2", "Second floor, by the window"],
    ["DAISY player", "3", "Information desk"],
    ["Height-adjustable table", "4", "Third floor"],
]

NEWS_TITLE = "Malmoi Library newsletter, spring 2026"
NEWS = [
    ["Malmoi Library newsletter", "Spring 2026", "",
     "The roof terrace reopens on 4 April after the repair of its railing.",
     "Twelve raised beds are given out by lot; applications close on 27 March.",
     "The new seat booking of the reading room starts on 1 May. Seats are",
     "released when nobody has checked in within 20 minutes.", "",
     "Visiting exhibition: type cases of the 1930s, from 7 April to 31 May,",
     "second floor. The curator speaks on 11 April at 15:00."],
    ["Page for children", "",
     "The word collectors need words for rain. Last year's topic, words for",
     "dusk, brought 187 cards from 64 children.", "",
     "The winner of the bookmark contest is Lee So-ul, aged nine. Her bookmark",
     "is printed in 3,000 copies and lies at the desk.", "",
     "Answer to the winter riddle: a shadow."],
]


def package(path, members):
    """A zip with fixed dates, so that a second run changes nothing. The first member is stored."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, text) in enumerate(members.items()):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if number == 0 else zipfile.ZIP_DEFLATED
            archive.writestr(info, text)


def hwpx_paragraph(text):
    return ('<hp:p id="0" paraPrIDRef="0" styleIDRef="0" pageBreak="0" columnBreak="0" merged="0">'
            f'<hp:run charPrIDRef="0"><hp:t>{escape(text)}</hp:t></hp:run></hp:p>')


def hwpx_table(rows):
    cells = []
    for y, row in enumerate(rows):
        cells.append("<hp:tr>")
        for x, text in enumerate(row):
            cells.append(f'<hp:tc name="" header="{int(y == 0)}"><hp:subList id="">'
                         f'{hwpx_paragraph(text)}</hp:subList>'
                         f'<hp:cellAddr colAddr="{x}" rowAddr="{y}"/>'
                         '<hp:cellSpan colSpan="1" rowSpan="1"/></hp:tc>')
        cells.append("</hp:tr>")
    return ('<hp:p id="0" paraPrIDRef="0" styleIDRef="0"><hp:run charPrIDRef="0">'
            f'<hp:tbl id="1" rowCnt="{len(rows)}" colCnt="{len(rows[0])}">{"".join(cells)}</hp:tbl>'
            '</hp:run></hp:p>')


def write_hwpx(path):
    ns = "http://www.hancom.co.kr/hwpml/2011/"
    opf = "http://www.idpf.org/2007/opf/"
    section = (DECLARATION + f'<hs:sec xmlns:hs="{ns}section" xmlns:hp="{ns}paragraph">'
               + hwpx_paragraph(CLUB_TITLE) + "".join(map(hwpx_paragraph, CLUB))
               + hwpx_table(CLUB_TABLE) + "</hs:sec>")
    header = (DECLARATION + f'<hh:head xmlns:hh="{ns}head" version="1.4" secCnt="1">'
              '<hh:refList><hh:charProperties itemCnt="1"><hh:charPr id="0" height="1000"/>'
              '</hh:charProperties><hh:paraProperties itemCnt="1"><hh:paraPr id="0"/>'
              '</hh:paraProperties></hh:refList></hh:head>')
    items = "".join(f'<opf:item id="{name}" href="Contents/{name}.xml" media-type="application/xml"/>'
                    for name in ("header", "section0"))
    content = (DECLARATION + f'<opf:package xmlns:opf="{opf}" version="" unique-identifier="">'
               f'<opf:metadata><opf:title>{CLUB_TITLE}</opf:title><opf:language>ko</opf:language>'
               f'</opf:metadata><opf:manifest>{items}</opf:manifest><opf:spine>'
               '<opf:itemref idref="header"/><opf:itemref idref="section0"/></opf:spine>'
               '</opf:package>')
    container = (DECLARATION + '<ocf:container xmlns:ocf="urn:oasis:names:tc:opendocument:xmlns:'
                 'container"><ocf:rootfiles><ocf:rootfile full-path="Contents/content.hpf" '
                 'media-type="application/hwpml-package+xml"/></ocf:rootfiles></ocf:container>')
    version = (DECLARATION + '<hv:HCFVersion xmlns:hv="http://www.hancom.co.kr/hwpml/2011/version" '
               'tagetApplication="WORDPROCESSOR" major="5" minor="1" micro="0" buildNumber="1" '
               'xmlVersion="1.4" application="malmoi sample"/>')
    package(path, {"mimetype": "application/hwp+zip", "version.xml": version,
                   "META-INF/container.xml": container, "Contents/content.hpf": content,
                   "Contents/header.xml": header, "Contents/section0.xml": section,
                   "Preview/PrvText.txt": "\r\n".join([CLUB_TITLE, *CLUB])})


def docx_paragraph(text, style=None):
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def write_docx(path):
    office = "http://schemas.openxmlformats.org/"
    word = office + "wordprocessingml/2006/main"
    rows = "".join("<w:tr>" + "".join(f"<w:tc>{docx_paragraph(cell)}</w:tc>" for cell in row)
                   + "</w:tr>" for row in ACCESS_TABLE)
    document = (DECLARATION + f'<w:document xmlns:w="{word}"><w:body>'
                + docx_paragraph(ACCESS_TITLE, "Heading1") + "".join(map(docx_paragraph, ACCESS))
                + docx_paragraph("Aids that can be borrowed", "Heading2")
                + f"<w:tbl>{rows}</w:tbl><w:p/><w:sectPr/></w:body></w:document>")
    styles = (DECLARATION + f'<w:styles xmlns:w="{word}">' + "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}"><w:name w:val="heading {n}"/>'
        f'<w:pPr><w:outlineLvl w:val="{n - 1}"/></w:pPr></w:style>' for n in (1, 2))
        + "</w:styles>")
    kinds = "application/vnd.openxmlformats-officedocument.wordprocessingml."
    types = (DECLARATION + f'<Types xmlns="{office}package/2006/content-types">'
             '<Default Extension="rels" '
             'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
             f'<Override PartName="/word/document.xml" ContentType="{kinds}document.main+xml"/>'
             f'<Override PartName="/word/styles.xml" ContentType="{kinds}styles+xml"/></Types>')

    def relations(kind, target):
        return (DECLARATION + f'<Relationships xmlns="{office}package/2006/relationships">'
                f'<Relationship Id="r1" Type="{office}officeDocument/2006/relationships/{kind}" '
                f'Target="{target}"/></Relationships>')

    package(path, {"[Content_Types].xml": types,
                   "_rels/.rels": relations("officeDocument", "word/document.xml"),
                   "word/document.xml": document, "word/styles.xml": styles,
                   "word/_rels/document.xml.rels": relations("styles", "styles.xml")})


def pdf_text(lines):
    """A page's content stream: Helvetica, 16 points apart, the first line larger."""
    def shown(line):
        return "(" + line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") + ") Tj"
    body = ["BT", "/F1 16 Tf", "16 TL", "72 760 Td", shown(lines[0]), "/F1 11 Tf"]
    body += [part for line in lines[1:] for part in ("T*", shown(line))]
    return "\n".join([*body, "ET"])


def write_pdf(path):
    pages = [f"{4 + 2 * number} 0 R" for number in range(len(NEWS))]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               f"<< /Type /Pages /Count {len(NEWS)} /Kids [{' '.join(pages)}] >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    for number, lines in enumerate(NEWS):
        stream = pdf_text(lines)
        objects.append("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font "
                       f"<< /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({NEWS_TITLE}) >>")
    out, places = "%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    out += "".join(f"{place:010d} 00000 n \n" for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n"
    path.write_bytes((out + f"startxref\n{table}\n%%EOF\n").encode("ascii"))


def write_all(folder):
    folder.mkdir(parents=True, exist_ok=True)
    write_hwpx(folder / "독서모임-운영.hwpx")
    write_docx(folder / "accessibility-statement.docx")
    write_pdf(folder / "newsletter-2026-spring.pdf")


def main(arguments):
    if len(arguments) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(__file__).resolve().parents[1]
    write_all(pathlib.Path(arguments[0]) if arguments else root / "sample" / "documents")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
