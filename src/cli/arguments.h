#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace malmoi::cli {

// The command line, parsed. Which members mean something depends on `command`.
struct Arguments {
  std::string command;                       // "index", "search", ...; "models pull" is two words.
  std::vector<std::string> positional;       // Paths, the query, the answer's file, the model.
  std::map<std::string, std::string> flags;  // Settings given as flags.
  bool json = false;
  bool quiet = false;
  // search, ask, eval
  std::vector<std::string> modes;
  std::string fusion = "minmax";
  std::optional<double> dense_share;
  int top = 10;
  std::vector<std::string> filters;  // KEY=VALUE, or JSON in Qdrant's form.
  std::optional<double> evidence_min;
  // index
  bool watch = false;
  // eval
  bool chunked = false;
  bool answers = false;
  std::vector<std::string> gates;
  // serve store: storage, snapshots, config-path, host, port as given.
  std::map<std::string, std::string> store;
  // store copy: from-key, to-key too; store import: storage, collection, checksum.
  bool resume = false;
  bool verify = false;  // store copy
  bool force = false;   // store import
  // bench store
  bool writes = false;
  std::size_t points = 100'000;
  std::string vectors, queries, beir;  // Files, or a folder, to measure recall on.
  std::size_t limit = 0;               // Vectors of them, or queries of a set; 0: all.
  std::string distance = "cosine";
  // optim check
  std::string dump;
  std::vector<std::string> only;     // bench: names or a part; store copy: collections.
  int parameters_millions = 25;      // bench optim
  std::vector<std::string> storage;  // bench optim: of gradients and states.
  // models pull
  std::string revision = "main";
  // serve embed: flags by name, in the order given; a flag without its value has "".
  std::map<std::string, std::vector<std::string>> embed;
};

// Parses argv. Prints help or the usage error itself; then `exit_code` is set and the program ends
// with it: 0 after help, 2 after wrong usage.
struct Parsed {
  Arguments arguments;
  std::optional<int> exit_code;
};
Parsed ParseArguments(int argc, char** argv);

}  // namespace malmoi::cli
