#include <algorithm>
#include <cmath>
#include <map>

#include "json/value.h"
#include "qdrant/query_run_internal.h"

namespace malmoi::qdrant {
namespace {

using Kind = Expression::Kind;
using json::Value;

constexpr double kEarthRadius = 6371008.8;

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    return std::to_string(static_cast<long long>(value));
  }
  return Value::Double(value).Dump();
}

Error NotFinite(const std::string& text) {
  return BadInput("The expression " + text + " produced a non-finite number");
}

Error WrongVariable(const std::string& key, std::string_view type, std::string_view why) {
  return BadInput("Expected " + std::string(type) + " value for " + key +
                  " in the payload and/or in the formula defaults. Error: " + std::string(why));
}

double Haversine(const vec::GeoPoint& a, const vec::GeoPoint& b) {
  constexpr double kRadians = M_PI / 180;
  const double lat = (b.lat - a.lat) * kRadians, lon = (b.lon - a.lon) * kRadians;
  const double h = std::pow(std::sin(lat / 2), 2) + std::cos(a.lat * kRadians) *
                                                        std::cos(b.lat * kRadians) *
                                                        std::pow(std::sin(lon / 2), 2);
  return 2 * kEarthRadius * std::asin(std::sqrt(h));
}

// "$score", "$score[2]": the number of the prefetch; nothing for a payload path.
std::optional<std::size_t> ScoreIndex(const std::string& name) {
  if (name == "$score") return 0;
  if (!name.starts_with("$score[") || !name.ends_with("]")) return std::nullopt;
  std::size_t index = 0;
  for (const char c : std::string_view(name).substr(7, name.size() - 8)) {
    if (c < '0' || c > '9' || index > 10000) return std::nullopt;
    index = index * 10 + static_cast<std::size_t>(c - '0');
  }
  return index;
}

class Evaluator {
 public:
  Evaluator(const vec::Reader& reader, const FormulaQuery& query, const std::vector<Ranked>& lists)
      : reader_(reader), query_(query) {
    for (const Ranked& list : lists) {
      auto& scores = scores_.emplace_back();
      for (const ScoredId& hit : list) {
        if (scores.emplace(hit.id, hit.score).second) rows_.emplace(hit.id, ids_.size());
        if (rows_.size() > ids_.size()) ids_.push_back(hit.id);
      }
    }
  }

  Result<Ranked> Run() {
    MALMOI_TRY(Prepare(*query_.formula));
    MALMOI_TRY(auto points, reader_.Retrieve(ids_, vec::Selection{}));
    Ranked ranked;
    for (const vec::Point& point : points) {
      auto payload = json::Parse(point.payload);
      if (!payload.ok()) return ServiceFailed(payload.error().message());
      id_ = point.id;
      row_ = rows_.at(point.id);
      payload_ = &payload.value();
      MALMOI_TRY(const double score, Evaluate(*query_.formula));
      const auto narrow = static_cast<float>(score);
      if (!std::isfinite(narrow)) {
        return NotFinite(NumberText(score) + " as f32 = " + NumberText(narrow));
      }
      ranked.push_back({.id = point.id, .score = narrow});
    }
    std::ranges::sort(ranked, [](const ScoredId& a, const ScoredId& b) {
      return a.score != b.score ? a.score > b.score : a.id < b.id;
    });
    return ranked;
  }

 private:
  // Checks the parameters and tests every condition on all points at once.
  Status Prepare(const Expression& e) {
    if (e.kind == Kind::kCondition) {
      MALMOI_TRY(conditions_[&e], reader_.Test(ids_, *e.condition));
    }
    if (e.kind == Kind::kVariable && e.name.starts_with("$") && !ScoreIndex(e.name)) {
      return BadInput("Validation failed: failed to parse variable " + e.name +
                      ": Invalid reserved word: " + e.name);
    }
    if (e.kind == Kind::kLinDecay || e.kind == Kind::kExpDecay || e.kind == Kind::kGaussDecay) {
      const double midpoint = e.midpoint.value_or(0.5f), scale = e.scale.value_or(1.0f);
      if (e.kind == Kind::kLinDecay && !(midpoint >= 0 && midpoint <= 1)) {
        return BadInput(
            "Validation failed: Linear decay midpoint should be in the range [0.0, 1.0], got " +
            NumberText(midpoint) + ".");
      }
      if (e.kind != Kind::kLinDecay && !(midpoint > 0 && midpoint < 1)) {
        return BadInput(
            "Validation failed: Decay midpoint should be in the range (0.0, 1.0), got " +
            NumberText(midpoint) + ".");
      }
      if (!(scale > 0)) {
        return BadInput("Validation failed: Decay scale should be non-zero positive, got " +
                        NumberText(scale) + ".");
      }
    }
    for (const ExpressionPtr& argument : e.arguments) MALMOI_TRY(Prepare(*argument));
    return Ok();
  }

  // The value of a payload field, or its default.
  Result<Value> Field(const std::string& key, std::string_view type) {
    const auto path = vec::ParsePath(key);
    if (!path.ok()) {
      return BadInput("Validation failed: failed to parse variable ID " + key +
                      ": Invalid payload variable: " + key);
    }
    std::vector<const Value*> values;
    ValuesAt(*payload_, path.value(), &values);
    if (values.size() == 1) return *values[0];
    if (values.size() > 1) return Value::Array({});
    const auto fallback = query_.defaults.find(key);
    if (fallback != query_.defaults.end()) return fallback->second;
    return WrongVariable(key, type, "No value found in a payload nor defaults");
  }

  Result<double> Variable(const std::string& name) {
    if (const auto index = ScoreIndex(name)) {
      if (*index < scores_.size()) {
        const auto found = scores_[*index].find(id_);
        if (found != scores_[*index].end()) return static_cast<double>(found->second);
      }
      for (const auto& [key, value] : query_.defaults) {
        if (ScoreIndex(key) == index && value.is_number()) return *value.AsDouble();
      }
      return 0.0;
    }
    MALMOI_TRY(const Value value, Field(name, "number"));
    if (!value.is_number()) return WrongVariable(name, "number", "Value is not a number");
    return *value.AsDouble();
  }

  Result<double> GeoDistance(const Expression& e) {
    MALMOI_TRY(const Value value, Field(e.name, "geo point"));
    const Value* lon = value.Find("lon");
    const Value* lat = value.Find("lat");
    if (lon == nullptr || lat == nullptr || !lon->is_number() || !lat->is_number()) {
      return WrongVariable(e.name, "geo point", "missing field `lon`");
    }
    return Haversine(e.origin, {.lon = *lon->AsDouble(), .lat = *lat->AsDouble()});
  }

  Result<double> Datetime(const Expression& e) {
    MALMOI_TRY(const Value value, Field(e.name, "datetime"));
    if (!value.is_string()) return WrongVariable(e.name, "datetime", "Value is not a string");
    const auto time = vec::ParseDatetime(*value.AsString());
    if (!time) return WrongVariable(e.name, "datetime", "input is not a datetime");
    return static_cast<double>(*time) / 1e6;
  }

  Result<double> Decay(const Expression& e) {
    MALMOI_TRY(const double x, Evaluate(*e.arguments[0]));
    double target = 0;
    if (e.arguments.size() > 1) {
      MALMOI_TRY(target, Evaluate(*e.arguments[1]));
    }
    const double midpoint = e.midpoint.value_or(0.5f), scale = e.scale.value_or(1.0f);
    const double difference = std::fabs(x - target);
    if (e.kind == Kind::kLinDecay) {
      return std::max(0.0, 1.0 - (1.0 - midpoint) / scale * difference);
    }
    const double log_mid = std::log(midpoint);
    if (e.kind == Kind::kExpDecay) return std::exp(log_mid / scale * difference);
    return std::exp(log_mid / (scale * scale) * difference * difference);
  }

  Result<double> Many(const Expression& e) {
    double total = e.kind == Kind::kMult ? 1 : 0;
    bool first = true;
    for (const ExpressionPtr& argument : e.arguments) {
      MALMOI_TRY(const double value, Evaluate(*argument));
      if (e.kind == Kind::kMult) {
        if (value == 0) return 0.0;
        total *= value;
      } else if (e.kind == Kind::kSum) {
        total += value;
      } else {
        total = first                  ? value
                : e.kind == Kind::kMax ? std::max(total, value)
                                       : std::min(total, value);
      }
      first = false;
    }
    return total;
  }

  Result<double> Divide(const Expression& e) {
    MALMOI_TRY(const double left, Evaluate(*e.arguments[0]));
    if (left == 0) return 0.0;
    MALMOI_TRY(const double right, Evaluate(*e.arguments[1]));
    if (right == 0 && e.by_zero_default) return static_cast<double>(*e.by_zero_default);
    const double value = left / right;
    if (std::isfinite(value)) return value;
    return NotFinite(NumberText(left) + "/" + NumberText(right) + " = " + NumberText(value));
  }

  Result<double> Power(const Expression& e) {
    MALMOI_TRY(const double base, Evaluate(*e.arguments[0]));
    MALMOI_TRY(const double exponent, Evaluate(*e.arguments[1]));
    const double value = std::pow(base, exponent);
    if (std::isfinite(value)) return value;
    return NotFinite(NumberText(base) + "^" + NumberText(exponent) + " = " + NumberText(value));
  }

  Result<double> Unary(const Expression& e) {
    MALMOI_TRY(const double x, Evaluate(*e.arguments[0]));
    double value = 0;
    std::string text;
    switch (e.kind) {
      case Kind::kNeg:
        return -x;
      case Kind::kAbs:
        return std::fabs(x);
      case Kind::kSqrt:
        value = std::sqrt(x);
        text = "\u221a" + NumberText(x);
        break;
      case Kind::kExp:
        value = std::exp(x);
        text = "exp(" + NumberText(x) + ")";
        break;
      case Kind::kLog10:
        value = std::log10(x);
        text = "log10(" + NumberText(x) + ")";
        break;
      case Kind::kLn:
        value = std::log(x);
        text = "ln(" + NumberText(x) + ")";
        break;
      default:
        value = std::acosh(x);
        text = "acosh(" + NumberText(x) + ")";
        break;
    }
    if (std::isfinite(value)) return value;
    return NotFinite(text + " = " + NumberText(value));
  }

  Result<double> Evaluate(const Expression& e) {
    switch (e.kind) {
      case Kind::kConstant:
      case Kind::kDatetime:
        return e.constant;
      case Kind::kVariable:
        return Variable(e.name);
      case Kind::kCondition:
        return conditions_.at(&e)[row_] ? 1.0 : 0.0;
      case Kind::kGeoDistance:
        return GeoDistance(e);
      case Kind::kDatetimeKey:
        return Datetime(e);
      case Kind::kMult:
      case Kind::kSum:
      case Kind::kMax:
      case Kind::kMin:
        return Many(e);
      case Kind::kDiv:
        return Divide(e);
      case Kind::kPow:
        return Power(e);
      case Kind::kLinDecay:
      case Kind::kExpDecay:
      case Kind::kGaussDecay:
        return Decay(e);
      default:
        return Unary(e);
    }
  }

  const vec::Reader& reader_;
  const FormulaQuery& query_;
  std::vector<std::map<PointId, float>> scores_;
  std::map<PointId, std::size_t> rows_;
  std::vector<PointId> ids_;
  std::map<const Expression*, std::vector<bool>> conditions_;
  PointId id_;
  std::size_t row_ = 0;
  const Value* payload_ = nullptr;
};

}  // namespace

Result<Ranked> ScoreByFormula(const vec::Reader& reader, const FormulaQuery& query,
                              const std::vector<Ranked>& lists) {
  return Evaluator(reader, query, lists).Run();
}

}  // namespace malmoi::qdrant
