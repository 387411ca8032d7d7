#pragma once

#include "base/result.h"
#include "rpc/tei/tei.pb.h"
#include "serve/tei/service.h"

namespace malmoi::rpc::tei {

namespace pb = ::tei::v1;
using serve::tei::Call;

// One function a message, as the HTTP routes do it. Errors: those of serve/tei/infer.h.
Result<pb::InfoResponse> Info(const Call& call, const pb::InfoRequest& request);
Result<pb::EmbedResponse> Embed(const Call& call, const pb::EmbedRequest& request);
Result<pb::EmbedSparseResponse> EmbedSparse(const Call& call,
                                            const pb::EmbedSparseRequest& request);
Result<pb::EmbedAllResponse> EmbedAll(const Call& call, const pb::EmbedAllRequest& request);
Result<pb::PredictResponse> Predict(const Call& call, const pb::PredictRequest& request);
Result<pb::PredictResponse> PredictPair(const Call& call, const pb::PredictPairRequest& request);
Result<pb::RerankResponse> Rerank(const Call& call, const pb::RerankRequest& request);
Result<pb::EncodeResponse> Tokenize(const Call& call, const pb::EncodeRequest& request);
Result<pb::DecodeResponse> Decode(const Call& call, const pb::DecodeRequest& request);

}  // namespace malmoi::rpc::tei
