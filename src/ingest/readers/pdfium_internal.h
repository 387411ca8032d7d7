#pragma once

// The part of PDFium's public C interface that reading text needs, declared from its documented
// ABI (public/fpdfview.h, fpdf_text.h, fpdf_doc.h); stable since 2014. The library is loaded at run
// time, so that a missing one costs PDF only.
namespace malmoi::ingest {

struct PdfDocument;
struct PdfPage;
struct PdfText;

// FS_RECTF.
struct PdfBox {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;
};

struct Pdfium {
  void (*InitLibrary)();
  PdfDocument* (*LoadMemDocument64)(const void* data, unsigned long size, const char* password);
  unsigned long (*GetLastError)();
  void (*CloseDocument)(PdfDocument*);
  int (*GetPageCount)(PdfDocument*);
  // UTF-16LE with a terminating zero; returns bytes needed.
  unsigned long (*GetMetaText)(PdfDocument*, const char* tag, void* buffer, unsigned long size);
  PdfPage* (*LoadPage)(PdfDocument*, int index);
  void (*ClosePage)(PdfPage*);
  PdfText* (*TextLoadPage)(PdfPage*);
  void (*TextClosePage)(PdfText*);
  int (*TextCountChars)(PdfText*);
  unsigned int (*TextGetUnicode)(PdfText*, int index);
  int (*TextIsHyphen)(PdfText*, int index);
  // Height from the font's ascent and descent, in points, origin at the lower left.
  int (*TextGetLooseCharBox)(PdfText*, int index, PdfBox* box);
};

// PDFium's error codes (FPDF_ERR_*).
constexpr unsigned long kPdfErrorFormat = 3;
constexpr unsigned long kPdfErrorPassword = 4;
constexpr unsigned long kPdfErrorSecurity = 5;

// Loads the library from the asset folder or, in a sandboxed child, hands out what was loaded
// before. Null when it is missing. Not thread-safe beyond its first call, as PDFium is not.
const Pdfium* LoadPdfium();
// The library's path, for a child that has no environment to find it by; before LoadPdfium.
void SetPdfiumPath(const char* path);

}  // namespace malmoi::ingest
