// malmoi bench store: the vector store's writes, opening, filters and exact scan on this machine.
// Random vectors of 384 numbers and a payload of four fields; prints the time of one fdatasync of
// the same disk and the bandwidth of memory, so that figures can be read as ratios. With `--only`
// one part: "exact" (searches of a scanned collection) or "wire" (batches over REST and gRPC).
#include <algorithm>
#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/bench_store_internal.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "obs/progress.h"
#include "os/cpu_info.h"
#include "os/vfs.h"
#include "vec/collection.h"

namespace malmoi::cli {

vec::Point BenchPoint(std::uint64_t id, std::mt19937_64& random) {
  vec::Point p{.id = id};
  auto& v = p.vectors.dense[""];
  v.resize(kBenchDim);
  for (float& x : v)
    x = static_cast<float>(static_cast<std::int64_t>(random() >> 40)) * 0x1p-23f - 1;
  p.payload = R"({"lang":")" + std::string(id % 10 == 0 ? "ko" : "en") + R"(","n":)" +
              std::to_string(id % 1000) + R"(,"path":"docs/file-)" + std::to_string(id % 97) +
              R"(.md","score":)" + std::to_string(id % 77) + ".5}";
  return p;
}

vec::CollectionConfig BenchConfig(bool graphs) {
  vec::CollectionConfig config;
  config.dense[""] = {.dim = kBenchDim, .distance = vec::Distance::kCosine};
  if (!graphs) config.settings = R"({"optimizer_config":{"indexing_threshold":0}})";
  return config;
}

double Percentile(std::vector<double> v, double p) {
  if (v.empty()) return 0;
  const auto at = static_cast<std::size_t>(p * static_cast<double>(v.size() - 1));
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(at), v.end());
  return v[at];
}

double MemoryBandwidth(std::size_t threads) {
  const std::vector<std::uint64_t> data(std::size_t{512} << 17, 1);  // 512 MiB.
  std::atomic<std::uint64_t> sum{0};
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const std::int64_t start = MonotonicNs();
    std::vector<std::thread> readers;
    for (std::size_t t = 0; t < threads; ++t) {
      readers.emplace_back([&, t] {
        std::uint64_t a[8] = {};
        const std::size_t end = data.size() / threads / 8 * 8;
        const std::uint64_t* from = data.data() + t * end;
        for (std::size_t i = 0; i < end; i += 8) {
          for (std::size_t k = 0; k < 8; ++k) a[k] += from[i + k];
        }
        for (const std::uint64_t x : a) sum += x;
      });
    }
    for (auto& t : readers) t.join();
    best = std::max(best, static_cast<double>(data.size() * 8) / SecondsSince(start));
  }
  return sum == 0 ? 0 : best;
}

namespace {

constexpr std::uint32_t kDim = kBenchDim;
constexpr std::size_t kBatch = kBenchBatch;
constexpr std::size_t kClients = 64;

class StoreBench {
 public:
  StoreBench(std::string folder, std::size_t points, std::size_t threads,
             const Arguments& arguments, bool quiet)
      : folder_(std::move(folder)),
        points_(points),
        threads_(threads),
        writes_only_(arguments.writes),
        part_(arguments.only.empty() ? "" : arguments.only.front()),
        progress_("measuring", "parts", 0, quiet) {}

  Result<Figures> Run() {
    MALMOI_TRY(os::PosixVfs().MakeDirs(folder_));
    std::vector<Step> steps;
    if (part_.empty()) Append(WriteSteps(), &steps);
    if (part_ == "exact") Append(FillSteps(), &steps);
    if (part_ != "wire") Append(ExactSteps(), &steps);
    if (part_.empty()) Append(GraphSteps(), &steps);
    if (part_ != "exact") Append(WireSteps(), &steps);
    std::uint64_t total = 0;
    for (const Step& step : steps) total += Parts(step);
    progress_.SetTotal(total);
    for (const Step& step : steps) {
      progress_.SetNote(step.name);
      MALMOI_TRY(step.run());
      progress_.Add(Parts(step));
    }
    progress_.Finish();
    return std::move(figures_);
  }

 private:
  struct Step {
    std::string name;
    double seconds;  // About, on two cores: what the progress counts.
    std::function<Status()> run;
  };
  using Steps = std::vector<Step>;
  static std::uint64_t Parts(const Step& step) {
    return static_cast<std::uint64_t>(step.seconds * 10);
  }

  static void Append(Steps more, Steps* to) {
    for (Step& step : more) to->push_back(std::move(step));
  }
  double Seconds(double of_100k) const { return of_100k * static_cast<double>(points_) / 1e5; }

  Steps WriteSteps() {
    return {{"one sync", 1, [this] { return Syncs(); }},
            {"an empty collection", 1, [this] { return Create(); }},
            {"single writes", 2, [this] { return Singles(); }},
            {"many clients", 2, [this] { return Many(); }},
            {"batches", Seconds(3), [this] { return Batches(points_, ""); }},
            {"opening after a crash", Seconds(1), [this] { return AfterCrash(); }},
            {"opening", Seconds(1), [this] { return Reopen(); }}};
  }
  Steps FillSteps() {
    return {{"an empty collection", 1, [this] { return Create(); }},
            {"batches", Seconds(3), [this] { return Batches(points_, ""); }},
            {"opening", Seconds(1), [this] { return Reopen(); }}};
  }
  Steps ExactSteps() {
    Steps steps = {{"memory", 2, [this] { return Memory(); }},
                   {"exact search", 1, [this] { return Time("exact search", nullptr, true); }},
                   {"exact search, batches", 2, [this] { return Batch(); }}};
    if (!writes_only_) steps.push_back({"filters", 1, [this] { return Reads(); }});
    return steps;
  }
  Steps GraphSteps() {
    const std::size_t points = std::min<std::size_t>(points_, 100'000);
    return {{"batches beside graphs", 12, [this, points]() -> Status {
               MALMOI_TRY(c_, db_->Create("graphs", BenchConfig(/*graphs=*/true)));
               return Batches(points, ", graphs made meanwhile");
             }}};
  }
  Steps WireSteps() {
    const std::size_t points = std::min<std::size_t>(points_, 200'000);
    return {{"batches over the wire", Seconds(7), [this, points] {
               c_.reset();
               db_.reset();
               return BenchStoreRest(folder_, points, 4, threads_, &figures_);
             }}};
  }

  Status Create() {
    MALMOI_TRY(db_, vec::Database::Open(os::PosixVfs(), folder_ + "/db", threads_));
    MALMOI_TRY(c_, db_->Create("bench", BenchConfig(/*graphs=*/false)));
    MALMOI_TRY(const std::uint64_t empty, Size(folder_ + "/db"));
    Add("empty collection on disk", static_cast<double>(empty) / 1024, "KiB");
    return Ok();
  }

  Status Memory() {
    bandwidth_ = MemoryBandwidth(threads_);
    Add("memory read, " + std::to_string(threads_) + " threads", bandwidth_ * 1e-9, "GB/s");
    return Ok();
  }

  void Add(std::string name, double value, std::string unit) {
    figures_.push_back({std::move(name), value, std::move(unit)});
  }

  static Result<std::uint64_t> Size(const std::string& folder) {
    auto& vfs = os::PosixVfs();
    std::uint64_t sum = 0;
    MALMOI_TRY(const auto names, vfs.List(folder));
    for (const auto& name : names) {
      MALMOI_TRY(const auto info, vfs.Stat(folder + "/" + name));
      if (info.is_directory) {
        MALMOI_TRY(const auto below, Size(folder + "/" + name));
        sum += below;
      } else {
        sum += info.size;
      }
    }
    return sum;
  }

  // One write of 4 KiB and its fdatasync.
  Status Syncs() {
    MALMOI_TRY(const auto file, os::PosixVfs().Open(folder_ + "/sync", os::OpenMode::kTruncate));
    MALMOI_TRY(file->Allocate(4 << 20));
    MALMOI_TRY(file->Sync());
    const std::string page(4096, 'x');
    std::vector<double> times;
    for (std::uint64_t i = 0; i < 400; ++i) {
      const std::int64_t start = MonotonicNs();
      MALMOI_TRY(file->Write(i * page.size(), page));
      MALMOI_TRY(file->Sync());
      times.push_back(SecondsSince(start));
    }
    sync_p50_ = Percentile(times, 0.5);
    Add("one fdatasync, p50", sync_p50_ * 1e6, "us");
    return Ok();
  }

  Status Singles() {
    std::mt19937_64 random(1);
    for (const bool wait : {true, false}) {
      std::vector<double> times;
      for (std::uint64_t i = 0; i < 2000; ++i) {
        const vec::Point p = BenchPoint(next_id_++, random);
        const std::int64_t start = MonotonicNs();
        MALMOI_TRY(c_->Upsert({&p, 1}, {.wait = wait}));
        times.push_back(SecondsSince(start));
      }
      const std::string name = wait ? "single write, durable" : "single write, wait=false";
      Add(name + ", p50", Percentile(times, 0.5) * 1e6, "us");
      Add(name + ", p99", Percentile(times, 0.99) * 1e6, "us");
      if (wait) Add("single write / fdatasync", Percentile(times, 0.5) / sync_p50_, "x");
    }
    return Ok();
  }

  Status Many() {
    constexpr std::uint64_t kEach = 400;
    std::atomic<std::uint64_t> failed{0};
    std::vector<std::vector<vec::Point>> points(kClients);
    std::mt19937_64 random(2);
    for (auto& list : points) {
      for (std::uint64_t i = 0; i < kEach; ++i) list.push_back(BenchPoint(next_id_++, random));
    }
    const std::int64_t start = MonotonicNs();
    std::vector<std::thread> clients;
    for (std::size_t t = 0; t < kClients; ++t) {
      clients.emplace_back([&, t] {
        for (const auto& p : points[t]) failed += c_->Upsert({&p, 1}, {}).ok() ? 0 : 1;
      });
    }
    for (auto& t : clients) t.join();
    const double seconds = SecondsSince(start);
    if (failed > 0) return Error(Code::kInternal, "writes failed");
    Add("64 clients, durable single writes", kClients * kEach / seconds, "writes/s");
    return Ok();
  }

  Status Batches(std::size_t points, const std::string& note) {
    std::mt19937_64 random(3);
    std::vector<double> times;
    double seconds = 0;
    std::size_t done = 0;
    for (; done < points; done += kBatch) {
      std::vector<vec::Point> batch;
      for (std::size_t i = 0; i < kBatch; ++i) batch.push_back(BenchPoint(next_id_++, random));
      const std::int64_t start = MonotonicNs();
      MALMOI_TRY(c_->Upsert(batch, {}));
      times.push_back(SecondsSince(start));
      seconds += times.back();
    }
    Add("batches of 1,000 x 384, durable" + note, static_cast<double>(done) / seconds, "points/s");
    Add("batch of 1,000, p50" + note, Percentile(times, 0.5) * 1e3, "ms");
    Add("batch of 1,000, worst" + note, Percentile(times, 1) * 1e3, "ms");
    return Ok();
  }

  // What a killed process leaves: the files as they are while the collection is open.
  Status AfterCrash() {
    auto& vfs = os::PosixVfs();
    const std::string to = folder_ + "/crashed";
    Status copied = Ok();
    for (int i = 0; i < 20; ++i) {  // Files go while they are copied, where segments are merged.
      (void)vfs.RemoveAll(to).ok();
      copied = CopyAll(folder_ + "/db", to);
      if (copied.ok() || copied.error().code() != Code::kNotFound) break;
    }
    MALMOI_TRY(std::move(copied));
    const std::int64_t start = MonotonicNs();
    {
      MALMOI_TRY(const auto db, vec::Database::Open(vfs, to, threads_));
      MALMOI_TRY(const auto c, db->Get("bench"));
      MALMOI_TRY(c->Query(Nearest()));
      Add("opening after a crash, to the first query", SecondsSince(start) * 1e3, "ms");
      if (c->Info().points != c_->Info().points) return Error(Code::kInternal, "points were lost");
    }
    return vfs.RemoveAll(to);
  }

  static Status CopyAll(const std::string& from, const std::string& to) {
    auto& vfs = os::PosixVfs();
    MALMOI_TRY(vfs.MakeDirs(to));
    MALMOI_TRY(const auto names, vfs.List(from));
    for (const auto& name : names) {
      MALMOI_TRY(const auto info, vfs.Stat(from + "/" + name));
      if (info.is_directory) {
        MALMOI_TRY(CopyAll(from + "/" + name, to + "/" + name));
      } else {
        MALMOI_TRY(Copy(from + "/" + name, to + "/" + name));
      }
    }
    return Ok();
  }

  static Status Copy(const std::string& from, const std::string& to) {
    auto& vfs = os::PosixVfs();
    MALMOI_TRY(const auto source, vfs.Open(from, os::OpenMode::kRead));
    MALMOI_TRY(const auto target, vfs.Open(to, os::OpenMode::kTruncate));
    for (std::uint64_t at = 0;;) {
      std::string bytes;
      MALMOI_TRY(source->Read(at, 4 << 20, &bytes));
      if (bytes.empty()) return Ok();
      MALMOI_TRY(target->Write(at, bytes));
      at += bytes.size();
    }
  }

  static vec::VectorQuery Nearest(float x = 0.5f) {
    vec::VectorQuery query{.using_vector = "", .vector = std::vector<float>(kDim, x)};
    query.with_payload = false;
    query.params.exact = true;
    return query;
  }

  Status Batch() {
    constexpr std::size_t kQueries = 64;
    std::vector<vec::VectorQuery> queries;
    std::mt19937_64 random(7);
    for (std::size_t i = 0; i < kQueries; ++i) {
      queries.push_back(Nearest());
      queries.back().vector = BenchPoint(i, random).vectors.dense[""];
    }
    std::vector<double> times;
    for (int i = 0; i < 15; ++i) {
      const std::int64_t start = MonotonicNs();
      MALMOI_TRY(c_->QueryBatch(queries));
      times.push_back(SecondsSince(start));
    }
    Add("exact search, batches of 64, first", kQueries / times[0], "queries/s");
    Add("exact search, batches of 64, p50 of 15", kQueries / Percentile(times, 0.5), "queries/s");
    Add("exact search, batches of 64, best", kQueries / Percentile(times, 0), "queries/s");
    return Ok();
  }

  Status Reopen() {
    const std::uint64_t points = c_->Info().points;
    std::int64_t start = MonotonicNs();
    c_.reset();
    db_.reset();
    Add("closing", SecondsSince(start) * 1e3, "ms");
    start = MonotonicNs();
    MALMOI_TRY(db_, vec::Database::Open(os::PosixVfs(), folder_ + "/db", threads_));
    MALMOI_TRY(c_, db_->Get("bench"));
    const std::vector<vec::PointId> one = {std::uint64_t{1}};
    MALMOI_TRY(c_->Retrieve(one, true));
    const std::string name = "opening " + std::to_string(points) + " points, to the first ";
    Add(name + "read", SecondsSince(start) * 1e3, "ms");
    MALMOI_TRY(c_->Query(Nearest()));
    Add(name + "query", SecondsSince(start) * 1e3, "ms");
    if (c_->Info().points != points) return Error(Code::kInternal, "points were lost");
    return Ok();
  }

  Status Time(const std::string& name, const vec::Filter* filter, bool search) {
    vec::VectorQuery query = Nearest();
    query.filter = filter;
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
      const std::int64_t start = MonotonicNs();
      if (search) {
        MALMOI_TRY(c_->Query(query));
      } else {
        MALMOI_TRY(c_->Count(filter));
      }
      times.push_back(SecondsSince(start));
      if (i == 0) Add(name + ", first", times[0] * 1e3, "ms");
    }
    Add(name + ", p50 of 9", Percentile(times, 0.5) * 1e3, "ms");
    if (search && filter == nullptr) {
      const double bytes = static_cast<double>(c_->Info().points) * kDim * 4;
      const double rate = bytes / Percentile(times, 0.5);
      Add("exact scan", rate * 1e-9, "GB/s");
      Add("exact scan / memory read", 100 * rate / bandwidth_, "%");
    }
    return Ok();
  }

  Status Reads() {
    vec::Filter ko;
    ko.must.push_back({vec::FieldCondition{"lang", vec::MatchAny{{std::string("ko")}}}});
    vec::Filter range;
    range.must.push_back({vec::FieldCondition{"n", vec::Range{.lt = 20, .gte = 10}}});
    MALMOI_TRY(Time("count by keyword", &ko, false));
    MALMOI_TRY(Time("count by range", &range, false));
    return Time("exact search, 1 % by range", &range, true);
  }

  std::string folder_;
  std::size_t points_;
  std::size_t threads_;
  bool writes_only_;
  std::string part_;  // Empty: all.
  obs::Progress progress_;
  std::unique_ptr<vec::Database> db_;
  std::shared_ptr<vec::Collection> c_;
  std::uint64_t next_id_ = 1;
  double sync_p50_ = 0;
  double bandwidth_ = 0;
  Figures figures_;
};

}  // namespace

Result<int> CmdBenchStore(const Context& context) {
  const auto& only = context.arguments.only;
  if (only.size() > 1 || (only.size() == 1 && only[0] != "exact" && only[0] != "wire")) {
    return Error(Code::kInvalidArgument, "bench store: --only " + only[0] +
                                             ": give exact or wire, or inserts with --vectors");
  }
  const std::string folder = os::JoinPath(context.settings.Get("data"), "bench-store");
  auto& vfs = os::PosixVfs();
  (void)vfs.RemoveAll(folder).ok();  // What an earlier run left, if any.
  auto threads = static_cast<std::size_t>(context.settings.GetInt("threads"));
  if (threads == 0) threads = os::UsableCores();
  const bool quiet = context.arguments.quiet || context.arguments.json;
  auto figures =
      StoreBench(folder, context.arguments.points, threads, context.arguments, quiet).Run();
  MALMOI_TRY(vfs.RemoveAll(folder));
  if (!figures.ok()) return std::move(figures.error()).With("bench store");
  json::Writer w;
  w.BeginObject().Field("cpu_level", os::CpuLevelName(os::ActiveCpuLevel()));
  w.Field("threads", threads).Key("figures").BeginArray();
  for (const Figure& f : figures.value()) {
    w.BeginObject().Field("name", f.name).Field("value", f.value).Field("unit", f.unit);
    w.EndObject();
    if (context.arguments.json) continue;
    std::fprintf(context.out, "%-48s %12s %s\n", f.name.c_str(), FormatFixed(f.value, 1).c_str(),
                 f.unit.c_str());
  }
  w.EndArray().EndObject();
  if (context.arguments.json) std::fprintf(context.out, "%s\n", w.text().c_str());
  return kFound;
}

}  // namespace malmoi::cli
