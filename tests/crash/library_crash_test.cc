// Goal: a process killed at any moment of indexing loses no acknowledged document and leaves no
// ghost: after a last run the index equals a fresh one, to the last bit of every score.
// Method: this binary starts itself as the victim, kills it with SIGKILL after a random share of
// the time that a whole run takes, checks the survivors, changes some files, and goes on with the
// same data directory. 20 rounds, 200 with MALMOI_FULL=1; then also over the PEP documents.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>

#include "base/clock.h"
#include "os/paths.h"
#include "rag/chunk_point.h"
#include "rag/library_fixture_internal.h"
#include "vec/collection.h"

namespace malmoi::rag {
namespace {

using fixture::Folder;
using fixture::MakeMarkdown;
using fixture::RankedLists;
using fixture::WordEmbedder;

constexpr const char* kVictim = "--index-and-be-killed";

LibraryOptions OptionsFor(const std::string& data) {
  LibraryOptions options;
  options.data_directory = data;
  options.threads = 2;
  options.jobs = 2;
  options.model = "none";
  options.embedder = std::make_shared<WordEmbedder>("w", 16);
  return options;
}

int RunVictim(const std::string& data, const std::string& docs) {
  const auto library = Library::Open(OptionsFor(data));
  if (!library.ok()) {
    std::fprintf(stderr, "%s\n", library.error().message().c_str());
    return 3;
  }
  const auto report = library.value()->Index(docs, "c", nullptr, nullptr);
  if (!report.ok()) std::fprintf(stderr, "%s\n", report.error().message().c_str());
  return report.ok() ? 0 : 3;
}

struct VictimEnd {
  bool killed = false;
  int exit_code = -1;
  double seconds = 0;
};

// Runs the victim; kills it after `kill_after_ms` (negative: never).
VictimEnd StartVictim(const std::string& data, const std::string& docs, int kill_after_ms) {
  const std::int64_t start = MonotonicNs();
  const std::string self = os::ExecutablePath();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(self.c_str(), self.c_str(), kVictim, data.c_str(), docs.c_str(), nullptr);
    ::_exit(127);
  }
  VictimEnd end;
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  pollfd wait{handle, POLLIN, 0};
  if (::poll(&wait, 1, kill_after_ms) == 0) ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(handle);
  end.killed = WIFSIGNALED(status) != 0 && WTERMSIG(status) == SIGKILL;
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  end.seconds = SecondsSince(start);
  return end;
}

// Every row's chunks are in the store, the store has no others, and every document opens.
// Returns the number of documents.
std::size_t CheckSurvivors(const std::string& data) {
  std::set<vec::PointId> expected;
  std::size_t documents = 0;
  {
    const auto library = Library::Open(OptionsFor(data));
    if (!library.ok()) FAIL(library.error().message());
    if (library.value()->Collections().empty()) return 0;
    const auto rows = library.value()->Documents("c");
    REQUIRE(rows.ok());
    documents = rows.value().size();
    for (const auto& row : rows.value()) {
      for (const auto& id : ChunkIds(row)) expected.insert(id);
      const auto document = library.value()->ReadDocument("c", row.root, row.path);
      if (!document.ok()) FAIL(document.error().message());
    }
  }
  // Closed above: now the store alone, as it lies on disk.
  const auto database = vec::Database::Open(os::PosixVfs(), os::JoinPath(data, "vec"), 2);
  REQUIRE(database.ok());
  CHECK(database.value()->damaged().empty());
  const auto store = database.value()->Get("c");
  REQUIRE(store.ok());
  std::size_t found = 0;
  std::size_t ghosts = 0;
  std::optional<vec::PointId> from;
  do {
    const auto page = store.value()->Scroll(from, 1000, nullptr, false);
    REQUIRE(page.ok());
    for (const auto& point : page.value().points) {
      (expected.count(point.id) != 0 ? found : ghosts) += 1;
    }
    from = page.value().next;
  } while (from);
  CHECK(ghosts == 0);
  CHECK(found == expected.size());
  return documents;
}

std::string ListsOf(const std::string& data) {
  const auto library = Library::Open(OptionsFor(data));
  if (!library.ok()) FAIL(library.error().message());
  return RankedLists(*library.value(), "c");
}

bool Full() {
  const char* full = std::getenv("MALMOI_FULL");
  return full != nullptr && std::string_view(full) == "1";
}

// `change(round)` alters the documents after each kill; may do nothing.
template <class Change>
void KillAgainAndAgain(const std::string& docs, int rounds, Change change) {
  std::mt19937 random(3);
  double whole = 0;  // Seconds of a run from nothing, and of one that goes on.
  double update = 0;
  {
    const Folder data;
    const VictimEnd end = StartVictim(data.path(), docs, -1);
    REQUIRE(end.exit_code == 0);
    whole = end.seconds;
    update = whole / 2;
  }
  auto data = std::make_unique<Folder>();
  int killed = 0;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    // From time to time from nothing, so that the first batches are hit too.
    const bool anew = round % 5 == 0;
    if (anew) data = std::make_unique<Folder>();
    const auto limit_ms = static_cast<unsigned>((anew ? whole : update) * 1000) + 1;
    const VictimEnd end = StartVictim(data->path(), docs, static_cast<int>(random() % limit_ms));
    REQUIRE((end.killed || end.exit_code == 0));
    if (end.killed) ++killed;
    // What ended by itself was faster than thought: later kills come sooner.
    if (!end.killed) (anew ? whole : update) = end.seconds;
    CheckSurvivors(data->path());
    change(round);
  }
  std::printf("library_crash_test: %d of %d runs were killed\n", killed, rounds);
  CHECK(killed > 0);
  REQUIRE(StartVictim(data->path(), docs, -1).exit_code == 0);
  CHECK(CheckSurvivors(data->path()) > 0);
  const Folder fresh;
  REQUIRE(StartVictim(fresh.path(), docs, -1).exit_code == 0);
  CHECK(ListsOf(data->path()) == ListsOf(fresh.path()));
}

TEST_CASE("killed while indexing changing files: no loss, no ghost, equal to a fresh index") {
  const Folder docs;
  for (std::uint32_t i = 0; i < 150; ++i) {
    docs.Write("d" + std::to_string(i) + ".md", MakeMarkdown(i, 4 + static_cast<int>(i % 9)));
  }
  std::mt19937 random(5);
  KillAgainAndAgain(docs.path(), Full() ? 200 : 20, [&](int round) {
    for (unsigned i = 0; i < 12; ++i) {
      const std::string name = "d" + std::to_string(random() % 160) + ".md";
      if (random() % 3 == 0) {
        docs.Remove(name);
      } else {
        docs.Write(name, MakeMarkdown(static_cast<std::uint32_t>(random()), 3 + round % 20));
      }
    }
  });
}

TEST_CASE("killed while indexing the PEP documents") {
  const std::string shared =
      os::GetEnv("MALMOI_SHARED").value_or(os::JoinPath(MALMOI_SOURCE_DIR, "../shared"));
  const std::string docs = os::AbsolutePath(os::JoinPath(shared, "data/docs-peps"));
  if (!os::PosixVfs().Stat(docs).ok()) {
    std::printf("skipped: killed while indexing the PEP documents: ../shared is absent\n");
    return;
  }
  if (!Full()) {
    std::printf("skipped: killed while indexing the PEP documents: set MALMOI_FULL=1\n");
    return;
  }
  KillAgainAndAgain(docs, 20, [](int) {});
}

}  // namespace
}  // namespace malmoi::rag

// The victim, and its readers, are this binary: the hook runs before any test.
void BeforeTests(int argc, char** argv) {
  malmoi::ingest::MaybeRunReaderChild(argc, argv);
  if (argc == 4 && std::string_view(argv[1]) == malmoi::rag::kVictim) {
    std::exit(malmoi::rag::RunVictim(argv[2], argv[3]));
  }
}
