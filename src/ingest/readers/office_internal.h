#pragma once

#include "base/result.h"
#include "ingest/document.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/zip_internal.h"

// Document formats inside zip archives; each is called when its own parts are there.
namespace malmoi::ingest {

Result<Document> ReadDocx(ZipArchive* zip, const ReaderLimits& limits);
Result<Document> ReadHwpx(ZipArchive* zip, const ReaderLimits& limits);

// <dc:title> of a part with Dublin Core metadata; empty if it is not there or unreadable.
std::string CoreTitle(ZipArchive* zip, const std::string& part);

}  // namespace malmoi::ingest
