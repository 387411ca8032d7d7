#pragma once

#include "base/result.h"
#include "ingest/document.h"
#include "ingest/reader.h"
#include "ingest/readers/cfb_internal.h"

namespace malmoi::ingest {

// HWP 5.x, after Hancom's published specification "한글 문서 파일 형식 5.0" (revision 1.3).
Result<Document> ReadHwp(const CompoundFile& file, const ReaderLimits& limits);

}  // namespace malmoi::ingest
