// malmoi bench store --vectors or --beir: recall against queries per second of the store's graphs,
// with and without filters, beside inserts, on the caller's data. bench/plot_curves.py draws it.
#include "cli/bench_recall.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/vector_file.h"
#include "json/writer.h"
#include "kernels/vector.h"
#include "obs/progress.h"
#include "os/cpu_info.h"
#include "rag/evaluation.h"
#include "rag/parts.h"
#include "vec/optimize.h"

namespace malmoi::cli {
namespace {

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kHits = 10;
constexpr std::uint32_t kWindows[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384};
constexpr std::size_t kHeldOut = 1000;
constexpr double kPace = 9000;  // Points a second, of the inserts that keep a pace.

struct Set {
  std::string name;
  Matrix points, queries;
};

// A curve's point.
struct Measured {
  std::string filter{};  // Empty: none.
  std::size_t threads = 1;
  std::uint32_t window = 0;
  double recall = 0, qps = 0, p50_us = 0, p99_us = 0;
};

double Percentile(std::vector<double> v, double p) {
  if (v.empty()) return 0;
  const auto at = static_cast<std::size_t>(p * static_cast<double>(v.size() - 1));
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(at), v.end());
  return v[at];
}

// The last rows become queries where there are none.
Result<Set> FromFiles(const Arguments& a) {
  Set set{.name = a.vectors, .points = {}, .queries = {}};
  MALMOI_TRY(set.points, ReadVectors(os::PosixVfs(), a.vectors, a.limit));
  if (!a.queries.empty()) {
    MALMOI_TRY(set.queries, ReadVectors(os::PosixVfs(), a.queries, kHeldOut));
  } else {
    const std::size_t held = std::min(kHeldOut, set.points.rows / 10);
    const auto from = static_cast<std::ptrdiff_t>((set.points.rows - held) * set.points.dim);
    set.queries = {
        held, set.points.dim, {set.points.values.begin() + from, set.points.values.end()}};
    set.points.rows -= held;
    set.points.values.resize(set.points.rows * set.points.dim);
  }
  if (set.points.rows == 0 || set.queries.rows == 0 || set.queries.dim != set.points.dim) {
    return Error(Code::kInvalidArgument,
                 std::to_string(set.points.rows) + " vectors of " + std::to_string(set.points.dim) +
                     " numbers and " + std::to_string(set.queries.rows) + " queries of " +
                     std::to_string(set.queries.dim) + ": both must be there, of one dimension");
  }
  return set;
}

Result<Set> FromBeir(const Context& context) {
  const Arguments& a = context.arguments;
  MALMOI_TRY(auto beir, rag::LoadBeir(a.beir));
  MALMOI_TRY(const auto embedder,
             rag::OpenEmbedder(context.settings.Get("model"),
                               static_cast<std::size_t>(context.settings.GetInt("threads")),
                               kernels::Precision::kFloat32));
  if (!embedder)
    return Error(Code::kInvalidArgument, "--beir needs an embedding model; see --model");
  if (a.limit != 0 && beir.corpus.size() > a.limit) beir.corpus.resize(a.limit);
  if (beir.queries.size() > kHeldOut) beir.queries.resize(kHeldOut);
  Set set{.name = beir.name, .points = {}, .queries = {}};
  const auto embed = [&](const std::vector<rag::BeirSet::Text>& texts, embed::Prompt prompt,
                         Matrix* out) -> Status {
    for (std::size_t at = 0; at < texts.size(); at += kBatch) {
      std::vector<std::string> joined;
      for (std::size_t i = at; i < std::min(at + kBatch, texts.size()); ++i) {
        joined.push_back(texts[i].title.empty() ? texts[i].text
                                                : texts[i].title + ". " + texts[i].text);
      }
      const std::vector<std::string_view> views(joined.begin(), joined.end());
      MALMOI_TRY(const auto v, embedder->Embed(views, prompt, context.cancel));
      out->dim = v.dim;
      const auto all = v.values.span();
      out->values.insert(out->values.end(), all.begin(), all.end());
      out->rows += joined.size();
    }
    return Ok();
  };
  MALMOI_TRY(embed(beir.corpus, embed::Prompt::kPassage, &set.points));
  MALMOI_TRY(embed(beir.queries, embed::Prompt::kQuery, &set.queries));
  return set;
}

class RecallBench {
 public:
  RecallBench(Set set, std::string folder, std::size_t threads, vec::Distance distance,
              bool inserts_only, bool quiet)
      : set_(std::move(set)),
        folder_(std::move(folder)),
        threads_(threads),
        distance_(distance),
        inserts_only_(inserts_only),
        progress_("measuring", "steps", inserts_only ? kInsertSteps : kSteps, quiet) {}

  Status Run() {
    MALMOI_TRY(db_, vec::Database::Open(os::PosixVfs(), folder_, threads_));
    vec::CollectionConfig config;
    config.dense[""] = {.dim = static_cast<std::uint32_t>(set_.points.dim), .distance = distance_};
    MALMOI_TRY(c_, db_->Create("bench", config));
    for (const char* key : {"u", "a"}) {
      const vec::Operation op =
          vec::CreateIndexOp{.key = key, .params = {.kind = vec::IndexKind::kInteger}};
      MALMOI_TRY(c_->Write({&op, 1}));
    }
    MALMOI_TRY(Load());
    Next("optimising");
    std::int64_t start = MonotonicNs();
    MALMOI_TRY(vec::Optimize(*c_));
    Figure("optimise after the last insert, s", SecondsSince(start));
    Sizes();
    Next("searches alone");
    MALMOI_TRY(Quiet());
    if (!inserts_only_) MALMOI_TRY(Curves());
    progress_.Add(1);
    progress_.Finish();
    return Ok();
  }

  Status Curves() {
    MALMOI_TRY(Curve({}, 1, kWindows));
    MALMOI_TRY(Curve({}, std::max<std::size_t>(threads_, 2), kWindows));
    constexpr std::uint32_t kFew[] = {16, 32, 64, 128, 256};
    for (const int keep : {1, 10, 100, 500, 900}) {  // Of a thousand.
      MALMOI_TRY(Curve({"u", keep}, 1, kFew));
      MALMOI_TRY(Curve({"a", keep}, 1, kFew));
    }
    Next("opening");
    return Reopen();
  }

  std::string Json() const {
    json::Writer w;
    w.BeginObject().Field("set", set_.name).Field("points", set_.points.rows);
    w.Field("dim", set_.points.dim).Field("queries", set_.queries.rows);
    w.Field("cpu_level", os::CpuLevelName(os::ActiveCpuLevel())).Key("figures").BeginObject();
    for (const auto& [name, value] : figures_) w.Field(name, value);
    w.EndObject().Key("curve").BeginArray();
    for (const Measured& m : curve_) {
      w.BeginObject().Field("engine", "malmoi store").Field("filter", m.filter);
      w.Field("threads", m.threads).Field("window", std::uint64_t{m.window});
      w.Field("recall", m.recall).Field("qps", m.qps).Field("p50_us", m.p50_us);
      w.Field("p99_us", m.p99_us).EndObject();
    }
    w.EndArray().EndObject();
    return w.text();
  }

  void Print(std::FILE* out) const {
    for (const auto& [name, value] : figures_) {
      std::fprintf(out, "%-44s %14s\n", name.c_str(), FormatFixed(value, 2).c_str());
    }
    for (const Measured& m : curve_) {
      std::fprintf(out, "%-10s threads %zu window %4u recall %s qps %9s p50 %7s p99 %7s us\n",
                   m.filter.empty() ? "-" : m.filter.c_str(), m.threads, m.window,
                   FormatFixed(m.recall, 4).c_str(), FormatFixed(m.qps, 0).c_str(),
                   FormatFixed(m.p50_us, 0).c_str(), FormatFixed(m.p99_us, 0).c_str());
    }
  }

 private:
  struct Kept {
    std::string key;  // "u": independent of the vectors; "a": along one direction.
    int below = 0;    // Of a thousand.
  };

  // The step before is done, this one begins.
  void Next(const std::string& step) {
    if (begun_) progress_.Add(1);
    begun_ = true;
    progress_.SetNote(step);
  }

  void Figure(const std::string& name, double value) { figures_.emplace_back(name, value); }

  // Ranks along a fixed direction, in thousandths: neighbours have neighbouring numbers.
  std::vector<int> Along() const {
    std::mt19937_64 random(11);
    std::vector<float> direction(set_.points.dim);
    for (float& x : direction) x = static_cast<float>(random() % 2001) - 1000.0f;
    std::vector<std::pair<float, std::size_t>> order;
    for (std::size_t i = 0; i < set_.points.rows; ++i) {
      order.emplace_back(kernels::Dot(set_.points.row(i), direction), i);
    }
    std::sort(order.begin(), order.end());
    std::vector<int> out(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      out[order[i].second] = static_cast<int>(i * 1000 / order.size());
    }
    return out;
  }

  // One thread that searches, with pauses in which the caches go cold, until it is told to stop.
  class Asker {
   public:
    explicit Asker(const RecallBench& bench) : bench_(bench), thread_([this] { Run(); }) {}
    // The microseconds of each search.
    Result<std::vector<double>> Stop() {
      done_ = true;
      thread_.join();
      if (failed_) return Error(Code::kInternal, "a search beside inserts failed");
      return std::move(times_);
    }

   private:
    void Run() {
      for (std::size_t q = 0; !done_; q = (q + 1) % bench_.set_.queries.rows) {
        const auto query = bench_.Ask(q, 64, nullptr, false);
        const std::int64_t start = MonotonicNs();
        if (!bench_.c_->Query(query).ok()) failed_ = true;
        times_.push_back(SecondsSince(start) * 1e6);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
    const RecallBench& bench_;
    std::atomic<bool> done_{false}, failed_{false};
    std::vector<double> times_;
    std::thread thread_;
  };

  // Inserts everything while one thread searches: half as fast as it goes, half at kPace. The pace
  // begins when what came before is in graphs, so that it shows what can be kept up.
  Status Load() {
    const std::vector<int> along = Along();
    std::mt19937_64 random(5);
    const std::size_t half = set_.points.rows / 2;
    for (const bool paced : {false, true}) {
      Next(paced ? "inserts at 9,000 points/s" : "inserts at full speed");
      if (paced) MALMOI_TRY(vec::Optimize(*c_));
      Asker asker(*this);
      const std::size_t from = paced ? half : 0, to = paced ? set_.points.rows : half;
      const std::int64_t begun = MonotonicNs();
      Status status = Ok();
      for (std::size_t at = from; at < to && status.ok(); at += kBatch) {
        const double due = static_cast<double>(at - from) / kPace;
        if (paced && SecondsSince(begun) < due) {
          std::this_thread::sleep_for(std::chrono::duration<double>(due - SecondsSince(begun)));
        }
        std::vector<vec::Point> batch;
        for (std::size_t i = at; i < std::min(at + kBatch, to); ++i) {
          vec::Point p{.id = std::uint64_t{i}};
          const auto row = set_.points.row(i);
          p.vectors.dense[""].assign(row.begin(), row.end());
          p.payload = R"({"u":)" + std::to_string(random() % 1000) + R"(,"a":)" +
                      std::to_string(along[i]) + "}";
          batch.push_back(std::move(p));
        }
        status = c_->Upsert(batch, {.wait = false});
      }
      const double rate = static_cast<double>(to - from) / SecondsSince(begun);
      MALMOI_TRY(const auto times, asker.Stop());
      MALMOI_TRY(std::move(status));
      const std::string note = paced ? "at 9,000 points/s" : "at full speed";
      Figure("inserts with live index " + note + ", points/s", rate);
      Figure("search meanwhile, " + note + ", p50 us", Percentile(times, 0.5));
      Figure("search meanwhile, " + note + ", p99 us", Percentile(times, 0.99));
      (paced ? paced_p99_us_ : insert_p99_us_) = Percentile(times, 0.99);
    }
    return Ok();
  }

  // The same searches with nothing else going on.
  Status Quiet() {
    Asker asker(*this);
    std::this_thread::sleep_for(std::chrono::seconds(3));
    MALMOI_TRY(const auto times, asker.Stop());
    const double p99 = Percentile(times, 0.99);
    Figure("the same searches, quiet, p50 us", Percentile(times, 0.5));
    Figure("the same searches, quiet, p99 us", p99);
    Figure("p99 while inserting at full speed / quiet", insert_p99_us_ / p99);
    Figure("p99 while inserting 9,000 points/s / quiet", paced_p99_us_ / p99);
    return Ok();
  }

  void Sizes() {
    const auto info = c_->Info();
    const auto n = static_cast<double>(set_.points.rows);
    Figure("segments", static_cast<double>(info.segments));
    Figure("points in graphs, share", static_cast<double>(info.indexed_vectors) / n);
    Figure("memory, bytes/vector", static_cast<double>(info.memory_bytes) / n);
    Figure("disk, bytes/vector", static_cast<double>(info.disk_bytes) / n);
    // The vectors themselves stay in mapped files; a search reads some of them.
    const auto raw = static_cast<double>(set_.points.dim) * sizeof(float);
    Figure("memory and mapped vectors / raw f32",
           (static_cast<double>(info.memory_bytes) / n + raw) / raw);
  }

  vec::VectorQuery Ask(std::size_t q, std::uint32_t window, const vec::Filter* filter,
                       bool exact) const {
    const auto row = set_.queries.row(q);
    vec::VectorQuery query{.using_vector = "",
                           .vector = std::vector<float>(row.begin(), row.end()),
                           .filter = filter,
                           .limit = kHits,
                           .with_payload = false};
    query.params.ef = window;
    query.params.exact = exact;
    return query;
  }

  Status Curve(const Kept& kept, std::size_t threads, std::span<const std::uint32_t> windows) {
    vec::Filter filter;
    filter.must.push_back(
        {vec::FieldCondition{kept.key, vec::Range{.lt = static_cast<double>(kept.below)}}});
    const vec::Filter* chosen = kept.key.empty() ? nullptr : &filter;
    const std::string name =
        kept.key.empty() ? "" : kept.key + " " + FormatFixed(kept.below / 10.0, 1) + " %";
    Next(kept.key.empty() ? "curve, " + std::to_string(threads) + " threads" : "filter " + name);
    // Exact answers of a filter from a part of the queries: a scan takes its time.
    const std::size_t n =
        chosen == nullptr ? set_.queries.rows : std::min<std::size_t>(set_.queries.rows, 300);
    std::vector<std::vector<vec::PointId>>& truth = truth_[name];
    for (std::size_t q = truth.size(); q < n; ++q) {
      MALMOI_TRY(const auto exact, c_->Query(Ask(q, 64, chosen, true)));
      truth.emplace_back();
      for (const auto& hit : exact.hits) truth.back().push_back(hit.id);
    }
    for (const std::uint32_t window : windows) {
      MALMOI_TRY(auto m, One(truth, window, chosen, threads));
      m.filter = name;
      curve_.push_back(m);
      if (m.recall > 0.999) break;
    }
    return Ok();
  }

  Result<Measured> One(const std::vector<std::vector<vec::PointId>>& truth, std::uint32_t window,
                       const vec::Filter* filter, std::size_t threads) const {
    Measured best{.threads = threads, .window = window};
    for (int round = 0; round < 3; ++round) {
      std::vector<std::vector<double>> times(threads);
      std::atomic<std::size_t> hits{0}, wanted{0};
      std::atomic<bool> failed{false};
      const std::int64_t start = MonotonicNs();
      std::vector<std::thread> workers;
      for (std::size_t t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
          for (std::size_t q = t; q < truth.size(); q += threads) {
            const auto query = Ask(q, window, filter, false);
            const std::int64_t begin = MonotonicNs();
            const auto found = c_->Query(query);
            times[t].push_back(SecondsSince(begin) * 1e6);
            if (!found.ok()) failed = true;
            if (!found.ok()) continue;
            wanted += truth[q].size();
            for (const auto& hit : found.value().hits) {
              hits += std::find(truth[q].begin(), truth[q].end(), hit.id) != truth[q].end() ? 1 : 0;
            }
          }
        });
      }
      for (auto& worker : workers) worker.join();
      const double qps = static_cast<double>(truth.size()) / SecondsSince(start);
      if (failed) return Error(Code::kInternal, "a search failed");
      best.recall = wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
      if (qps <= best.qps) continue;
      best.qps = qps;
      std::vector<double> all;
      for (const auto& part : times) all.insert(all.end(), part.begin(), part.end());
      best.p50_us = Percentile(all, 0.5);
      best.p99_us = Percentile(all, 0.99);
    }
    return best;
  }

  Status Reopen() {
    c_.reset();
    db_.reset();
    const std::int64_t start = MonotonicNs();
    MALMOI_TRY(db_, vec::Database::Open(os::PosixVfs(), folder_, threads_));
    MALMOI_TRY(c_, db_->Get("bench"));
    Figure("opening, ms", SecondsSince(start) * 1e3);
    MALMOI_TRY(vec::Optimize(*c_));
    Figure("opening, until graphs are used, ms", SecondsSince(start) * 1e3);
    return Ok();
  }

  Set set_;
  std::string folder_;
  std::size_t threads_;
  vec::Distance distance_;
  std::unique_ptr<vec::Database> db_;
  std::shared_ptr<vec::Collection> c_;
  std::map<std::string, std::vector<std::vector<vec::PointId>>> truth_;
  std::vector<std::pair<std::string, double>> figures_;
  std::vector<Measured> curve_;
  // Two of inserts, optimising, searches alone; two curves, ten filters, opening.
  static constexpr std::uint64_t kInsertSteps = 4, kSteps = 17;
  bool inserts_only_;
  obs::Progress progress_;
  bool begun_ = false;
  double insert_p99_us_ = 0, paced_p99_us_ = 0;
};

}  // namespace

Result<int> CmdBenchRecall(const Context& context) {
  const Arguments& a = context.arguments;
  if (!a.only.empty() && a.only != std::vector<std::string>{"inserts"}) {
    return Error(Code::kInvalidArgument,
                 "bench store: --only " + a.only[0] + ": with --vectors or --beir give inserts");
  }
  auto set = a.beir.empty() ? FromFiles(a) : FromBeir(context);
  if (!set.ok()) return std::move(set.error()).With("bench store");
  const std::string folder = os::JoinPath(context.settings.Get("data"), "bench-recall");
  auto& vfs = os::PosixVfs();
  (void)vfs.RemoveAll(folder).ok();  // What an earlier run left, if any.
  auto threads = static_cast<std::size_t>(context.settings.GetInt("threads"));
  if (threads == 0) threads = os::UsableCores();
  const vec::Distance distance = a.distance == "dot"      ? vec::Distance::kDot
                                 : a.distance == "euclid" ? vec::Distance::kEuclid
                                                          : vec::Distance::kCosine;
  Status status = Ok();
  {
    RecallBench bench(std::move(set).value(), folder, threads, distance, !a.only.empty(),
                      a.quiet || a.json);
    status = bench.Run();
    if (status.ok()) {
      if (a.json) std::fprintf(context.out, "%s\n", bench.Json().c_str());
      if (!a.json) bench.Print(context.out);
    }
  }
  MALMOI_TRY(vfs.RemoveAll(folder));
  if (!status.ok()) return std::move(status.error()).With("bench store");
  return kFound;
}

}  // namespace malmoi::cli
