// malmoi embed quality: what bfloat16 and int8 cost a model in retrieval. nDCG@10 of dense search
// over sets in BEIR form by dtype, and how near their vectors are to float32's.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/eval_store.h"
#include "json/writer.h"
#include "os/vfs.h"
#include "rag/eval_runner.h"
#include "rag/parts.h"

namespace malmoi::cli {
namespace {

constexpr kernels::Precision kPrecisions[] = {
    kernels::Precision::kFloat32, kernels::Precision::kBfloat16, kernels::Precision::kInt8};
constexpr std::size_t kCount = std::size(kPrecisions);
constexpr std::size_t kSampled = 200;  // Texts of a set whose vectors are compared.

struct Row {
  std::string set;
  std::uint64_t documents = 0, queries = 0;
  std::array<double, kCount> ndcg{};
  std::array<double, kCount> cosine{};  // Mean over the sampled texts, with float32.
};

using Embedders = std::array<std::shared_ptr<embed::Embedder>, kCount>;

// Every n-th text of the corpus, so that the sample is of the whole set.
std::vector<std::string_view> Sample(const rag::BeirSet& set) {
  std::vector<std::string_view> texts;
  const std::size_t step = std::max<std::size_t>(set.corpus.size() / kSampled, 1);
  for (std::size_t i = 0; i < set.corpus.size() && texts.size() < kSampled; i += step) {
    texts.push_back(set.corpus[i].text);
  }
  return texts;
}

double MeanCosine(const embed::Embeddings& a, const embed::Embeddings& b, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t k = 0; k < a.dim; ++k) {
      const double x = a.row(i)[k], y = b.row(i)[k];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    sum += ab / std::sqrt(std::max(aa * bb, 1e-300));
  }
  return count == 0 ? 1 : sum / static_cast<double>(count);
}

Status CompareVectors(const Context& context, const rag::BeirSet& set, const Embedders& embedders,
                      Row* row) {
  const auto texts = Sample(set);
  MALMOI_TRY(const auto base, embedders[0]->Embed(texts, embed::Prompt::kPassage, context.cancel));
  row->cosine[0] = 1;
  for (std::size_t i = 1; i < kCount; ++i) {
    MALMOI_TRY(const auto rows,
               embedders[i]->Embed(texts, embed::Prompt::kPassage, context.cancel));
    row->cosine[i] = MeanCosine(base, rows, texts.size());
  }
  return Ok();
}

// The first `limit` queries, their judged documents, and the first of the others up to `limit`
// documents in all: a smaller search, the same question.
void Shorten(std::size_t limit, rag::BeirSet* set) {
  if (limit == 0) return;
  if (set->queries.size() > limit) set->queries.resize(limit);
  rag::Qrels qrels;
  std::set<std::string> judged;
  for (const auto& query : set->queries) {
    for (const auto& [document, grade] : set->qrels[query.id]) judged.insert(document);
    qrels[query.id] = set->qrels[query.id];
  }
  set->qrels = std::move(qrels);
  std::size_t others = limit > judged.size() ? limit - judged.size() : 0;
  std::erase_if(set->corpus, [&](const rag::BeirSet::Text& text) {
    if (judged.contains(text.id)) return false;
    if (others == 0) return true;
    --others;
    return false;
  });
}

Result<Row> Measure(const Context& context, const std::string& directory, rag::Ports ports,
                    const Embedders& embedders, vec::Database& database) {
  MALMOI_TRY(auto set, rag::LoadBeir(directory));
  Shorten(context.arguments.limit, &set);
  Row row{.set = set.name, .documents = set.corpus.size(), .queries = set.queries.size()};
  MALMOI_TRY(CompareVectors(context, set, embedders, &row));
  const rag::EvalOptions options{.modes = {rag::SearchMode::kDense}, .dense_share = std::nullopt};
  for (std::size_t i = 0; i < kCount; ++i) {
    ports.embedder = embedders[i];
    MALMOI_TRY(const auto report,
               rag::RunEval(
                   set, ports, database, options, [](const char*, std::uint64_t, std::uint64_t) {},
                   context.cancel));
    row.ndcg[i] = report.modes.at("dense").ndcg_10.mean;
  }
  return row;
}

double MeanChange(const std::vector<Row>& rows, std::size_t precision) {
  double sum = 0;
  for (const Row& row : rows) sum += std::abs(row.ndcg[precision] - row.ndcg[0]);
  return sum / static_cast<double>(rows.size());
}

void PrintJson(const Context& context, const std::string& model, const std::vector<Row>& rows) {
  json::Writer w;
  w.BeginObject().Field("model", model).Key("sets").BeginArray();
  for (const Row& row : rows) {
    w.BeginObject().Field("set", row.set).Field("documents", row.documents);
    w.Field("queries", row.queries).Key("ndcg@10").BeginObject();
    for (std::size_t i = 0; i < kCount; ++i) {
      w.Field(kernels::PrecisionName(kPrecisions[i]), row.ndcg[i]);
    }
    w.EndObject().Key("mean_cosine").BeginObject();
    for (std::size_t i = 1; i < kCount; ++i) {
      w.Field(kernels::PrecisionName(kPrecisions[i]), row.cosine[i]);
    }
    w.EndObject().EndObject();
  }
  w.EndArray().Key("mean_change").BeginObject();
  for (std::size_t i = 1; i < kCount; ++i) {
    w.Field(kernels::PrecisionName(kPrecisions[i]), MeanChange(rows, i));
  }
  w.EndObject().EndObject();
  std::fprintf(context.out, "%s\n", w.text().c_str());
}

void PrintRow(const Context& context, const Row& row) {
  std::fprintf(context.out, "%-20s %8llu %7llu %9.4f %+9.4f %+9.4f %10.5f %10.5f\n",
               row.set.c_str(), static_cast<unsigned long long>(row.documents),
               static_cast<unsigned long long>(row.queries), row.ndcg[0], row.ndcg[1] - row.ndcg[0],
               row.ndcg[2] - row.ndcg[0], row.cosine[1], row.cosine[2]);
  std::fflush(context.out);
}

// Models are measured side by side: each has its own folder, by the last part of its name.
std::string FolderOf(const std::string& model) {
  const std::size_t end = model.find_last_not_of('/') + 1;
  const std::size_t slash = model.find_last_of('/', end - 1);
  return "eval-" + model.substr(slash + 1, end - slash - 1);
}

// A set takes minutes: one that is not there is said before the first.
Status CheckFolders(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    for (const char* file : {"corpus.jsonl", "queries.jsonl", "qrels/test.tsv"}) {
      const auto found = os::PosixVfs().Stat(os::JoinPath(folder, file));
      if (found.ok()) continue;
      return Error(found.error().code(),
                   "embed quality '" + folder + "': " + found.error().message() +
                       "; give folders in BEIR form: each has corpus.jsonl, queries.jsonl and "
                       "qrels/test.tsv");
    }
  }
  return Ok();
}

}  // namespace

Result<int> CmdEmbedQuality(const Context& context) {
  const Arguments& a = context.arguments;
  const std::string model = context.settings.Get("model");
  const auto threads = static_cast<std::size_t>(context.settings.GetInt("threads"));
  MALMOI_TRY(CheckFolders(a.positional));
  rag::Ports ports;
  MALMOI_TRY(ports.analyzer, rag::OpenAnalyzer());
  Embedders embedders;
  for (std::size_t i = 0; i < kCount; ++i) {
    MALMOI_TRY(embedders[i], rag::OpenEmbedder(model, threads, kPrecisions[i]));
    if (embedders[i] == nullptr) {
      return Error(Code::kInvalidArgument, "embed quality needs a model: give --model");
    }
  }
  MALMOI_TRY(const EvalStore store, OpenEvalStore(context, FolderOf(model), threads));
  if (!a.json) {
    std::fprintf(context.out, "%s, dense search; change from float32, mean cosine with it\n",
                 model.c_str());
    std::fprintf(context.out, "%-20s %8s %7s %9s %9s %9s %10s %10s\n", "set", "texts", "queries",
                 "nDCG@10", "bfloat16", "int8", "bfloat16", "int8");
  }
  std::vector<Row> rows;
  for (const std::string& folder : a.positional) {
    MALMOI_TRY(auto row, Measure(context, folder, ports, embedders, *store.database)
                             .With("embed quality '" + folder + "'"));
    if (!a.json) PrintRow(context, row);
    rows.push_back(std::move(row));
  }
  if (a.json) {
    PrintJson(context, model, rows);
  } else {
    std::fprintf(context.out, "%-20s %8s %7s %9s %9.4f %9.4f\n", "mean |change|", "", "", "",
                 MeanChange(rows, 1), MeanChange(rows, 2));
  }
  return kFound;
}

}  // namespace malmoi::cli
