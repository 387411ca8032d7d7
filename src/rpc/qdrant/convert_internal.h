#pragma once

#include "qdrant/query_requests.h"
#include "qdrant/service.h"
#include "rpc/qdrant/answers.pb.h"
#include "rpc/qdrant/forms_internal.h"

// Messages to the requests of src/qdrant, and answers to messages: the data plane, without a detour
// over JSON. Errors: kInvalidArgument with Qdrant's text.
namespace malmoi::rpc::store {

template <class T>
using Many = google::protobuf::RepeatedPtrField<T>;

// Ids, vectors, points (convert_points.cc).
Result<vec::PointId> ToId(const pb::PointId& id);
Result<std::vector<vec::PointId>> ToIds(const Many<pb::PointId>& ids);
Result<qdrant::VectorData> ToVector(const pb::Vector& vector);
Result<qdrant::VectorMap> ToVectors(const pb::Vectors& vectors);
Result<qdrant::FilterPtr> ToFilter(const pb::Filter& filter);
// Points that each have one dense vector, all under one name and of one dimension. False: others,
// or such that ToPoints refuses.
bool ToColumns(const Many<pb::PointStruct>& points, vec::PointColumns* out);
Result<std::vector<qdrant::PointStruct>> ToPoints(const Many<pb::PointStruct>& points);
Result<std::vector<qdrant::PointVectors>> ToUpdates(const Many<pb::PointVectors>& points);
std::vector<qdrant::ShardKey> ToShardKeys(const pb::ShardKeySelector& selector);
vec::PayloadSelector ToPayloadSelector(const pb::WithPayloadSelector& selector);
vec::VectorSelector ToVectorSelector(const pb::WithVectorsSelector& selector);
qdrant::Document ToDocument(const pb::Document& document);

// Queries (convert_queries.cc).
Result<qdrant::VectorInput> ToInput(const pb::VectorInput& input);
Result<qdrant::Query> ToQuery(const pb::Query& query);
Result<qdrant::OrderBy> ToOrderBy(const pb::OrderBy& order);
Result<qdrant::SearchParams> ToParams(const pb::SearchParams& params);
qdrant::LookupLocation ToLookup(const pb::LookupLocation& lookup);
qdrant::WithLookup ToWithLookup(const pb::WithLookup& lookup);
Result<qdrant::QueryPoints> ToQueryPoints(const pb::QueryPoints& request);
Result<qdrant::QueryGroups> ToQueryGroups(const pb::QueryPointGroups& request);

// Answers (convert_answers.cc).
void FromId(const vec::PointId& id, pb::PointId* out);
void FromRecord(const qdrant::Record& record, pb::RetrievedPoint* out);
void FromScored(const std::vector<qdrant::ScoredPoint>& points, Many<pb::ScoredPoint>* out);
void FromGroups(const std::vector<qdrant::PointGroup>& groups, pb::GroupsResult* out);
void FromUpdate(const qdrant::UpdateResult& result, pb::UpdateResult* out);
void FromUsage(const qdrant::InferenceUsage& usage, pb::Usage* out);

}  // namespace malmoi::rpc::store
