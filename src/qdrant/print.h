#pragma once

#include <string>
#include <vector>

#include "json/writer.h"
#include "qdrant/service.h"

// Answers as JSON, member by member as in the OpenAPI document.
namespace malmoi::qdrant {

void PrintId(const PointId& id, json::Writer* writer);
// The unnamed vector alone stands without a name.
void PrintVectors(const vec::NamedVectors& vectors, json::Writer* writer);
void PrintRecord(const Record& record, json::Writer* writer);
void PrintScored(const ScoredPoint& point, json::Writer* writer);
void PrintScored(const std::vector<ScoredPoint>& points, json::Writer* writer);
void PrintGroups(const std::vector<PointGroup>& groups, json::Writer* writer);
void PrintScroll(const ScrollResult& result, json::Writer* writer);
void PrintFacet(const std::vector<vec::FacetCount>& counts, json::Writer* writer);
void PrintMatrixPairs(const MatrixResult& result, json::Writer* writer);
void PrintMatrixOffsets(const MatrixResult& result, json::Writer* writer);
void PrintUpdate(const UpdateResult& result, json::Writer* writer);
void PrintCollection(const CollectionDescription& description, json::Writer* writer);
void PrintSnapshot(const SnapshotDescription& snapshot, json::Writer* writer);

}  // namespace malmoi::qdrant
