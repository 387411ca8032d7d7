#include "optim/rules/projection.h"

#include <algorithm>
#include <cmath>

namespace malmoi::optim {
namespace {

struct Row {
  double pg = 0, pp = 0, gg = 0, pu = 0;
};

template <class T>
bool Project(TensorStep& t, double delta, double eps) {
  const std::span<T> p = t.P<T>(), g = t.G<T>(), u = t.Kept<T>();
  const std::size_t rows = t.rows(), cols = t.cols();
  std::vector<Row> row(rows);
  Row all;
  double channel = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
      const auto pi = static_cast<double>(p[i]), gi = static_cast<double>(g[i]);
      row[r].pg += pi * gi, row[r].pp += pi * pi, row[r].gg += gi * gi;
      row[r].pu += pi * static_cast<double>(u[i]);
    }
    all.pg += row[r].pg, all.pp += row[r].pp, all.gg += row[r].gg, all.pu += row[r].pu;
    const double cosine = std::fabs(row[r].pg) / (std::max(std::sqrt(row[r].pp), eps) *
                                                  std::max(std::sqrt(row[r].gg), eps));
    channel = std::max(channel, cosine);
  }
  const bool by_channel = channel < delta / std::sqrt(static_cast<double>(cols));
  if (!by_channel) {
    const double cosine =
        std::fabs(all.pg) / (std::max(std::sqrt(all.pp), eps) * std::max(std::sqrt(all.gg), eps));
    if (!(cosine < delta / std::sqrt(static_cast<double>(t.n())))) return false;
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const Row& of = by_channel ? row[r] : all;
    const double norm = std::sqrt(of.pp) + eps;
    const auto radial = static_cast<T>(of.pu / (norm * norm));
    for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) u[i] -= radial * p[i];
  }
  return true;
}

}  // namespace

bool ProjectKept(TensorStep& t, double delta, double eps) {
  if (t.shape().size() < 2) return false;
  return t.f64() ? Project<double>(t, delta, eps) : Project<float>(t, delta, eps);
}

}  // namespace malmoi::optim
