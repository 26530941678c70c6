// Outlines in longitude and latitude: the shape of a ship from a few numbers, and fewer corners for an outline of pixels.
const METRES = 111_195; // of a degree of latitude

const scaleAt = (lat) => [METRES * Math.cos(lat * Math.PI / 180), METRES];

// A hull as a closed ring: a bow of a fifth of the length, and a straight stern. Heading in degrees clockwise from north.
export function hull({ lon, lat, length, width, heading }) {
  const [east, north] = scaleAt(lat);
  const turn = heading * Math.PI / 180;
  const corners = [[0.5, 0], [0.3, 0.5], [-0.5, 0.4], [-0.5, -0.4], [0.3, -0.5], [0.5, 0]];
  return corners.map(([along, across]) => {
    const [x, y] = [across * width, along * length];
    return [lon + (x * Math.cos(turn) + y * Math.sin(turn)) / east, lat + (y * Math.cos(turn) - x * Math.sin(turn)) / north];
  });
}

// Middle, length, width and heading (0 to 180) of a ring: of the narrowest rectangle around it.
export function measure(ring) {
  const [lon0, lat0] = ring[0];
  const [east, north] = scaleAt(lat0);
  const points = ring.map(([lon, lat]) => [(lon - lon0) * east, (lat - lat0) * north]);
  let best = null;
  for (let degree = 0; degree < 180; degree += 1) {
    const [cos, sin] = [Math.cos(degree * Math.PI / 180), Math.sin(degree * Math.PI / 180)];
    const along = points.map(([x, y]) => x * sin + y * cos);
    const across = points.map(([x, y]) => x * cos - y * sin);
    const [top, bottom, right, leftmost] = [Math.max(...along), Math.min(...along), Math.max(...across), Math.min(...across)];
    const size = (top - bottom) * (right - leftmost);
    if (top - bottom >= right - leftmost && (!best || size < best.size)) {
      const [a, c] = [(top + bottom) / 2, (right + leftmost) / 2];
      best = { size, heading: degree, length: top - bottom, width: right - leftmost, lon: lon0 + (a * sin + c * cos) / east, lat: lat0 + (a * cos - c * sin) / north };
    }
  }
  return best;
}

// The outer ring of the largest part, without its last point, which is the first again.
export function outerRing(geometry) {
  const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  const size = (ring) => Math.abs(ring.reduce((sum, [x, y], index) => { const [a, b] = ring[(index + 1) % ring.length]; return sum + x * b - a * y; }, 0));
  return parts.map(([ring]) => ring).sort((one, other) => size(other) - size(one))[0].slice(0, -1);
}

// A ring with at most so many corners (Douglas and Peucker); rings with few corners stay as they are.
export function fewer(ring, most = 12) {
  if (ring.length <= most) return ring;
  const [east, north] = scaleAt(ring[0][1]);
  const flat = ring.map(([x, y]) => [x * east, y * north]);
  const apart = (i) => (flat[i][0] - flat[0][0]) ** 2 + (flat[i][1] - flat[0][1]) ** 2;
  const far = flat.reduce((found, _, i) => apart(i) > apart(found) ? i : found, 0);
  for (let tolerance = 2; ; tolerance *= 1.4) { // metres
    const kept = [...keep(flat, 0, far, tolerance), ...keep([...flat, flat[0]], far, flat.length, tolerance)];
    if (kept.length <= most) return kept.length >= 3 ? kept.map((i) => ring[i % ring.length]) : ring;
  }
}

// Indices from `first` to before `last` which are needed within a tolerance.
function keep(points, first, last, tolerance) {
  const [[ax, ay], [bx, by]] = [points[first], points[last]];
  const length = Math.hypot(bx - ax, by - ay) || 1;
  let [worst, distance] = [first, 0];
  for (let i = first + 1; i < last; i += 1) {
    const away = Math.abs((bx - ax) * (ay - points[i][1]) - (ax - points[i][0]) * (by - ay)) / length;
    if (away > distance) [worst, distance] = [i, away];
  }
  return distance <= tolerance ? [first] : [...keep(points, first, worst, tolerance), ...keep(points, worst, last, tolerance)];
}

// The ends of the line that shows a heading, longer than the ship.
export function headingLine({ lon, lat, length_m: length, heading_deg: heading }) {
  if ([lon, lat, length, heading].some((value) => value === null || value === undefined)) return null;
  const [east, north] = scaleAt(lat);
  const [x, y] = [Math.sin(heading * Math.PI / 180), Math.cos(heading * Math.PI / 180)].map((part) => part * (0.75 * length + 60));
  return [[lon - x / east, lat - y / north], [lon + x / east, lat + y / north]];
}
