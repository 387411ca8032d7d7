// The recorder's parameter groups; see build() of the script that made the trajectories.
#include <algorithm>
#include <set>

#include "optim/check/replay_internal.h"

namespace malmoi::optim {
namespace {

bool In(const std::string& name, const std::set<std::string>& names) {
  return names.count(name) != 0;
}

json::Value Object(std::vector<json::Value::Member> members) {
  return json::Value::Object(std::move(members));
}

// Takes the named members out of *options.
json::Value TakeOut(json::Value* options, const std::set<std::string>& names) {
  std::vector<json::Value::Member> taken, kept;
  for (const auto& [key, value] : options->members()) {
    (In(key, names) ? taken : kept).emplace_back(key, value);
  }
  *options = Object(std::move(kept));
  return Object(std::move(taken));
}

struct Split {
  std::vector<std::size_t> chosen, rest;
};
template <class F>
Split SplitBy(std::size_t n, F chosen) {
  Split out;
  for (std::size_t i = 0; i < n; ++i) (chosen(i) ? out.chosen : out.rest).push_back(i);
  return out;
}

// Wrappers get the optimizer that the recorder wrapped as option "base_optimizer".
void AddBase(const std::string& optimizer, json::Value* options) {
  const std::set<std::string> adamw = {"lookahead", "orthograd",     "schedulefreewrapper",
                                       "trac",      "magma_wrapper", "safefp16optimizer"};
  const std::set<std::string> sgd = {"sam", "wsam", "looksam", "friendlysam", "gsam"};
  if (!In(optimizer, adamw) && !In(optimizer, sgd)) return;
  const auto number = [](double v) { return json::Value::Double(v); };
  std::vector<json::Value::Member> base;
  const json::Value flag = TakeOut(options, {"sgd"});
  if (In(optimizer, sgd)) {
    base = {{"name", json::Value::String("sgd")}, {"lr", number(1e-2)}, {"momentum", number(0.9)}};
  } else if (flag.GetBool("sgd", false)) {
    base = {{"name", json::Value::String("sgd")}, {"lr", number(1e-2)}};
  } else {
    base = {{"name", json::Value::String("adamw")},
            {"lr", number(1e-2)},
            {"weight_decay", number(0.1)}};
  }
  auto members = options->members();
  members.emplace_back("base_optimizer", Object(std::move(base)));
  *options = Object(std::move(members));
}

}  // namespace

std::vector<PlannedGroup> PlanGroups(const std::string& optimizer, const std::vector<Shape>& shapes,
                                     const std::vector<std::string>& names, json::Value* options) {
  const std::set<std::string> muon = {"muon",  "muonclip", "adamuon",
                                      "adago", "normuon",  "distributedmuon"};
  const std::set<std::string> projected = {"galore", "fira", "apollo", "conda"};
  const std::size_t n = shapes.size();
  AddBase(optimizer, options);
  // The reference's constructors take these and forget them; here every optimizer has the option.
  if (optimizer == "adabound" || optimizer == "swats") TakeOut(options, {"adam_debias"});
  const auto flag = [](const char* name, bool value) {
    return Object({{name, json::Value::Bool(value)}});
  };
  if (optimizer == "demo") {
    return {{SplitBy(n, [&](std::size_t i) { return shapes[i].size() <= 2; }).chosen, {}}};
  }
  if (optimizer == "spectralsphere") {
    return {{SplitBy(n, [&](std::size_t i) { return shapes[i].size() == 2; }).chosen, {}}};
  }
  const Split matrices = SplitBy(n, [&](std::size_t i) { return shapes[i].size() >= 2; });
  if (In(optimizer, muon)) {
    return {{matrices.chosen, flag("use_muon", true)}, {matrices.rest, flag("use_muon", false)}};
  }
  if (optimizer == "adamwsn") {
    const Split two = SplitBy(n, [&](std::size_t i) { return shapes[i].size() == 2; });
    return {{two.chosen, flag("sn", true)}, {two.rest, flag("sn", false)}};
  }
  if (optimizer == "adamc")
    return {{matrices.chosen, flag("normalized", true)}, {matrices.rest, {}}};
  if (optimizer == "scion" || optimizer == "scionlight") {
    const std::int64_t norm = options->GetInt("norm_type", 1);
    if (norm == 2 || norm == 3 || norm == 4 || norm == 6) {
      const json::Value taken = TakeOut(options, {"norm_type"});
      Split picked =
          SplitBy(n, [&](std::size_t i) { return names[i] == "mat" || names[i] == "emb"; });
      return {{picked.chosen, taken}, {picked.rest, Object({{"norm_type", json::Value::Int(1)}})}};
    }
  }
  if (In(optimizer, projected) && options->Find("rank") != nullptr && !matrices.chosen.empty()) {
    json::Value taken = json::Value::Object({});
    if (optimizer != "conda") {
      taken = TakeOut(options, {"rank", "update_proj_gap", "scale", "projection_type", "density"});
    }
    const std::size_t first = matrices.chosen[0];
    Split picked = SplitBy(n, [&](std::size_t i) { return i == first; });
    return {{picked.chosen, taken}, {picked.rest, {}}};
  }
  std::vector<std::size_t> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = i;
  return {{all, {}}};
}

}  // namespace malmoi::optim
