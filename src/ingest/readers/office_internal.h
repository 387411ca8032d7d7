#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "ingest/document.h"
#include "ingest/readers/readers_internal.h"
#include "ingest/readers/zip_internal.h"

// Document formats inside zip archives; each is called when its own parts are there.
namespace malmoi::ingest {

Result<Document> ReadDocx(ZipArchive* zip, const ReaderLimits& limits);
Result<Document> ReadHwpx(ZipArchive* zip, const ReaderLimits& limits);
// A page a slide; titles are headings.
Result<Document> ReadPptx(ZipArchive* zip, const ReaderLimits& limits);
// A heading a sheet, a line a row, tabs between cells.
Result<Document> ReadXlsx(ZipArchive* zip, const ReaderLimits& limits);
// OpenDocument text, spreadsheet or presentation; `type` is its media type.
Result<Document> ReadOdf(ZipArchive* zip, const std::string& type, const ReaderLimits& limits);
Result<Document> ReadEpub(ZipArchive* zip, const ReaderLimits& limits);

// Targets of a part's relationships by id, as names of parts ("ppt/slides/slide1.xml").
std::map<std::string, std::string, std::less<>> Relationships(ZipArchive* zip,
                                                              const std::string& part);
// "a/b.xml" + "../c/d.xml" = "c/d.xml"; never above the root.
std::string ResolvePart(const std::string& base, const std::string& target);

// <dc:title> of a part with Dublin Core metadata; empty if it is not there or unreadable.
std::string CoreTitle(ZipArchive* zip, const std::string& part);

}  // namespace malmoi::ingest
