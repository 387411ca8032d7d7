// Goal: text goes in, the reference's vectors come out, whatever else is in the call; short calls
// go first and none waits for ever.
// Method: a tiny random encoder with a tokenizer written here; texts.json and its golden vectors
// with the real models where they are installed; the order of turns without any clock.
#include "embed/embedder.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/utf8.h"
#include "embed/samples.h"
#include "embed/turns.h"
#include "json/value.h"
#include "os/paths.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {

const std::string kGolden = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/";

// A WordPiece tokenizer whose words are the letters a to z.
std::string TokenizerJson() {
  std::string vocabulary = R"("[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3)";
  for (int i = 0; i < 26; ++i) {
    const char letter = static_cast<char>('a' + i);
    vocabulary += std::string(",\"") + letter + "\":" + std::to_string(4 + i);
    vocabulary += std::string(",\"##") + letter + "\":" + std::to_string(30 + i);
  }
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],)"
         R"("normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
         R"("strip_accents":null,"lowercase":true},)"
         R"("pre_tokenizer":{"type":"BertPreTokenizer"},)"
         R"("post_processor":{"type":"TemplateProcessing",)"
         R"("single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},)"
         R"({"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],)"
         R"("pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],)"
         R"("special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},)"
         R"("[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}},"decoder":null,)"
         R"("model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)"
         R"("max_input_chars_per_word":100,"vocab":{)" +
         vocabulary + "}}}";
}

// A model directory under a temporary folder, removed at the end.
struct TinyModel {
  TinyModel() {
    os::Vfs& vfs = os::PosixVfs();
    for (const char* name :
         {"config.json", "modules.json", "1_Pooling/config.json", "model.safetensors"}) {
      Write(name, os::ReadFile(vfs, kGolden + "tiny-bert/" + name).value());
    }
    Write("tokenizer.json", TokenizerJson());
  }
  void Write(const std::string& name, const std::string& bytes) const {
    scratch.Write("models--org--tiny/snapshots/0123/" + name, bytes);
  }
  std::shared_ptr<embed::Embedder> Open(const embed::EmbedderOptions& options = {}) const {
    auto embedder = embed::Embedder::Open(path, options);
    if (!embedder.ok()) MESSAGE(embedder.error().message());
    REQUIRE(embedder.ok());
    return std::move(embedder).value();
  }
  os::ScratchDir scratch;
  std::string path = scratch.At("models--org--tiny/snapshots/0123");
};

std::vector<float> Row(embed::Embedder& embedder, std::string_view text, embed::Prompt prompt) {
  const auto out = embedder.Embed({&text, 1}, prompt);
  REQUIRE(out.ok());
  return {out.value().row(0).begin(), out.value().row(0).end()};
}

std::optional<std::string> RealModel(const std::string& name) {
  if (const auto found = os::FindAsset("models/" + name)) return found;
  const std::string built = std::string(MALMOI_SOURCE_DIR) + "/build/assets/models/" + name;
  if (os::PosixVfs().Stat(built).ok()) return built;
  std::printf("skipped: %s: the model is not installed\n", name.c_str());
  return std::nullopt;
}

// Rows of the tensor "pooled" in a golden file, whose layout is fixed: read without the tensor
// module, which this module does not use.
std::vector<float> GoldenRows(const std::string& path) {
  const std::string file = os::ReadFile(os::PosixVfs(), path).value();
  const auto length = Load<std::uint64_t>(file.data());
  const auto header = json::Parse(std::string_view(file).substr(8, length));
  REQUIRE(header.ok());
  const auto& offsets = header.value().Find("pooled")->Find("data_offsets")->items();
  const std::size_t begin = *offsets[0].AsUint();
  std::vector<float> out((*offsets[1].AsUint() - begin) / sizeof(float));
  std::memcpy(out.data(), file.data() + 8 + length + begin, out.size() * sizeof(float));
  return out;
}

}  // namespace

TEST_CASE("identity: id from the hub's folder or malmoi.json, sizes, counts") {
  const TinyModel tiny;
  const auto embedder = tiny.Open();
  CHECK(embedder->id() == "org/tiny");
  CHECK(embedder->dim() == 36);
  CHECK(embedder->max_tokens() == 40);
  CHECK(embedder->CountTokens("a bc") == 5);
  CHECK(embedder->CountTokens(std::string(90, 'a')) == 92);
  tiny.Write("malmoi.json", R"({"id":"mine"})");
  CHECK(tiny.Open()->id() == "mine");
}

TEST_CASE(
    "a text has the same bits alone, in any call and for any number of threads; cut at the "
    "limit") {
  const TinyModel tiny;
  std::vector<std::string> texts;
  for (int i = 0; i < 80; ++i) {
    std::string text;
    for (int j = 0; j <= i; ++j)
      text += std::string(1, static_cast<char>('a' + (i * j) % 26)) + " ";
    texts.push_back(text);
  }
  texts.emplace_back("");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto alone = tiny.Open({.threads = 1, .batch_tokens = 4096});
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const auto embedder = tiny.Open({.threads = threads, .batch_tokens = 100});
    const auto all = embedder->Embed(views, embed::Prompt::kNone);
    REQUIRE(all.ok());
    for (std::size_t i = 0; i < views.size(); ++i) {
      CAPTURE(i);
      const auto row = all.value().row(i);
      const auto want = Row(*alone, views[i], embed::Prompt::kNone);
      CHECK(std::memcmp(want.data(), row.data(), row.size_bytes()) == 0);
    }
  }
  const std::string cut = std::string("a ") + texts[79];
  CHECK(Row(*alone, cut + "z z z", embed::Prompt::kNone) ==
        Row(*alone, cut + "b", embed::Prompt::kNone));
  CHECK(alone->Embed({}, embed::Prompt::kNone).value().values.empty());
}

TEST_CASE("prompts: from the file, E5's own, none; each changes the fingerprint") {
  const TinyModel tiny;
  const auto plain = tiny.Open();
  CHECK(Row(*plain, "a", embed::Prompt::kQuery) == Row(*plain, "a", embed::Prompt::kNone));
  CHECK(plain->fingerprint() == tiny.Open()->fingerprint());

  tiny.Write("config_sentence_transformers.json", R"({"prompts":{"query":"q ","document":"d "}})");
  const auto own = tiny.Open();
  CHECK(Row(*own, "a", embed::Prompt::kQuery) == Row(*plain, "q a", embed::Prompt::kNone));
  CHECK(Row(*own, "a", embed::Prompt::kPassage) == Row(*plain, "d a", embed::Prompt::kNone));
  CHECK(Row(*own, "a", embed::Prompt::kNone) == Row(*plain, "a", embed::Prompt::kNone));
  CHECK(own->fingerprint() != plain->fingerprint());

  tiny.Write("config_sentence_transformers.json", "{}");
  tiny.Write("malmoi.json", R"({"id":"multilingual-e5-tiny"})");
  const auto e5 = tiny.Open();
  CHECK(Row(*e5, "a", embed::Prompt::kQuery) == Row(*plain, "query: a", embed::Prompt::kNone));
  CHECK(Row(*e5, "a", embed::Prompt::kPassage) == Row(*plain, "passage: a", embed::Prompt::kNone));

  tiny.Write("1_Pooling/config.json", R"({"pooling_mode_cls_token":true})");
  CHECK(tiny.Open()->fingerprint() != e5->fingerprint());
}

TEST_CASE("a model without a tokenizer, and a call that was cancelled, are errors") {
  const TinyModel tiny;
  const auto embedder = tiny.Open();
  Cancel cancel;
  cancel.Set();
  const std::string_view text = "a";
  const auto stopped = embedder->Embed({&text, 1}, embed::Prompt::kNone, &cancel);
  REQUIRE(!stopped.ok());
  CHECK(stopped.error().code() == Code::kCancelled);
  REQUIRE(os::PosixVfs().Remove(tiny.path + "/tokenizer.json").ok());
  const auto none = embed::Embedder::Open(tiny.path);
  REQUIRE(!none.ok());
  CHECK(none.error().code() == Code::kNotFound);
}

TEST_CASE("turns: the least work first, but the oldest after it was passed over eight times") {
  embed::Turns turns;
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::thread> threads;
  {
    const embed::Turns::Turn first(&turns, 0);
    for (int i = 0; i < 12; ++i) {
      // The oldest has the most work, then 11 with rising work.
      const std::uint64_t work = i == 0 ? 1000 : static_cast<std::uint64_t>(i);
      threads.emplace_back([&, i, work] {
        const embed::Turns::Turn turn(&turns, work);
        const std::lock_guard lock(mutex);
        order.push_back(i);
      });
      while (turns.waiting() != static_cast<std::size_t>(i + 1)) std::this_thread::yield();
    }
  }
  for (auto& thread : threads) thread.join();
  CHECK(order == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 10, 11});
}

TEST_CASE("real models: 24 texts in en, ko and ja give the reference's vectors") {
  const auto json = json::Parse(os::ReadFile(os::PosixVfs(), kGolden + "texts.json").value());
  REQUIRE(json.ok());
  std::vector<std::string_view> texts;
  for (const auto& text : json.value().items()) texts.push_back(*text.AsString());
  for (const char* name : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    CAPTURE(name);
    const auto directory = RealModel(name);
    if (!directory) continue;
    const auto embedder = embed::Embedder::Open(*directory);
    REQUIRE(embedder.ok());
    CHECK(embedder.value()->id() == name);
    const auto want = GoldenRows(kGolden + name + ".safetensors");
    const auto got = embedder.value()->Embed(texts, embed::Prompt::kNone);
    REQUIRE(got.ok());
    REQUIRE(got.value().values.size() == want.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CAPTURE(texts[i]);
      double cosine = 0;
      for (std::size_t d = 0; d < 384; ++d) {
        cosine += static_cast<double>(got.value().row(i)[d]) * want[i * 384 + d];
      }
      CHECK(std::fabs(cosine - 1) < 1e-6);
    }
  }
}

namespace {
// An environment variable for as long as this lives.
class EnvironmentOf {
 public:
  EnvironmentOf(const char* name, const std::string& value)
      : name_(name), before_(os::GetEnv(name)) {
    ::setenv(name, value.c_str(), 1);
  }
  ~EnvironmentOf() {
    if (before_) ::setenv(name_, before_->c_str(), 1);
    if (!before_) ::unsetenv(name_);
  }
  EnvironmentOf(const EnvironmentOf&) = delete;
  EnvironmentOf& operator=(const EnvironmentOf&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};
}  // namespace

// Without the texts of samples.h MiniLM has .99908 here, with most values in bfloat16.
TEST_CASE("real models: int8 rounded for the samples stays near the reference") {
  const auto json = json::Parse(os::ReadFile(os::PosixVfs(), kGolden + "texts.json").value());
  REQUIRE(json.ok());
  std::vector<std::string_view> texts;
  for (const auto& text : json.value().items()) texts.push_back(*text.AsString());
  for (const auto& [name, least] :
       {std::pair{"all-MiniLM-L6-v2", 0.9990}, std::pair{"multilingual-e5-small", 0.9997}}) {
    CAPTURE(name);
    const auto directory = RealModel(name);
    if (!directory) continue;
    // Not what an older program left in the user's cache.
    const os::ScratchDir cache;
    const EnvironmentOf home("XDG_CACHE_HOME", cache.path());
    const auto open = [&] {
      auto out = embed::Embedder::Open(*directory, {.precision = kernels::Precision::kInt8});
      REQUIRE(out.ok());
      return std::move(out).value();
    };
    const auto embedder = open();
    CHECK(os::PosixVfs().List(cache.path() + "/malmoi/samples").value().size() == 1);
    const auto want = GoldenRows(kGolden + name + ".safetensors");
    const auto got = embedder->Embed(texts, embed::Prompt::kNone);
    REQUIRE(got.ok());
    double sum = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      for (std::size_t d = 0; d < 384; ++d) {
        sum += static_cast<double>(got.value().row(i)[d]) * want[i * 384 + d];
      }
    }
    CHECK(sum / static_cast<double>(texts.size()) > least);
    const auto again = open()->Embed(texts, embed::Prompt::kNone);
    REQUIRE(again.ok());
    const auto one = got.value().values.span(), two = again.value().values.span();
    CHECK(std::equal(one.begin(), one.end(), two.begin(), two.end()));
  }
}

TEST_CASE("sample texts are words to a tokenizer, and none stands there twice") {
  const auto texts = embed::SampleTexts();
  REQUIRE(texts.size() > 20);
  CHECK(std::set<std::string_view>(texts.begin(), texts.end()).size() == texts.size());
  for (const std::string_view text : texts) CHECK(IsValidUtf8(text));
  const auto tokenizer = text::Tokenizer::FromJson(TokenizerJson());
  REQUIRE(tokenizer.ok());
  CHECK(embed::SampleIds(*tokenizer.value()).size() == texts.size());
}
