#include "ingest/readers/cfb_internal.h"
#include "ingest/readers/hwp_internal.h"
#include "ingest/readers/readers_internal.h"

namespace malmoi::ingest {

// A compound file is what its streams say.
Result<Document> ReadCompound(const ReadInput& input) {
  MALMOI_TRY(const CompoundFile file, CompoundFile::Open(input.bytes));
  const auto refuse = [](const char* why) { return Error(Code::kUnsupported, why); };
  if (file.Has("FileHeader") && file.Has("DocInfo")) return ReadHwp(file, input.limits);
  if (file.Has("EncryptedPackage") || file.Has("EncryptionInfo")) {
    return refuse("encrypted office document: needs a password; save it without one");
  }
  if (file.Has("WordDocument")) return refuse("cannot read DOC (Word 97-2003): save it as DOCX");
  if (file.Has("Workbook") || file.Has("Book")) {
    return refuse("cannot read XLS (Excel 97-2003): save it as CSV");
  }
  if (file.Has("PowerPoint Document")) {
    return refuse("cannot read PPT (PowerPoint 97-2003): save it as PDF");
  }
  if (file.Has("__properties_version1.0")) {
    return refuse("cannot read MSG (Outlook message): save it as text");
  }
  return refuse("cannot read this kind of compound file (OLE2)");
}

}  // namespace malmoi::ingest
