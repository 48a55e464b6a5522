//! Spans of one track may only nest. Those that overlap otherwise are spread over lanes.

/// A span on its way into a trace.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) name: String,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) detail: Vec<(String, Value)>,
}

/// What stands beside a span.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Count(u64),
    Real(f64),
    Text(String),
}

/// Spreads spans over at most `most` lanes, each in the order of time and without overlap, and counts
/// those that found none.
pub(super) fn spread(mut spans: Vec<Span>, most: usize) -> (Vec<Vec<Span>>, u64) {
    spans.sort_by_key(|span| (span.start_ns, std::cmp::Reverse(span.end_ns)));
    let mut lanes: Vec<Vec<Span>> = Vec::new();
    let mut left_out = 0;
    for span in spans {
        let is_free =
            |lane: &Vec<Span>| lane.last().is_none_or(|last| last.end_ns <= span.start_ns);
        match lanes.iter().position(is_free) {
            Some(free) => lanes[free].push(span),
            None if lanes.len() < most => lanes.push(vec![span]),
            None => left_out += 1,
        }
    }
    (lanes, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start_ns: u64, end_ns: u64) -> Span {
        Span { name: String::new(), start_ns, end_ns, detail: Vec::new() }
    }

    #[test]
    fn spans_of_a_lane_never_overlap() {
        let spans = vec![span(5, 9), span(0, 10), span(10, 12), span(9, 11), span(1, 2)];
        let (lanes, left_out) = spread(spans, 8);
        assert_eq!((lanes.len(), left_out), (2, 0));
        for lane in &lanes {
            assert!(lane.windows(2).all(|pair| pair[0].end_ns <= pair[1].start_ns), "{lane:?}");
        }
    }

    #[test]
    fn what_has_no_lane_is_counted() {
        let (lanes, left_out) = spread(vec![span(0, 9), span(1, 9), span(2, 9)], 2);
        assert_eq!((lanes.len(), left_out), (2, 1));
    }
}
