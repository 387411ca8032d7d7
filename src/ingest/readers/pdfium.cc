#include <dlfcn.h>

#include <string>

#include "ingest/readers/pdfium_internal.h"
#include "os/paths.h"

namespace malmoi::ingest {
namespace {

std::string& GivenPath() {
  static std::string path;
  return path;
}

template <class F>
bool Bind(void* library, const char* name, F** function) {
  *function = reinterpret_cast<F*>(::dlsym(library, name));
  return *function != nullptr;
}

bool BindAll(void* so, Pdfium* p) {
  return Bind(so, "FPDF_InitLibrary", &p->InitLibrary) &&
         Bind(so, "FPDF_LoadMemDocument64", &p->LoadMemDocument64) &&
         Bind(so, "FPDF_GetLastError", &p->GetLastError) &&
         Bind(so, "FPDF_CloseDocument", &p->CloseDocument) &&
         Bind(so, "FPDF_GetPageCount", &p->GetPageCount) &&
         Bind(so, "FPDF_GetMetaText", &p->GetMetaText) && Bind(so, "FPDF_LoadPage", &p->LoadPage) &&
         Bind(so, "FPDF_ClosePage", &p->ClosePage) &&
         Bind(so, "FPDFText_LoadPage", &p->TextLoadPage) &&
         Bind(so, "FPDFText_ClosePage", &p->TextClosePage) &&
         Bind(so, "FPDFText_CountChars", &p->TextCountChars) &&
         Bind(so, "FPDFText_GetUnicode", &p->TextGetUnicode) &&
         Bind(so, "FPDFText_IsHyphen", &p->TextIsHyphen) &&
         Bind(so, "FPDFText_GetLooseCharBox", &p->TextGetLooseCharBox);
}

const Pdfium* Load() {
  static Pdfium functions;
  std::string path = GivenPath();
  if (path.empty()) path = os::FindAsset("pdfium/libpdfium.so").value_or("");
  if (path.empty()) return nullptr;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr || !BindAll(library, &functions)) return nullptr;
  functions.InitLibrary();
  return &functions;
}

}  // namespace

void SetPdfiumPath(const char* path) {
  GivenPath() = path;
}

const Pdfium* LoadPdfium() {
  static const Pdfium* const loaded = Load();
  return loaded;
}

}  // namespace malmoi::ingest
