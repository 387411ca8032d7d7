// The only file that sees CLI11: its header costs seconds to compile.
#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "cli/embed_flags.h"

namespace malmoi::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 found or done, 1 nothing found (or a gate or citation failed), 2 wrong usage, "
    "3 failure.\nSettings come from a file, MALMOI_* variables and flags, in rising order; see: "
    "malmoi config";

// Of a query without quotes.
constexpr int kWordsMax = 1000;

class Builder {
 public:
  Builder(CLI::App* app, Arguments* out) : app_(app), out_(out) {}

  CLI::App* Add(const std::string& name, const std::string& help, CLI::App* parent = nullptr) {
    CLI::App* command = (parent == nullptr ? app_ : parent)->add_subcommand(name, help);
    command->add_flag("--json", out_->json, "print JSON for machines");
    command->add_flag("--quiet,-q", out_->quiet, "no progress");
    Setting(command, "data", "data directory");
    Setting(command, "log", "log level: error, warn, info, debug");
    Setting(command, "threads", "computing threads; 0: all usable cores");
    return command;
  }
  // A flag that overrides a setting of the same name.
  void Setting(CLI::App* command, const std::string& name, const std::string& help) {
    command->add_option_function<std::string>(
        "--" + name, [this, name](const std::string& value) { out_->flags[name] = value; }, help);
  }
  void Model(CLI::App* command, const std::string& help) {
    Setting(command, "model", help);
    Setting(command, "dtype", "arithmetic of the embedding model: float32, bfloat16, int8");
    Setting(command, "model-key", "API key of the embedding server, where --model names one");
  }
  void Store(CLI::App* command) {
    Setting(command, "store",
            "where chunks lie: qdrant://HOST:PORT (qdrant+grpc:// for gRPC, qdrants:// for TLS) in "
            "place of the data directory");
    Setting(command, "store-key", "API key of that store");
    Setting(command, "store-ca", "PEM file: authorities that store's certificate may be from");
    Setting(command, "store-cert", "PEM file: certificate to show to that store");
    Setting(command, "store-cert-key", "PEM file: key of that certificate");
  }
  void Retrieval(CLI::App* command, bool many_modes) {
    auto* mode = command->add_option("--mode", out_->modes,
                                     "hybrid, dense or lexical (default: hybrid" +
                                         std::string(many_modes ? "; eval: all three)" : ")"));
    mode->check(CLI::IsMember({"hybrid", "dense", "lexical"}));
    if (many_modes) {
      mode->delimiter(',');
    } else {
      mode->expected(1);
    }
    command->add_option("--fusion", out_->fusion, "minmax (default), rrf or zscore")
        ->check(CLI::IsMember({"minmax", "rrf", "zscore"}));
    command
        ->add_option("--dense-share", out_->dense_share,
                     "weight of the dense leg, 0 to 1 (default: by language)")
        ->check(CLI::Range(0.0, 1.0));
    Model(command, "embedding model: id, directory, embedding server's URL, or none");
  }
  void Searching(CLI::App* command, const char* what) {
    Retrieval(command, false);
    Store(command);
    Setting(command, "collection", "collection to search");
    command->add_option("--top,-k", out_->top, what)->check(CLI::Range(1, 1000));
    command->add_option("--filter", out_->filters,
                        "keep passages with metadata KEY=VALUE (path=guide/* for a prefix), or a "
                        "filter in Qdrant's JSON; repeatable");
  }
  void BenchStore(CLI::App* command) {
    command->add_flag("--writes", out_->writes, "store: only writes and opening");
    command->add_option("--points", out_->points, "store: points written in batches (100,000)")
        ->check(CLI::Range(1000, 10'000'000));
    command->add_option("--vectors", out_->vectors,
                        "store: recall against speed on the vectors of a .npy, .fvecs or .bvecs");
    command->add_option("--queries", out_->queries,
                        "store: query vectors (default: the last of --vectors)");
    command->add_option("--beir", out_->beir,
                        "store: the same on a folder in BEIR form, embedded by --model");
    command->add_option("--limit", out_->limit, "store: vectors to take (all)");
    command->add_option("--distance", out_->distance, "store: cosine (default), dot or euclid")
        ->check(CLI::IsMember({"cosine", "dot", "euclid"}));
  }
  void EmbedFlags(CLI::App* command) {
    for (const EmbedFlag& flag : EmbedFlagTable()) {
      const std::string name = flag.name;
      const std::string names = (name == "port" ? "-p,--" : "--") + name;
      auto* option = command->add_option_function<std::vector<std::string>>(
          names, [this, name](const std::vector<std::string>& v) { out_->embed[name] = v; },
          flag.help);
      switch (flag.form) {
        case EmbedFlag::Form::kMany:
          option->expected(1)->take_all();
          break;
        case EmbedFlag::Form::kSwitch:
          option->expected(0, 1)->take_last();
          break;
        case EmbedFlag::Form::kOne:
          option->expected(1)->take_last();
          break;
      }
    }
  }
  void Llm(CLI::App* command) {
    Setting(command, "llm", "none (extractive), local, a .gguf file, or an OpenAI-compatible URL");
    Setting(command, "llm-model", "model name at the endpoint");
    Setting(command, "llm-key", "API key of the endpoint");
  }

 private:
  CLI::App* app_;
  Arguments* out_;
};

void AddDocumentCommands(Builder* b, Arguments* out) {
  CLI::App* index = b->Add("index", "bring a collection in step with files or folders");
  index->add_option("path", out->positional, "files or folders")->required();
  index->add_flag("--watch", out->watch, "stay and follow changes");
  b->Setting(index, "collection", "collection to fill");
  b->Model(index, "embedding model: id, directory, embedding server's URL, or none");
  b->Store(index);
  b->Setting(index, "jobs", "reader processes; 0: all usable cores");

  CLI::App* search = b->Add("search", "passages for a query");
  search->add_option("query", out->positional, "the query; quotes are optional")
      ->required()
      ->expected(1, kWordsMax);
  b->Searching(search, "passages to print (default 10)");

  CLI::App* ask = b->Add("ask", "an answer with checked citations");
  ask->add_option("question", out->positional, "the question; quotes are optional")
      ->required()
      ->expected(1, kWordsMax);
  b->Searching(ask, "passages to answer from (default 10)");
  b->Llm(ask);
  ask->add_option("--evidence-min", out->evidence_min, "refuse below this evidence, 0 to 1")
      ->check(CLI::Range(0.0, 1.0));

  CLI::App* verify = b->Add("verify", "re-check the citations of a saved answer");
  verify->add_option("answer", out->positional, "file written by: malmoi ask --json; - for stdin")
      ->required()
      ->expected(1);
  b->Setting(verify, "collection", "collection to check against");
  b->Store(verify);

  CLI::App* status = b->Add("status", "what a collection holds and how complete it is");
  b->Setting(status, "collection", "collection to look at");
  b->Store(status);
}

void AddServeStore(CLI::App* serve, Arguments* out) {
  CLI::App* store =
      serve->add_subcommand("store", "the vector store alone, with Qdrant's REST and gRPC API");
  const auto option = [&](const std::string& name, const std::string& help) {
    store->add_option_function<std::string>(
        "--" + name, [out, name](const std::string& value) { out->store[name] = value; }, help);
  };
  option("storage", "folder of the collections (default ./storage)");
  option("snapshots", "folder of the snapshots (default STORAGE/snapshots)");
  option("config-path",
         "settings in Qdrant's YAML form; QDRANT__SECTION__KEY variables win over it");
  option("host", "address (default 127.0.0.1)");
  option("port", "port of the REST API (default 6333); 0: any free one, for gRPC too");
  option("grpc-port", "port of the gRPC API (default 6334); 0: any free one; null: none");
  option("memory-budget", "MiB that the process may hold beside mapped files (default: no limit)");
}

void AddStoreImport(Builder* b, CLI::App* store, Arguments* out) {
  CLI::App* command =
      b->Add("import", "puts a snapshot, this program's or Qdrant's, into a store's folder", store);
  command
      ->add_option("snapshot", out->positional,
                   "SNAPSHOT: a .snapshot file of a collection or a shard, or a qdrant-edge folder")
      ->required()
      ->expected(1);
  const auto option = [&](const std::string& name, const std::string& help) {
    return command->add_option_function<std::string>(
        "--" + name, [out, name](const std::string& value) { out->store[name] = value; }, help);
  };
  option("storage", "folder of the store (default ./storage)");
  option("checksum", "SHA-256 that the file must have");
  option("collection", "name that the collection gets")->required();
  command->add_flag("--force", out->force, "put it in the place of a collection that is there");
}

void AddStoreCopy(Builder* b, Arguments* out) {
  CLI::App* store = b->Add("store", "tools for vector stores: this program's and Qdrant's");
  store->require_subcommand(1);
  AddStoreImport(b, store, out);
  CLI::App* copy = b->Add("copy", "copies collections with points, indexes and aliases", store);
  copy->add_option("stores", out->positional,
                   "SRC and DST: a store's folder, qdrant://HOST:PORT (REST), or "
                   "qdrant+grpc://HOST:PORT (gRPC, as is qdrant:// with port 6334); qdrants:// and "
                   "qdrants+grpc:// for TLS")
      ->required()
      ->expected(2);
  copy->add_option("--only", out->only, "these collections, comma-separated (default: all)")
      ->delimiter(',');
  copy->add_flag(
      "--resume", out->resume,
      "go on with a copy that was interrupted: points that are there are not sent again");
  copy->add_flag("--verify", out->verify,
                 "compare all points afterwards; exit code 1 where some differ");
  for (const auto& [name, help] :
       {std::pair{"key", "API key of that side"},
        std::pair{"ca", "PEM file: authorities that side's certificate may be from"},
        std::pair{"cert", "PEM file: certificate to show to that side"},
        std::pair{"cert-key", "PEM file: key of that certificate"}}) {
    for (const char* side : {"from-", "to-"}) {
      const std::string flag = std::string(side) + name;
      copy->add_option_function<std::string>(
          "--" + flag, [out, flag](const std::string& value) { out->store[flag] = value; }, help);
    }
  }
}

void AddModelCommands(Builder* b, Arguments* out) {
  CLI::App* models = b->Add("models", "embedding models at hand, and how to get more");
  models->require_subcommand(1);
  CLI::App* pull = b->Add("pull", "download a model from the Hugging Face hub", models);
  pull->add_option("id", out->positional, "ORG/NAME")->required()->expected(1);
  pull->add_option("--revision", out->revision, "branch, tag or commit (default main)");
  b->Add("list", "models found on this machine", models);

  CLI::App* optim = b->Add("optim", "optimizers: the list, and the check against trajectories");
  optim->require_subcommand(1);
  CLI::App* replay = b->Add("check", "replay recorded trajectories and compare", optim);
  replay->add_option("directory", out->positional, "folder with manifest.json")
      ->required()
      ->expected(1);
  replay->add_option("--dump", out->dump, "write our parameters to this safetensors file");
  replay->add_option("--only", out->only, "registry names, comma-separated")->delimiter(',');
  b->Add("list", "optimizers by registry name", optim);
  CLI::App* embed = b->Add("embed", "look into the encoder");
  embed->require_subcommand(1);
  CLI::App* check = b->Add("check", "compare a model with another implementation's outputs", embed);
  check->add_option("directory", out->positional, "model folder with expected.safetensors")
      ->required()
      ->expected(1);
  CLI::App* quality =
      b->Add("quality", "what bfloat16 and int8 cost in retrieval: nDCG@10 by dtype", embed);
  quality
      ->add_option("directory", out->positional,
                   "folders with corpus.jsonl, queries.jsonl and qrels/test.tsv")
      ->required();
  quality->add_option("--limit", out->limit,
                      "queries of a set, with their documents and others up to as many (all)");
  b->Setting(quality, "model", "embedding model: id or directory");
}

void AddSystemCommands(Builder* b, Arguments* out) {
  CLI::App* eval = b->Add("eval", "measure retrieval on a set in BEIR form");
  eval->add_option("directory", out->positional,
                   "folder with corpus.jsonl, queries.jsonl and qrels/test.tsv")
      ->required()
      ->expected(1);
  b->Retrieval(eval, true);
  eval->add_flag("--chunked", out->chunked, "a document counts by its best chunk");
  eval->add_flag("--answers", out->answers, "also measure extractive answers and refusals");
  eval->add_option("--evidence-min", out->evidence_min, "with --answers: refuse below this")
      ->check(CLI::Range(0.0, 1.0));
  eval->add_option("--gate", out->gates,
                   "exit 1 unless METRIC>=NUMBER, e.g. ndcg@10>=0.67 or hybrid:recall@100>=0.9");

  CLI::App* serve = b->Add("serve", "page, OpenAI-compatible chat and search API on one port");
  b->Setting(serve, "host", "address (default 127.0.0.1)");
  b->Setting(serve, "port", "port (default 7700)");
  b->Setting(serve, "api-key", "key that clients must send; needed beyond loopback");
  b->Setting(serve, "collection", "collection where a request names none");
  b->Model(serve, "embedding model: id, directory, embedding server's URL, or none");
  b->Store(serve);
  b->Setting(serve, "jobs", "reader processes");
  b->Llm(serve);
  AddServeStore(serve, out);

  b->EmbedFlags(b->Add("embed",
                       "embedding and rerank server: the API of text-embeddings-inference, of "
                       "OpenAI, Cohere, Jina and Ollama",
                       serve));

  AddStoreCopy(b, out);
  AddModelCommands(b, out);

  CLI::App* doctor = b->Add("doctor", "check processor, assets, model, index and disk");
  b->Model(doctor, "embedding model to check");
  CLI::App* bench = b->Add("bench", "speed of this machine: kernels, embedding, search");
  b->Model(bench, "embedding model to measure");
  bench
      ->add_option("what", out->positional,
                   "embed: each dtype; optim: steps of optimizers against plain traffic; store: "
                   "the vector store; tokenizer [JSON [TEXTS]]: a tokenizer on lines of a file")
      ->expected(0, 3);
  bench
      ->add_option(
          "--only", out->only,
          "optim: registry names, comma-separated; store: exact (search), wire (batches over "
          "REST and gRPC) or, with --vectors, inserts (and searches beside them)")
      ->delimiter(',');
  bench->add_option("--params", out->parameters_millions, "optim: millions of parameters (25)")
      ->check(CLI::Range(1, 1000));
  bench
      ->add_option("--storage", out->storage,
                   "optim: of gradients and states, comma-separated: f32, bf16, q8 (8-bit states)")
      ->delimiter(',');
  b->BenchStore(bench);
  CLI::App* config = b->Add("config", "settings in force and where each came from");
  for (const char* name : {"collection", "model", "jobs", "host", "port", "api-key"}) {
    b->Setting(config, name, "as for the other commands");
  }
  b->Llm(config);
  b->Store(config);
  b->Setting(config, "model-key", "as for the other commands");
}

// Edits (Levenshtein) that make one word the other.
std::size_t Edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// The usage of the command that the arguments lead to, below what is wrong with them.
void PrintUsageError(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const CLI::App* command = &app;
  std::string path = "malmoi";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += " " + command->get_name();
  }
  std::string wrong = error.what();
  const std::string first = argc > 1 ? argv[1] : "";
  if (command == &app && !first.empty() && first[0] != '-') {
    wrong = "there is no command '" + first + "'";
    std::size_t fewest = 3;  // More edits are another word.
    for (const CLI::App* other : app.get_subcommands({})) {
      const std::size_t edits = Edits(first, other->get_name());
      if (edits >= fewest) continue;
      fewest = edits;
      wrong = "there is no command '" + first + "'; did you mean '" + other->get_name() + "'?";
    }
  }
  std::string usage = "usage: " + path + " [OPTIONS]";
  for (const CLI::Option* option : command->get_options()) {
    if (option->get_positional()) usage += " " + option->get_name(true);
  }
  if (!command->get_subcommands({}).empty()) usage += " COMMAND";
  std::cerr << path << ": " << wrong << "\n" << usage << "\nsee: " << path << " --help\n";
}

}  // namespace

Parsed ParseArguments(int argc, char** argv) {
  Parsed out;
  CLI::App app(
      "malmoi: a folder in, checked answers out.\n"
      "Indexes documents (Korean and other languages), searches them by word and meaning, "
      "and answers questions with citations that are checked against the files.");
  app.set_version_flag("--version", "malmoi " MALMOI_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  Builder builder(&app, &out.arguments);
  AddDocumentCommands(&builder, &out.arguments);
  AddSystemCommands(&builder, &out.arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      out.exit_code = app.exit(error);
      return out;
    }
    PrintUsageError(app, error, argc, argv);
    out.exit_code = 2;
    return out;
  }
  const CLI::App* chosen = app.get_subcommands().front();
  out.arguments.command = chosen->get_name();
  if (!chosen->get_subcommands().empty()) {
    out.arguments.command += " " + chosen->get_subcommands().front()->get_name();
  }
  if (out.arguments.command == "search" || out.arguments.command == "ask") {
    std::string words;
    for (const std::string& word : out.arguments.positional) {
      words += (words.empty() ? "" : " ") + word;
    }
    out.arguments.positional = {words};
  }
  return out;
}

}  // namespace malmoi::cli
