//! The drawings of the page: SVG with positions in percent, so that they stretch and their marks do not.

use std::fmt::Write as _;

use crate::compare::Measurement;

/// Percent of the width that stays free on either side, for marks at the ends.
const MARGIN: f64 = 3.0;
/// Pixels of a row.
const HEIGHT: u32 = 30;
/// The ratios that are drawn; what lies beyond is an arrow at the edge.
const RATIOS: (f64, f64) = (0.25, 4.0);

/// A logarithmic scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// A scale on which all these values lie.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        // Room at the ends, and never so little that a hair's breadth looks like a gulf.
        let missing = (1.0 - (high - low)).max(0.0) / 2.0;
        Self { low: low - 0.05 - missing, high: high + 0.05 + missing }
    }

    fn percent(self, value: f64) -> f64 {
        let part = ((value.log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        MARGIN + part * (100.0 - 2.0 * MARGIN)
    }

    /// The values that get a line: powers of ten, and if these are few, 2 and 5 times them.
    fn ticks(self) -> Vec<f64> {
        let decades = (self.low.floor() as i32..=self.high.ceil() as i32).map(|power| 10_f64.powi(power));
        let steps: &[f64] = if self.high - self.low > 2.2 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let all = decades.flat_map(|decade| steps.iter().map(move |step| decade * step));
        all.filter(|value| (self.low..=self.high).contains(&value.log10())).collect()
    }

    fn grid(self, ticks: &[f64]) -> String {
        ticks.iter().fold(String::new(), |mut out, tick| {
            let x = self.percent(*tick);
            let _ = write!(out, "<line class=\"grid\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"{HEIGHT}\"/>");
            out
        })
    }

    fn labels(self, ticks: &[f64], label: impl Fn(f64) -> String) -> String {
        let mut out = String::from("<svg class=\"scale\" width=\"100%\" height=\"18\" aria-hidden=\"true\">");
        for tick in ticks {
            let _ = write!(out, "<text x=\"{:.2}%\" y=\"13\">{}</text>", self.percent(*tick), label(*tick));
        }
        out + "</svg>"
    }

    /// The labels of the scale.
    pub(super) fn axis(self) -> String {
        self.labels(&self.ticks(), short)
    }

    /// A measurement: what is by hand as a ring, ours as a dot, and the way between them.
    pub(super) fn pair(self, measured: &Measurement) -> String {
        let (ours, middle) = (self.percent(measured.ours.value), HEIGHT / 2);
        let title = match &measured.by_hand {
            Some(by_hand) => format!(
                "ours {}, by hand {} {}",
                measured.unit.print(measured.ours.value),
                measured.unit.print(by_hand.value),
                measured.unit.label()
            ),
            None => format!("ours {} {}", measured.unit.print(measured.ours.value), measured.unit.label()),
        };
        let mut out = begin(&title);
        out.push_str(&self.grid(&self.ticks()));
        if let Some(by_hand) = &measured.by_hand {
            let by_hand = self.percent(by_hand.value);
            let _ = write!(
                out,
                "<line class=\"way\" x1=\"{ours:.2}%\" x2=\"{by_hand:.2}%\" y1=\"{middle}\" y2=\"{middle}\"/>\
                 <circle class=\"hand\" cx=\"{by_hand:.2}%\" cy=\"{middle}\" r=\"5\"/>"
            );
        }
        let _ = write!(out, "<circle class=\"ours\" cx=\"{ours:.2}%\" cy=\"{middle}\" r=\"5.5\"/></svg>");
        out
    }
}

fn begin(title: &str) -> String {
    format!("<svg width=\"100%\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>")
}

fn ratio_scale() -> (Scale, [f64; 5]) {
    (Scale { low: RATIOS.0.log10(), high: RATIOS.1.log10() }, [0.25, 0.5, 1.0, 2.0, 4.0])
}

/// The labels of the ratios' scale.
pub(super) fn ratio_axis() -> String {
    let (scale, ticks) = ratio_scale();
    scale.labels(&ticks, |tick| format!("{tick}"))
}

/// The ratios of a measurement's rounds, their median and the target.
pub(super) fn ratios(measured: &Measurement) -> String {
    let (scale, ticks) = ratio_scale();
    let (ratio, target) = (measured.ratio.unwrap_or(f64::NAN), measured.target.unwrap_or(f64::NAN));
    let mut out = begin(&format!("ratio {ratio:.2}, target {target}"));
    out.push_str(&scale.grid(&ticks));
    let (middle, goal) = (HEIGHT / 2, scale.percent(target));
    let _ = write!(out, "<line class=\"goal\" x1=\"{goal:.2}%\" x2=\"{goal:.2}%\" y1=\"2\" y2=\"{}\"/>", HEIGHT - 2);
    for round in &measured.ratios {
        let x = scale.percent(*round);
        let (top, bottom) = (middle - 6, middle + 6);
        let _ = write!(out, "<line class=\"round\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{top}\" y2=\"{bottom}\"/>");
    }
    let verdict = if measured.met() == Some(true) { "met" } else { "missed" };
    match beyond(ratio) {
        Some(arrow) => {
            let (x, y) = (scale.percent(ratio), middle + 6);
            let _ = write!(out, "<text class=\"beyond {verdict}\" x=\"{x:.2}%\" y=\"{y}\">{arrow}</text></svg>");
        }
        None => {
            let x = scale.percent(ratio);
            let _ = write!(out, "<circle class=\"{verdict}\" cx=\"{x:.2}%\" cy=\"{middle}\" r=\"5.5\"/></svg>");
        }
    }
    out
}

/// The mark of a ratio that the scale does not reach.
fn beyond(ratio: f64) -> Option<char> {
    match ratio {
        ratio if ratio < RATIOS.0 => Some('◀'),
        ratio if ratio > RATIOS.1 => Some('▶'),
        _ => None,
    }
}

/// A mark of the legend.
pub(super) fn key(ours: bool) -> String {
    let class = if ours { "ours" } else { "hand" };
    format!(
        "<svg class=\"key\" width=\"14\" height=\"14\" aria-hidden=\"true\"><circle class=\"{class}\" cx=\"7\" cy=\"7\" \
         r=\"5\"/></svg>"
    )
}

/// A round number, briefly.
fn short(value: f64) -> String {
    match value {
        value if value >= 999_999.5 => format!("{} M", (value / 1e6).round()),
        value if value >= 999.5 => format!("{} k", (value / 1e3).round()),
        value if value >= 0.95 => format!("{}", value.round()),
        value => format!("{value:.2}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_and_the_most_lie_within_the_drawing_in_order() {
        let scale = Scale::of([500.0, 1_200_000.0, 30_000.0].into_iter());
        let at = [500.0, 30_000.0, 1_200_000.0].map(|value| scale.percent(value));
        assert!(at.is_sorted() && at[0] > MARGIN && at[2] < 100.0 - MARGIN, "{at:?}");
        assert_eq!(scale.ticks().into_iter().map(short).collect::<Vec<_>>(), ["1 k", "10 k", "100 k", "1 M"]);
    }

    #[test]
    fn a_ratio_beyond_the_scale_is_an_arrow_at_its_edge() {
        assert_eq!([0.1, 0.25, 1.0, 4.0, 19.5].map(beyond), [Some('◀'), None, None, None, Some('▶')]);
    }

    #[test]
    fn a_narrow_scale_has_ticks_too_and_nothing_is_drawn_on_one() {
        let scale = Scale::of([319.0, 319.0].into_iter());
        assert!(scale.ticks().len() >= 2, "{:?}", scale.ticks());
        assert_eq!(Scale::of(std::iter::empty()).percent(1.0), MARGIN);
        assert_eq!([0.05, 0.5, 2.0].map(short), ["0.05", "0.5", "2"]);
    }
}
