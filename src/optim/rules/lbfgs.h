// L-BFGS as torch.optim.LBFGS has it, with its strong-Wolfe line search (after minFunc).
#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/optimizer.h"
#include "optim/rule.h"

namespace malmoi::optim {

// Nocedal and Wright 2006, algorithms 7.4 and 3.5. All parameters are one vector, kept in double;
// the closure is called up to max_eval times a step. One group only.
struct LBFGS : Rule {
  using Vector = std::vector<double>;
  std::int64_t max_iter = 20, history_size = 100, n_iter = 0, func_evals = 0;
  std::optional<double> max_eval;
  double tolerance_grad = 1e-7, tolerance_change = 1e-9;
  json::Value line_search_fn, saved;
  // Between steps.
  Vector d, prev_g;
  std::vector<Vector> old_dirs, old_steps;
  Vector ro;
  double t = 0, h_diag = 1, first_loss = 0;
  std::function<double()> closure;
  mutable std::vector<TensorStep*> tensors;
  LBFGS() { lr = 1.0, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("max_iter", max_iter)("max_eval", max_eval)("tolerance_grad", tolerance_grad);
    f("tolerance_change", tolerance_change)("history_size", history_size);
    f("line_search_fn", line_search_fn);
  }
  void BindState(Fields& f) override {
    saved = Pack();
    f("n_iter", n_iter)("func_evals", func_evals)("h_diag", h_diag)("t", t)("history", saved);
  }
  Status Check() const override {
    if (max_iter < 1 || history_size < 1) {
      return Error(Code::kInvalidArgument, "max_iter, history_size: expected >= 1");
    }
    if (!line_search_fn.is_null() && line_search_fn.AsString().value_or("") != "strong_wolfe") {
      return Error(Code::kInvalidArgument, "line_search_fn: expected null or \"strong_wolfe\"");
    }
    return Ok();
  }
  Status Accept(const StepInputs& inputs) override {
    if (!inputs.closure) return Error(Code::kInvalidArgument, "lbfgs needs a closure");
    closure = inputs.closure;
    return Ok();
  }
  void Declare(StateList&, const Shape&) const override {}
  bool Draws() const override { return true; }  // Tensors in order.
  void Begin() override {
    if (!saved.is_null()) Unpack();
    saved = {};
    tensors.clear();
  }
  // The first evaluation comes before the visits: until then there may be no gradients at all.
  void Start(std::span<Rule* const>) override {
    if (closure) first_loss = closure();
  }
  void Step(TensorStep& tensor) const override { tensors.push_back(&tensor); }
  void Between(int, std::span<Rule* const>) override {
    if (closure && !tensors.empty()) Minimise();
    closure = nullptr;
    tensors.clear();
  }

  // --- all parameters as one vector
  template <class F>
  void ForEach(F f) {
    std::size_t at = 0;
    for (TensorStep* tensor : tensors) {
      tensor->Flush();
      if (tensor->f64()) {
        f(tensor->P<double>(), tensor->G<double>(), at);
      } else {
        f(tensor->P<float>(), tensor->G<float>(), at);
      }
      at += tensor->n();
      tensor->Flush();
    }
  }
  std::size_t Size() const {
    std::size_t n = 0;
    for (const TensorStep* tensor : tensors) n += tensor->n();
    return n;
  }
  Vector Gradient() {
    Vector out(Size());
    ForEach([&](auto, auto g, std::size_t at) {
      for (std::size_t i = 0; i < g.size(); ++i) out[at + i] = static_cast<double>(g[i]);
    });
    return out;
  }
  Vector Parameters() {
    Vector out(Size());
    ForEach([&](auto p, auto, std::size_t at) {
      for (std::size_t i = 0; i < p.size(); ++i) out[at + i] = static_cast<double>(p[i]);
    });
    return out;
  }
  void SetParameters(const Vector& x, double step, const Vector& direction) {
    ForEach([&](auto p, auto, std::size_t at) {
      for (std::size_t i = 0; i < p.size(); ++i) {
        p[i] = static_cast<std::remove_reference_t<decltype(p[i])>>(x[at + i] +
                                                                    step * direction[at + i]);
      }
    });
  }
  static double Dot(const Vector& a, const Vector& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
  static double Largest(const Vector& a) {
    double top = 0;
    for (const double v : a) top = std::max(top, std::fabs(v));
    return top;
  }

  // --- the method
  void Direction(const Vector& g) {
    if (n_iter == 1) {
      old_dirs.clear(), old_steps.clear(), ro.clear();
      h_diag = 1;
      d = g;
      for (double& v : d) v = -v;
      return;
    }
    Vector y = g, s = d;
    for (std::size_t i = 0; i < y.size(); ++i) y[i] -= prev_g[i], s[i] *= t;
    const double ys = Dot(y, s);
    if (ys > 1e-10) {
      if (old_dirs.size() == static_cast<std::size_t>(history_size)) {
        old_dirs.erase(old_dirs.begin()), old_steps.erase(old_steps.begin());
        ro.erase(ro.begin());
      }
      h_diag = ys / Dot(y, y);
      old_dirs.push_back(std::move(y)), old_steps.push_back(std::move(s));
      ro.push_back(1.0 / ys);
    }
    d = g;
    for (double& v : d) v = -v;
    Vector al(old_dirs.size());
    for (std::size_t i = old_dirs.size(); i-- > 0;) {
      al[i] = Dot(old_steps[i], d) * ro[i];
      for (std::size_t j = 0; j < d.size(); ++j) d[j] -= al[i] * old_dirs[i][j];
    }
    for (double& v : d) v *= h_diag;
    for (std::size_t i = 0; i < old_dirs.size(); ++i) {
      const double be = Dot(old_dirs[i], d) * ro[i];
      for (std::size_t j = 0; j < d.size(); ++j) d[j] += (al[i] - be) * old_steps[i][j];
    }
  }
  void Minimise() {
    double loss = first_loss;
    ++func_evals;
    std::int64_t evals = 1;
    const auto most =
        static_cast<std::int64_t>(max_eval.value_or(static_cast<double>(max_iter * 5 / 4)));
    Vector g = Gradient();
    if (g.size() != d.size()) n_iter = 0;  // The first step, or another set of gradients.
    if (Largest(g) <= tolerance_grad) return;
    for (std::int64_t k = 1; k <= max_iter; ++k) {
      ++n_iter;
      Direction(g);
      prev_g = g;
      const double prev_loss = loss;
      double l1 = 0;
      for (const double v : g) l1 += std::fabs(v);
      t = n_iter == 1 ? std::min(1.0, 1.0 / l1) * lr : lr;
      const double gtd = Dot(g, d);
      if (gtd > -tolerance_change) return;
      std::int64_t tried = 0;
      const Vector x = Parameters();
      if (!line_search_fn.is_null()) {
        tried = StrongWolfe(x, gtd, static_cast<int>(std::max<std::int64_t>(most - evals, 0)),
                            &loss, &g);
        SetParameters(x, t, d);
      } else {
        SetParameters(x, t, d);
        if (k != max_iter) loss = closure(), g = Gradient(), tried = 1;
      }
      evals += tried, func_evals += tried;
      if (k == max_iter || evals >= most || Largest(g) <= tolerance_grad) return;
      if (Largest(d) * std::fabs(t) <= tolerance_change) return;
      if (std::fabs(loss - prev_loss) < tolerance_change) return;
    }
  }
  struct Point {
    double t = 0, f = 0, gtd = 0;
    Vector g;
  };
  Point Evaluate(const Vector& x, double step) {
    SetParameters(x, step, d);
    Point out{step, closure(), 0, {}};
    out.g = Gradient();
    out.gtd = Dot(out.g, d);
    return out;
  }
  static double Cubic(const Point& a, const Point& b, double low, double high) {
    const double d1 = a.gtd + b.gtd - 3 * (a.f - b.f) / (a.t - b.t);
    const double square = d1 * d1 - a.gtd * b.gtd;
    if (!(square >= 0)) return (low + high) / 2;
    const double d2 = std::sqrt(square);
    const double at = a.t <= b.t
                          ? b.t - (b.t - a.t) * ((b.gtd + d2 - d1) / (b.gtd - a.gtd + 2 * d2))
                          : a.t - (a.t - b.t) * ((a.gtd + d2 - d1) / (a.gtd - b.gtd + 2 * d2));
    return std::min(std::max(at, low), high);
  }
  // Sets t, the loss and the gradient there; the number of evaluations.
  // `most`: the evaluations that are left (torch 2.13 and later; 25 before).
  std::int64_t StrongWolfe(const Vector& x, double gtd, int most, double* loss, Vector* g) {
    constexpr double kC1 = 1e-4, kC2 = 0.9;
    const double f = *loss;
    const Point start{0, f, gtd, *g};
    Point before = start, now = Evaluate(x, t);
    std::int64_t evals = 1;
    int k = 0;
    bool done = false;
    std::vector<Point> bracket;
    for (; k < most; ++k, ++evals) {
      if (now.f > f + kC1 * now.t * gtd || (k > 1 && now.f >= before.f)) {
        bracket = {before, now};
        break;
      }
      if (std::fabs(now.gtd) <= -kC2 * gtd) {
        bracket = {now}, done = true;
        break;
      }
      if (now.gtd >= 0) {
        bracket = {before, now};
        break;
      }
      const double next = Cubic(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
      before = now;
      now = Evaluate(x, next);
    }
    if (k == most) bracket = {start, now};
    std::size_t low = bracket.front().f <= bracket.back().f ? 0 : bracket.size() - 1;
    evals += Zoom(x, f, gtd, done ? most : k, most, &bracket, &low);
    t = bracket[low].t;
    *loss = bracket[low].f;
    *g = bracket[low].g;
    return evals;
  }
  std::int64_t Zoom(const Vector& x, double f, double gtd, int k, int most,
                    std::vector<Point>* bracket, std::size_t* low) {
    constexpr double kC1 = 1e-4, kC2 = 0.9;
    const double size = Largest(d);
    std::int64_t evals = 0;
    bool stuck = false;
    for (; k < most; ++k, ++evals) {
      auto& b = *bracket;
      const double left = std::min(b[0].t, b[1].t), right = std::max(b[0].t, b[1].t);
      if ((right - left) * size < tolerance_change) break;
      double at = Cubic(b[0], b[1], left, right);
      const double margin = 0.1 * (right - left);
      if (std::min(right - at, at - left) < margin) {
        if (stuck || at >= right || at <= left) {
          at = std::fabs(at - right) < std::fabs(at - left) ? right - margin : left + margin;
          stuck = false;
        } else {
          stuck = true;
        }
      } else {
        stuck = false;
      }
      const Point now = Evaluate(x, at);
      const std::size_t high = 1 - *low;
      if (now.f > f + kC1 * at * gtd || now.f >= b[*low].f) {
        b[high] = now;
        *low = b[0].f <= b[1].f ? 0 : 1;
        continue;
      }
      const bool done = std::fabs(now.gtd) <= -kC2 * gtd;
      if (!done && now.gtd * (b[high].t - b[*low].t) >= 0) b[high] = b[*low];
      b[*low] = now;
      if (done) return evals + 1;
    }
    return evals;
  }

  // --- what is saved
  static json::Value Numbers(const Vector& v) {
    std::vector<json::Value> items;
    for (const double x : v) items.push_back(json::Value::Double(x));
    return json::Value::Array(std::move(items));
  }
  static Vector Read(const json::Value& v) {
    Vector out;
    for (const json::Value& x : v.items()) out.push_back(x.AsDouble().value_or(0));
    return out;
  }
  json::Value Pack() const {
    std::vector<json::Value> rows = {Numbers(d), Numbers(prev_g), Numbers(ro)};
    for (const Vector& v : old_dirs) rows.push_back(Numbers(v));
    for (const Vector& v : old_steps) rows.push_back(Numbers(v));
    return json::Value::Array(std::move(rows));
  }
  void Unpack() {
    const auto& rows = saved.items();
    if (rows.size() < 3 || rows.size() % 2 == 0) return;
    d = Read(rows[0]), prev_g = Read(rows[1]), ro = Read(rows[2]);
    old_dirs.clear(), old_steps.clear();
    const std::size_t kept = (rows.size() - 3) / 2;
    for (std::size_t i = 0; i < kept; ++i) {
      old_dirs.push_back(Read(rows[3 + i]));
      old_steps.push_back(Read(rows[3 + kept + i]));
    }
    // Lengths that do not belong together: begin anew.
    bool fits = prev_g.size() == d.size() && ro.size() == kept;
    for (const Vector& v : old_dirs) fits = fits && v.size() == d.size();
    for (const Vector& v : old_steps) fits = fits && v.size() == d.size();
    if (!fits) d.clear(), n_iter = 0;
  }
};
OPTIM_RULE(LBFGS, "lbfgs");

}  // namespace malmoi::optim
#endif
