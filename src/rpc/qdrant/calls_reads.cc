#ifdef MALMOI_GRPC
#include <map>

#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/convert_internal.h"

namespace malmoi::rpc::store {
namespace {

using serve::Access;

template <class M>
qdrant::ReadParams ParamsOf(const M& request) {
  qdrant::ReadParams params;
  if (request.has_timeout()) params.timeout_seconds = request.timeout();
  return params;
}

template <class T>
Status Valid(const T& request) {
  qdrant::Checks checks;
  Validate(request, "", &checks);
  return Checked(checks);
}

Status Get(Call& call, const pb::GetPoints& request, pb::GetResponse* answer) {
  qdrant::GetPoints wanted;
  MALMOI_TRY(wanted.ids, ToIds(request.ids()));
  wanted.shard_key = ToShardKeys(request.shard_key_selector());
  if (request.has_with_payload()) wanted.with_payload = ToPayloadSelector(request.with_payload());
  if (request.has_with_vectors()) wanted.with_vector = ToVectorSelector(request.with_vectors());
  MALMOI_TRY(const auto records,
             call.service().Get(request.collection_name(), wanted, ParamsOf(request)));
  for (const auto& record : records) FromRecord(record, answer->add_result());
  return Ok();
}

Status Scroll(Call& call, const pb::ScrollPoints& request, pb::ScrollResponse* answer) {
  qdrant::ScrollPoints wanted;
  wanted.shard_key = ToShardKeys(request.shard_key_selector());
  if (request.has_filter()) {
    MALMOI_TRY(wanted.filter, ToFilter(request.filter()));
  }
  if (request.has_offset()) {
    MALMOI_TRY(wanted.offset, ToId(request.offset()));
  }
  if (request.has_limit()) wanted.limit = request.limit();
  if (request.has_with_payload()) wanted.with_payload = ToPayloadSelector(request.with_payload());
  if (request.has_with_vectors()) wanted.with_vector = ToVectorSelector(request.with_vectors());
  if (request.has_order_by()) {
    MALMOI_TRY(wanted.order_by, ToOrderBy(request.order_by()));
  }
  MALMOI_TRY(Valid(wanted));
  MALMOI_TRY(const auto page,
             call.service().Scroll(request.collection_name(), wanted, ParamsOf(request)));
  for (const auto& record : page.points) FromRecord(record, answer->add_result());
  if (page.next_page_offset) FromId(*page.next_page_offset, answer->mutable_next_page_offset());
  return Ok();
}

Status Count(Call& call, const pb::CountPoints& request, pb::CountResponse* answer) {
  qdrant::CountPoints wanted;
  wanted.shard_key = ToShardKeys(request.shard_key_selector());
  if (request.has_filter()) {
    MALMOI_TRY(wanted.filter, ToFilter(request.filter()));
  }
  if (request.has_exact()) wanted.exact = request.exact();
  MALMOI_TRY(Valid(wanted));
  MALMOI_TRY(const auto count,
             call.service().Count(request.collection_name(), wanted, ParamsOf(request)));
  answer->mutable_result()->set_count(count);
  return Ok();
}

Status Facet(Call& call, const pb::FacetCounts& request, pb::FacetResponse* answer) {
  qdrant::FacetRequest wanted;
  wanted.shard_key = ToShardKeys(request.shard_key_selector());
  wanted.key = request.key();
  if (request.has_filter()) {
    MALMOI_TRY(wanted.filter, ToFilter(request.filter()));
  }
  if (request.has_limit()) wanted.limit = request.limit();
  wanted.exact = request.exact();
  MALMOI_TRY(Valid(wanted));
  MALMOI_TRY(const auto counts,
             call.service().Facet(request.collection_name(), wanted, ParamsOf(request)));
  for (const vec::FacetCount& count : counts) {
    pb::FacetHit* hit = answer->add_hits();
    if (const auto* text = std::get_if<std::string>(&count.value)) {
      hit->mutable_value()->set_string_value(*text);
    } else if (const auto* whole = std::get_if<std::int64_t>(&count.value)) {
      hit->mutable_value()->set_integer_value(*whole);
    } else {
      hit->mutable_value()->set_bool_value(std::get<bool>(count.value));
    }
    hit->set_count(count.count);
  }
  return Ok();
}

Result<qdrant::MatrixResult> Matrix(Call& call, const pb::SearchMatrixPoints& request) {
  qdrant::SearchMatrix wanted;
  wanted.shard_key = ToShardKeys(request.shard_key_selector());
  if (request.has_filter()) {
    MALMOI_TRY(wanted.filter, ToFilter(request.filter()));
  }
  if (request.has_sample()) wanted.sample = request.sample();
  if (request.has_limit()) wanted.limit = request.limit();
  wanted.using_vector = request.using_();
  MALMOI_TRY(Valid(wanted));
  return call.service().Matrix(request.collection_name(), wanted, ParamsOf(request));
}

Status MatrixPairs(Call& call, const pb::SearchMatrixPoints& request,
                   pb::SearchMatrixPairsResponse* answer) {
  MALMOI_TRY(const auto matrix, Matrix(call, request));
  for (std::size_t row = 0; row < matrix.nearest.size(); ++row) {
    for (const auto& point : matrix.nearest[row]) {
      pb::SearchMatrixPair* pair = answer->mutable_result()->add_pairs();
      FromId(matrix.ids[row], pair->mutable_a());
      FromId(point.id, pair->mutable_b());
      pair->set_score(point.score);
    }
  }
  answer->mutable_result();
  return Ok();
}

Status MatrixOffsets(Call& call, const pb::SearchMatrixPoints& request,
                     pb::SearchMatrixOffsetsResponse* answer) {
  MALMOI_TRY(const auto matrix, Matrix(call, request));
  std::map<vec::PointId, std::size_t> place;
  for (std::size_t i = 0; i < matrix.ids.size(); ++i) place[matrix.ids[i]] = i;
  auto* out = answer->mutable_result();
  for (const auto& id : matrix.ids) FromId(id, out->add_ids());
  for (std::size_t row = 0; row < matrix.nearest.size(); ++row) {
    for (const auto& point : matrix.nearest[row]) {
      out->add_offsets_row(row);
      out->add_offsets_col(place[point.id]);
      out->add_scores(point.score);
    }
  }
  return Ok();
}

}  // namespace

std::vector<Method> ReadMethods() {
  const std::string at = "/qdrant.Points/";
  return {
      Of<&Get>(at + "Get", Access::kRead),
      Of<&Scroll>(at + "Scroll", Access::kRead),
      Of<&Count>(at + "Count", Access::kRead),
      Of<&Facet>(at + "Facet", Access::kRead),
      Of<&MatrixPairs>(at + "SearchMatrixPairs", Access::kRead),
      Of<&MatrixOffsets>(at + "SearchMatrixOffsets", Access::kRead),
  };
}

}  // namespace malmoi::rpc::store
#endif
