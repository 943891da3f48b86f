//! Points that travel together.

use crate::point::Point;

/// Points that travel together, in the order they were pushed.
///
/// Points of one resource, scope and metric are best pushed side by side: exporters write what is
/// shared once a run of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    points: Vec<Point>,
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(points: usize) -> Self {
        Self { points: Vec::with_capacity(points) }
    }

    #[inline]
    pub fn push(&mut self, point: Point) {
        self.points.push(point);
    }

    /// Makes room for so many more points.
    pub fn reserve(&mut self, points: usize) {
        self.points.reserve(points);
    }

    pub fn as_slice(&self) -> &[Point] {
        &self.points
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Point> {
        self.points.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Point> {
        self.points.iter_mut()
    }

    /// Keeps the points for which `keep` says so, and lets it change them.
    pub fn retain(&mut self, keep: impl FnMut(&mut Point) -> bool) {
        self.points.retain_mut(keep);
    }

    /// Puts the points of each series in the order of their times; each series keeps the places it has.
    ///
    /// Costs a look at each point where they are in order anyhow.
    pub(crate) fn order_by_time(&mut self) {
        if self.points.is_sorted_by_key(|point| point.time_unix_nano) {
            return;
        }
        let series = |place: &usize| self.points[*place].series.address();
        let mut places: Vec<usize> = (0..self.points.len()).collect();
        places.sort_by_key(series);
        let mut order = places.clone();
        order.sort_by_key(|place| (series(place), self.points[*place].time_unix_nano));
        if order == places {
            return;
        }
        let mut points: Vec<Option<Point>> = std::mem::take(&mut self.points).into_iter().map(Some).collect();
        let mut ordered: Vec<(usize, Point)> =
            places.into_iter().zip(order).filter_map(|(to, from)| Some((to, points[from].take()?))).collect();
        ordered.sort_unstable_by_key(|(place, _)| *place);
        self.points = ordered.into_iter().map(|(_, point)| point).collect();
    }

    /// Moves the points of `other` behind these.
    pub fn append(&mut self, mut other: Self) {
        self.points.append(&mut other.points);
    }

    /// Cuts off the points from `at` on.
    pub fn split_off(&mut self, at: usize) -> Self {
        Self { points: self.points.split_off(at) }
    }
}

impl Extend<Point> for Batch {
    fn extend<I: IntoIterator<Item = Point>>(&mut self, points: I) {
        self.points.extend(points);
    }
}

impl FromIterator<Point> for Batch {
    fn from_iter<I: IntoIterator<Item = Point>>(points: I) -> Self {
        Self { points: points.into_iter().collect() }
    }
}

impl IntoIterator for Batch {
    type Item = Point;
    type IntoIter = std::vec::IntoIter<Point>;

    fn into_iter(self) -> Self::IntoIter {
        self.points.into_iter()
    }
}

impl<'a> IntoIterator for &'a mut Batch {
    type Item = &'a mut Point;
    type IntoIter = std::slice::IterMut<'a, Point>;

    fn into_iter(self) -> Self::IntoIter {
        self.points.iter_mut()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Point;
    type IntoIter = std::slice::Iter<'a, Point>;

    fn into_iter(self) -> Self::IntoIter {
        self.points.iter()
    }
}

#[cfg(test)]
mod tests {
    use crate::Registry;
    use crate::notation::{parse, write};

    #[test]
    fn the_points_of_a_series_are_put_in_the_order_of_their_times() {
        let registry = Registry::new(10);
        let text = "gauge a = 1 @3\ngauge b = 1 @5\ngauge a = 2 @1\ngauge b = 2 @4\ngauge c = 1 @1\ngauge a = 3 @2\ngauge a = 4 @1\n";
        let mut batch = parse(text, &registry).unwrap();
        batch.order_by_time();
        let ordered = "gauge a = 2 @1\ngauge b = 2 @4\ngauge a = 4 @1\ngauge b = 1 @5\ngauge c = 1 @1\ngauge a = 3 @2\ngauge a = 1 @3\n";
        assert_eq!(write(&batch), ordered);
        batch.order_by_time();
        assert_eq!(write(&batch), ordered);
    }
}
