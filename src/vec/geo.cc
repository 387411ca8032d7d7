#include <algorithm>
#include <cmath>
#include <numbers>

#include "vec/geo_internal.h"

namespace malmoi::vec {
namespace {

constexpr double kEarthRadius = 6'371'008.8;  // Mean radius, IUGG.

double Radians(double degrees) {
  return degrees * std::numbers::pi / 180;
}

enum class Side : std::uint8_t { kOutside, kBorder, kInside };

// Ray casting in the plane of degrees (no edge is a great circle), as the `geo` crate.
Side Locate(const std::vector<GeoPoint>& ring, const GeoPoint& p) {
  bool inside = false;
  for (std::size_t i = 0; i + 1 < ring.size(); ++i) {
    const GeoPoint& a = ring[i];
    const GeoPoint& b = ring[i + 1];
    const double cross = (b.lon - a.lon) * (p.lat - a.lat) - (b.lat - a.lat) * (p.lon - a.lon);
    if (cross == 0 && p.lon >= std::min(a.lon, b.lon) && p.lon <= std::max(a.lon, b.lon) &&
        p.lat >= std::min(a.lat, b.lat) && p.lat <= std::max(a.lat, b.lat)) {
      return Side::kBorder;
    }
    if ((a.lat > p.lat) != (b.lat > p.lat)) {
      const bool rising = b.lat > a.lat;
      if (rising ? cross > 0 : cross < 0) inside = !inside;
    }
  }
  return inside ? Side::kInside : Side::kOutside;
}

}  // namespace

std::optional<GeoPoint> AsGeoPoint(const Packed& value) {
  const auto lon = value.Find("lon");
  const auto lat = value.Find("lat");
  const auto x = lon ? lon->AsDouble() : std::nullopt;
  const auto y = lat ? lat->AsDouble() : std::nullopt;
  if (!x || !y || !(std::abs(*x) <= 180) || !(std::abs(*y) <= 90)) return std::nullopt;
  return GeoPoint{*x, *y};
}

bool Inside(const GeoBox& box, const GeoPoint& p) {
  const double left = box.top_left.lon;
  const double right = box.bottom_right.lon;
  const bool lon = left > right ? p.lon > left || p.lon < right : left < p.lon && p.lon < right;
  return lon && box.bottom_right.lat < p.lat && p.lat < box.top_left.lat;
}

double HaversineMetres(const GeoPoint& a, const GeoPoint& b) {
  const double lat = std::sin(Radians(b.lat - a.lat) / 2);
  const double lon = std::sin(Radians(b.lon - a.lon) / 2);
  const double h = lat * lat + std::cos(Radians(a.lat)) * std::cos(Radians(b.lat)) * lon * lon;
  return 2 * kEarthRadius * std::asin(std::min(1.0, std::sqrt(h)));
}

bool Inside(const GeoRadius& circle, const GeoPoint& p) {
  return HaversineMetres(circle.center, p) < circle.radius_m;
}

bool Inside(const GeoPolygon& polygon, const GeoPoint& p) {
  if (Locate(polygon.exterior, p) != Side::kInside) return false;
  return std::all_of(polygon.interiors.begin(), polygon.interiors.end(),
                     [&](const auto& ring) { return Locate(ring, p) == Side::kOutside; });
}

std::pair<double, double> Latitudes(const GeoBox& box) {
  return {box.bottom_right.lat, box.top_left.lat};
}

std::pair<double, double> Latitudes(const GeoRadius& circle) {
  // A little wider than exact: the test itself decides.
  const double degrees = circle.radius_m / kEarthRadius * 180 / std::numbers::pi * 1.0001 + 1e-9;
  return {circle.center.lat - degrees, circle.center.lat + degrees};
}

std::pair<double, double> Latitudes(const GeoPolygon& polygon) {
  std::pair<double, double> out{90, -90};
  for (const GeoPoint& p : polygon.exterior) {
    out.first = std::min(out.first, p.lat);
    out.second = std::max(out.second, p.lat);
  }
  return out;
}

}  // namespace malmoi::vec
