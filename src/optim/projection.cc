#include "optim/rules/projection.h"

#include <algorithm>
#include <cmath>

namespace malmoi::optim {
namespace {

struct Row {
  double pg = 0, pp = 0, gg = 0, pu = 0;
};

// Of each row of the first dimension, by passes.
template <class T>
std::vector<Row> RowsOf(TensorStep& t, Grid<T>* grid) {
  std::vector<double> sums[4];
  for (std::size_t k = 0; k < 4; ++k) {
    sums[k].resize(t.rows());
    grid->across[k] = sums[k].data();
  }
  t.ReduceGrid(ProjectionSums, {}, *grid);
  std::vector<Row> rows(t.rows());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    rows[r] = {sums[0][r], sums[1][r], sums[2][r], sums[3][r]};
  }
  std::fill(std::begin(grid->across), std::end(grid->across), nullptr);
  return rows;
}
// The same of narrow rows.
template <class T>
std::vector<Row> NarrowRowsOf(TensorStep& t) {
  const std::span<T> p = t.P<T>(), g = t.G<T>(), u = t.Kept<T>();
  std::vector<Row> rows(t.rows());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = r * t.cols(); i < (r + 1) * t.cols(); ++i) {
      const auto pi = static_cast<double>(p[i]), gi = static_cast<double>(g[i]);
      rows[r].pg += pi * gi, rows[r].pp += pi * pi, rows[r].gg += gi * gi;
      rows[r].pu += pi * static_cast<double>(u[i]);
    }
  }
  t.Flush();  // Passes follow.
  return rows;
}

template <class T>
bool Project(TensorStep& t, double delta, double eps) {
  Grid<T> grid = t.FirstByRest<T>();
  const bool wide = grid.cols >= TensorStep::kGridCols;
  const std::vector<Row> row = wide ? RowsOf<T>(t, &grid) : NarrowRowsOf<T>(t);
  Row all;
  double channel = 0;
  for (const Row& r : row) {
    all.pg += r.pg, all.pp += r.pp, all.gg += r.gg, all.pu += r.pu;
    const double cosine =
        std::fabs(r.pg) / (std::max(std::sqrt(r.pp), eps) * std::max(std::sqrt(r.gg), eps));
    channel = std::max(channel, cosine);
  }
  const bool by_channel = channel < delta / std::sqrt(static_cast<double>(t.cols()));
  if (!by_channel) {
    const double cosine =
        std::fabs(all.pg) / (std::max(std::sqrt(all.pp), eps) * std::max(std::sqrt(all.gg), eps));
    if (!(cosine < delta / std::sqrt(static_cast<double>(t.n())))) return false;
  }
  std::vector<T> radial(row.size());
  for (std::size_t r = 0; r < row.size(); ++r) {
    const Row& of = by_channel ? row[r] : all;
    const double norm = std::sqrt(of.pp) + eps;
    radial[r] = static_cast<T>(of.pu / (norm * norm));
  }
  if (wide) {
    grid.row[3] = radial.data();
    t.ReduceGrid(RemoveRadial, {}, grid);
    return true;
  }
  const std::span<T> p = t.P<T>(), u = t.Kept<T>();
  for (std::size_t r = 0; r < radial.size(); ++r) {
    for (std::size_t i = r * t.cols(); i < (r + 1) * t.cols(); ++i) u[i] -= radial[r] * p[i];
  }
  t.Flush();
  return true;
}

}  // namespace

bool ProjectKept(TensorStep& t, double delta, double eps) {
  if (t.shape().size() < 2) return false;
  return t.f64() ? Project<double>(t, delta, eps) : Project<float>(t, delta, eps);
}

}  // namespace malmoi::optim
