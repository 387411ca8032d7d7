// malmoi_http_load PORT PATH BODY_FILE CONNECTIONS REQUESTS: sends each line of BODY_FILE in turn
// as a POST, on so many connections at a time, each waiting for its answer before it sends again.
// Prints one JSON line: requests, failures, seconds, requests/s, latency p50, p90, p99, max in ms,
// bytes of the answers. One thread and epoll, so that the client takes little of the machine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
  int fd = -1;
  std::string out, in;
  std::size_t sent = 0;
  Clock::time_point start;
};

struct Run {
  std::vector<std::string> requests;
  std::size_t wanted = 0, started = 0, done = 0, failed = 0, bytes = 0;
  std::vector<double> ms;
};

std::vector<std::string> ReadRequests(const char* path, const char* file) {
  std::vector<std::string> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    out.push_back(std::string("POST ") + path +
                  " HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: " +
                  std::to_string(line.size()) + "\r\n\r\n" + line);
  }
  return out;
}

int Connect(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return -1;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

// The length of the first whole answer in `in`; 0 where it is not all there.
std::size_t AnswerSize(const std::string& in) {
  const std::size_t head = in.find("\r\n\r\n");
  if (head == std::string::npos) return 0;
  const std::size_t at = in.find("Content-Length: ");
  const std::size_t length =
      at < head ? static_cast<std::size_t>(std::strtoull(in.c_str() + at + 16, nullptr, 10)) : 0;
  return in.size() >= head + 4 + length ? head + 4 + length : 0;
}

bool Push(Connection* c) {
  while (c->sent < c->out.size()) {
    const ssize_t n = ::send(c->fd, c->out.data() + c->sent, c->out.size() - c->sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    c->sent += static_cast<std::size_t>(n);
  }
  return true;
}

bool Next(Run* run, Connection* c) {
  if (run->started >= run->wanted) return true;
  c->out = run->requests[run->started++ % run->requests.size()];
  c->sent = 0;
  c->start = Clock::now();
  return Push(c);
}

bool Receive(Run* run, Connection* c) {
  char buffer[65536];
  const ssize_t n = ::recv(c->fd, buffer, sizeof(buffer), 0);
  if (n <= 0) return false;
  c->in.append(buffer, static_cast<std::size_t>(n));
  const std::size_t size = AnswerSize(c->in);
  if (size == 0) return true;
  run->ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - c->start).count());
  if (c->in.compare(9, 3, "200") != 0) ++run->failed;
  run->bytes += size;
  ++run->done;
  c->in.erase(0, size);
  return Next(run, c);
}

double At(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: malmoi_http_load PORT PATH BODY_FILE CONNECTIONS REQUESTS\n", stderr);
    return 2;
  }
  Run run;
  run.requests = ReadRequests(argv[2], argv[3]);
  run.wanted = std::strtoull(argv[5], nullptr, 10);
  std::vector<Connection> connections(std::strtoull(argv[4], nullptr, 10));
  if (run.requests.empty() || connections.empty() || connections.size() > 4096) return 2;
  const int poll = ::epoll_create1(0);
  for (Connection& c : connections) {
    c.fd = Connect(std::atoi(argv[1]));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &c;
    if (c.fd < 0 || ::epoll_ctl(poll, EPOLL_CTL_ADD, c.fd, &event) != 0) return 3;
  }
  const auto start = Clock::now();
  for (Connection& c : connections) {
    if (!Next(&run, &c)) return 3;
  }
  while (run.done < run.wanted) {
    epoll_event events[64];
    const int n = ::epoll_wait(poll, events, 64, 60'000);
    if (n <= 0) return 3;
    for (int i = 0; i < n; ++i) {
      if (!Receive(&run, static_cast<Connection*>(events[i].data.ptr))) return 3;
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(run.ms.begin(), run.ms.end());
  std::printf(
      "{\"requests\":%zu,\"failed\":%zu,\"seconds\":%.3f,\"per_second\":%.1f,\"p50_ms\":%.3f,"
      "\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"bytes\":%zu}\n",
      run.done, run.failed, seconds, static_cast<double>(run.done) / seconds, At(run.ms, 0.5),
      At(run.ms, 0.9), At(run.ms, 0.99), At(run.ms, 1), run.bytes);
  return 0;
}
