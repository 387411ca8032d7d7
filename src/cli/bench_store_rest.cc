// Batched writes in process, over REST and over gRPC: the same points, as many clients.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "cli/bench_store_internal.h"
#include "json/writer.h"
#include "os/vfs.h"
#include "rpc/qdrant/points_client.h"
#include "rpc/qdrant/server.h"
#include "serve/qdrant/store_server.h"
#include "vec/collection.h"

namespace malmoi::cli {
namespace {

constexpr std::size_t kPrepared = 4;  // Batches of a client, sent again under other ids.
// Each way writes in turn, a part at a time: a disk whose rate swings then swings for all.
constexpr std::size_t kRounds = 5;
constexpr std::string_view kCollection =
    R"({"vectors":{"size":384,"distance":"Cosine"},"optimizers_config":{"indexing_threshold":0}})";
constexpr std::uint64_t kFirst =
    100'000'000;  // Ids have nine digits, so that they can be replaced.

double CpuSeconds(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// One keep-alive connection.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ok_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The status of the answer; 0 where the connection broke.
  int Put(const std::string& target, std::string_view body) {
    const std::string head = "PUT " + target +
                             " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                             "Content-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n";
    if (!Send(head) || !Send(body)) return 0;
    std::string answer;
    for (;;) {
      char buffer[4096];
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return 0;
      answer.append(buffer, static_cast<std::size_t>(n));
      const std::size_t end = answer.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const std::size_t at = answer.find("Content-Length: ");
      if (at >= end) return 0;
      if (answer.size() - end - 4 >= std::strtoull(answer.data() + at + 16, nullptr, 10)) break;
    }
    return std::atoi(answer.c_str() + 9);
  }

 private:
  bool Send(std::string_view bytes) {
    while (ok_ && !bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ok_ = n > 0;
      if (ok_) bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return ok_;
  }

  int fd_;
  bool ok_ = false;
};

// A request's body and where its ids stand.
struct Body {
  std::string text;
  std::vector<std::size_t> ids;

  void SetIds(std::uint64_t first) {
    for (const std::size_t at : ids) std::to_chars(text.data() + at, text.data() + at + 9, first++);
  }
};

Body MakeBody(const std::vector<vec::Point>& points) {
  Body body;
  body.text = R"({"points":[)";
  for (const vec::Point& p : points) {
    body.text += body.ids.empty() ? R"({"id":)" : R"(,{"id":)";
    body.ids.push_back(body.text.size());
    body.text += std::to_string(std::get<std::uint64_t>(p.id));
    json::Writer vector;
    vector.BeginArray();
    for (const float x : p.vectors.dense.at("")) vector.Put(x);
    vector.EndArray();
    body.text += R"(,"vector":)" + vector.text() + R"(,"payload":)" + p.payload + "}";
  }
  body.text += "]}";
  return body;
}

struct Rate {
  double points_a_second = 0;
  double client_cpu = 0;  // Of one core.
  double all_cpu = 0;
};

using Prepared = std::vector<std::vector<std::vector<vec::Point>>>;  // By client and batch.

// One way to write, with a collection of its own that stays open between rounds.
class Way {
 public:
  virtual ~Way() = default;
  // Writes batch number `batch` of client `client`, under ids from `first` on.
  virtual bool Send(std::size_t client, std::size_t batch, std::uint64_t first) = 0;
  // Until nothing of it works in the background.
  virtual Status Settle() = 0;
};

Result<Rate> Measure(Way& way, std::size_t clients, std::size_t batches, std::size_t round) {
  std::atomic<bool> failed{false};
  std::atomic<std::int64_t> client_ns{0};
  const double cpu = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  const std::int64_t start = MonotonicNs();
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      for (std::size_t b = 0; b < batches && !failed; ++b) {
        const std::size_t before = (round * clients + c) * batches + b;
        if (!way.Send(c, b, kFirst + before * kBenchBatch)) failed = true;
      }
      client_ns += static_cast<std::int64_t>(CpuSeconds(CLOCK_THREAD_CPUTIME_ID) * 1e9);
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = SecondsSince(start);
  if (failed) return Error(Code::kInternal, "a batch was not written");
  const Rate rate{.points_a_second = static_cast<double>(clients * batches * kBenchBatch) / seconds,
                  .client_cpu = static_cast<double>(client_ns) * 1e-9 / seconds,
                  .all_cpu = (CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / seconds};
  MALMOI_TRY(way.Settle());
  return rate;
}

class InProcess final : public Way {
 public:
  explicit InProcess(Prepared points) : points_(std::move(points)) {}
  Status Open(const std::string& folder, std::size_t threads) {
    MALMOI_TRY(db_, vec::Database::Open(os::PosixVfs(), folder + "/direct", threads));
    MALMOI_TRY(collection_, db_->Create("bench", BenchConfig(/*graphs=*/false)));
    return Ok();
  }
  bool Send(std::size_t client, std::size_t batch, std::uint64_t first) override {
    auto& list = points_[client][batch % kPrepared];
    for (auto& p : list) p.id = first++;
    return collection_->Upsert(list, {}).ok();
  }
  Status Settle() override { return collection_->Checkpoint(); }

 private:
  Prepared points_;
  std::unique_ptr<vec::Database> db_;
  std::shared_ptr<vec::Collection> collection_;
};

// A server of both wires with an empty collection.
struct Serving {
  serve::StoreSettings settings;
  std::unique_ptr<qdrant::Service> service;
  std::unique_ptr<qdrant::Snapshots> snapshots;
  serve::StoreRecords records;
  std::unique_ptr<serve::StoreServer> rest;
  std::unique_ptr<rpc::store::Server> grpc;  // Null: the program was built without.

  Status Start(const std::string& folder, std::size_t threads) {
    settings.http_port = 0;
    settings.grpc_port = 0;
    settings.storage = folder;
    qdrant::ServiceOptions options;
    options.vfs = &os::PosixVfs();
    options.directory = folder + "/collections";
    options.threads = threads;
    MALMOI_TRY(service, qdrant::Service::Open(options));
    snapshots =
        std::make_unique<qdrant::Snapshots>(*service, os::PosixVfs(), folder + "/snapshots");
    MALMOI_TRY(rest, serve::StoreServer::Start(*service, *snapshots, settings, &records));
    auto started = rpc::store::Server::Start(*service, *snapshots, settings, records);
    if (!started.ok() && started.error().code() != Code::kUnsupported) {
      return std::move(started.error());
    }
    if (started.ok()) grpc = std::move(started).value();
    Connection control(rest->port());
    if (control.Put("/collections/bench", kCollection) == 200) return Ok();
    return Error(Code::kInternal, "the collection was not created over REST");
  }
  ~Serving() {
    if (grpc != nullptr) grpc->Stop(1);
    if (rest != nullptr) rest->Stop(1);
  }
};

class OverWire : public Way {
 public:
  Status Open(const std::string& folder, std::size_t threads, const Prepared& points) {
    MALMOI_TRY(server_.Start(folder, threads));
    return Prepare(points);
  }
  Status Settle() override {
    MALMOI_TRY(const auto collection, server_.service->Find("bench"));
    return collection->store->Checkpoint();
  }
  virtual bool there() const { return true; }

 protected:
  virtual Status Prepare(const Prepared& points) = 0;
  Serving server_;
};

class OverRest final : public OverWire {
 public:
  bool Send(std::size_t client, std::size_t batch, std::uint64_t first) override {
    Body& body = bodies_[client][batch % kPrepared];
    body.SetIds(first);
    return connections_[client]->Put("/collections/bench/points?wait=true", body.text) == 200;
  }

 private:
  Status Prepare(const Prepared& points) override {
    for (const auto& client : points) {
      auto& bodies = bodies_.emplace_back();
      for (const auto& batch : client) bodies.push_back(MakeBody(batch));
      connections_.push_back(std::make_unique<Connection>(server_.rest->port()));
    }
    return Ok();
  }
  std::vector<std::vector<Body>> bodies_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

class OverGrpc final : public OverWire {
 public:
  bool Send(std::size_t client, std::size_t batch, std::uint64_t first) override {
    return clients_[client]->Send(batch % kPrepared, first).ok();
  }
  bool there() const override { return server_.grpc != nullptr; }  // Else it was not built in.

 private:
  Status Prepare(const Prepared& points) override {
    if (!there()) return Ok();
    for (const auto& client : points) {
      MALMOI_TRY(clients_.emplace_back(), rpc::store::PointsClient::Create(
                                              "127.0.0.1:" + std::to_string(server_.grpc->port())));
      for (const auto& batch : client) MALMOI_TRY(clients_.back()->Prepare("bench", batch));
    }
    return Ok();
  }
  std::vector<std::unique_ptr<rpc::store::PointsClient>> clients_;
};

double MedianOf(const std::vector<Rate>& rates, double (*value)(const Rate&)) {
  std::vector<double> values;
  for (const Rate& rate : rates) values.push_back(value(rate));
  return Percentile(values, 0.5);
}
double Points(const Rate& rate) {
  return rate.points_a_second;
}

// gRPC's threads are of this process too: of the clients only their calling threads are counted.
void AddWire(const std::string& who, const std::string& wire, const std::vector<Rate>& rates,
             const std::vector<Rate>& direct, Figures* figures) {
  figures->push_back({who + ", " + wire, MedianOf(rates, Points), "points/s"});
  figures->push_back(
      {who + ", " + wire + ": CPU of the server",
       MedianOf(rates, [](const Rate& rate) { return rate.all_cpu - rate.client_cpu; }), "cores"});
  figures->push_back({who + ", " + wire + ": CPU of the clients",
                      MedianOf(rates, [](const Rate& rate) { return rate.client_cpu; }), "cores"});
  std::vector<double> shares;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    shares.push_back(100 * rates[i].points_a_second / direct[i].points_a_second);
  }
  figures->push_back({wire + " / in process", Percentile(shares, 0.5), "%"});
  figures->push_back({wire + " / in process, lowest of " + std::to_string(shares.size()),
                      Percentile(shares, 0), "%"});
  figures->push_back({wire + " / in process, highest", Percentile(shares, 1), "%"});
}

}  // namespace

Status BenchStoreRest(const std::string& folder, std::size_t points, std::size_t clients,
                      std::size_t threads, Figures* figures) {
  std::mt19937_64 random(5);
  Prepared prepared(clients);
  for (auto& client : prepared) {
    for (std::size_t b = 0; b < kPrepared; ++b) {
      auto& batch = client.emplace_back();
      for (std::size_t i = 0; i < kBenchBatch; ++i) batch.push_back(BenchPoint(kFirst, random));
    }
  }
  InProcess direct(prepared);
  OverRest rest;
  OverGrpc grpc;
  MALMOI_TRY(direct.Open(folder, threads));
  MALMOI_TRY(rest.Open(folder + "/rest", threads, prepared));
  MALMOI_TRY(grpc.Open(folder + "/grpc", threads, prepared));
  const std::size_t batches = std::max<std::size_t>(points / kBenchBatch / clients / kRounds, 1);
  std::vector<Rate> rates[3];
  for (std::size_t round = 0; round < kRounds; ++round) {
    MALMOI_TRY(rates[0].emplace_back(), Measure(direct, clients, batches, round));
    MALMOI_TRY(rates[1].emplace_back(), Measure(rest, clients, batches, round));
    if (!grpc.there()) continue;
    MALMOI_TRY(rates[2].emplace_back(), Measure(grpc, clients, batches, round));
  }
  const std::string who = std::to_string(clients) + " clients, batches";
  figures->push_back({who + ", in process", MedianOf(rates[0], Points), "points/s"});
  figures->push_back({who + ", in process: CPU",
                      MedianOf(rates[0], [](const Rate& rate) { return rate.all_cpu; }), "cores"});
  AddWire(who, "REST", rates[1], rates[0], figures);
  if (grpc.there()) AddWire(who, "gRPC", rates[2], rates[0], figures);
  return Ok();
}

}  // namespace malmoi::cli
