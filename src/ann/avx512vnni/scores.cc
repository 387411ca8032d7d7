#if defined(__x86_64__)
#include "ann/avx512vnni/accumulate-inl.h"
#include "ann/hop-inl.h"
#include "ann/query-inl.h"
#include "ann/scores-inl.h"
#include "ann/sift-inl.h"

namespace malmoi::ann {

const ScoreTable kAvx512VnniScores = {"avx512vnni", Four, Eight, Offer,  WalkAll, Rotate,
                                      Split,        Join, Pick,  Marked, Sift};

}  // namespace malmoi::ann
#endif
