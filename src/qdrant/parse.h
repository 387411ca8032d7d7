#pragma once

#include <string>
#include <string_view>

#include "json/value.h"
#include "qdrant/collection_requests.h"
#include "qdrant/fields.h"
#include "qdrant/query_requests.h"

// JSON bodies to requests, with Qdrant's defaults and the texts of its errors. Use ReadAs<T>().
//
// A reason that begins with '!' is one of validation (status 422), which the struct cannot hold
// because it has no form for the mistake: "!PATH: REASON".
namespace malmoi::qdrant {

bool ReadPointId(const json::Value& value, vec::PointId* out, Why* why);
// "7" or a UUID, as in a path.
bool ParsePointId(std::string_view text, vec::PointId* out);
bool ReadFilter(const json::Value& value, FilterPtr* out, Why* why);
// One condition of a formula, as a filter that has it in `must`.
bool ReadOneCondition(const json::Value& value, FilterPtr* out, Why* why);
// A payload path, checked.
bool ReadPath(const json::Value& value, std::string* out, Why* why);
bool ReadPayload(const json::Value& value, std::string* out, Why* why);
bool Read(const json::Value& value, ShardKey* out, Why* why);
// The member `shard_key`: a key, a list of them, or {target, fallback}.
bool ReadShardKeys(const json::Value& request, std::vector<ShardKey>* out, Why* why);
// The same where it chooses nothing: reads, which one shard answers whatever they name.
bool CheckShardKeys(const json::Value& request, Why* why);
// {operation: parameters} of a collection's cluster route, and what creates and drops shard keys.
bool CheckClusterOperation(const json::Value& value, Why* why);
bool CheckCreateShardKey(const json::Value& value, Why* why);
bool CheckDropShardKey(const json::Value& value, Why* why);

bool Read(const json::Value& value, vec::PointId* out, Why* why);
bool Read(const json::Value& value, FilterPtr* out, Why* why);
bool Read(const json::Value& value, vec::SparseVector* out, Why* why);
bool Read(const json::Value& value, VectorData* out, Why* why);
bool Read(const json::Value& value, vec::PayloadSelector* out, Why* why);
bool Read(const json::Value& value, vec::VectorSelector* out, Why* why);
bool Read(const json::Value& value, PointStruct* out, Why* why);
bool Read(const json::Value& value, PointVectors* out, Why* why);
bool Read(const json::Value& value, OrderBy* out, Why* why);

bool Read(const json::Value& value, UpsertPoints* out, Why* why);
bool Read(const json::Value& value, PointsSelector* out, Why* why);
bool Read(const json::Value& value, UpdateVectors* out, Why* why);
bool Read(const json::Value& value, DeleteVectors* out, Why* why);
bool Read(const json::Value& value, SetPayload* out, Why* why);
bool Read(const json::Value& value, DeletePayload* out, Why* why);
bool Read(const json::Value& value, UpdateOperation* out, Why* why);
bool Read(const json::Value& value, GetPoints* out, Why* why);
bool Read(const json::Value& value, ScrollPoints* out, Why* why);
bool Read(const json::Value& value, CountPoints* out, Why* why);
bool Read(const json::Value& value, FacetRequest* out, Why* why);

bool Read(const json::Value& value, VectorInput* out, Why* why);
bool Read(const json::Value& value, Query* out, Why* why);
bool Read(const json::Value& value, SearchParams* out, Why* why);
bool Read(const json::Value& value, LookupLocation* out, Why* why);
bool Read(const json::Value& value, Prefetch* out, Why* why);
bool Read(const json::Value& value, QueryPoints* out, Why* why);
bool Read(const json::Value& value, WithLookup* out, Why* why);
bool Read(const json::Value& value, QueryGroups* out, Why* why);
bool ReadGroupBy(const json::Value& value, GroupBy* out, Why* why);
bool Read(const json::Value& value, SearchMatrix* out, Why* why);
bool Read(const json::Value& value, ExpressionPtr* out, Why* why);

// The requests of the routes that preceded /points/query: search, recommend, discover.
enum class Legacy { kSearch, kRecommend, kDiscover };
bool ReadLegacy(Legacy kind, const json::Value& value, QueryPoints* out, Why* why);
bool ReadLegacyGroups(Legacy kind, const json::Value& value, QueryGroups* out, Why* why);
// The rules that the old routes add to those of the query they stand for. `request` has a query.
Status CheckLegacy(const QueryPoints& request);
// Validate() but for a recommendation's examples, which CheckLegacy has a rule for.
void ValidateLegacy(const QueryPoints& request, const std::string& path, Checks* checks);

bool Read(const json::Value& value, VectorParams* out, Why* why);
bool Read(const json::Value& value, SparseVectorParams* out, Why* why);
bool Read(const json::Value& value, CreateCollection* out, Why* why);
bool Read(const json::Value& value, UpdateCollection::VectorChange* out, Why* why);
bool Read(const json::Value& value, UpdateCollection* out, Why* why);
bool Read(const json::Value& value, AliasAction* out, Why* why);
bool Read(const json::Value& value, CreateFieldIndex* out, Why* why);
bool Read(const json::Value& value, CreateVectorName* out, Why* why);

}  // namespace malmoi::qdrant
