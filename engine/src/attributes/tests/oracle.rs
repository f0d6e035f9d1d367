//! What an attribute reads, computed from all its events at once and from nothing but the definition.

use std::collections::BTreeMap;

use super::*;

/// What a row must read.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    stamp: Option<Stamp>,
    value: Option<String>,
    counter: i64,
    elements: Vec<String>,
}

impl Reading {
    pub(super) fn of(row: &AttributeRow) -> Self {
        Self {
            stamp: row.stamp(),
            value: row.value().map(String::from),
            counter: row.counter(),
            elements: row.elements().into_iter().map(String::from).collect(),
        }
    }

    pub(super) fn define(events: &[(Stamp, Op)]) -> Self {
        let events: BTreeMap<Stamp, &Op> = events.iter().map(|(stamp, op)| (*stamp, op)).collect();
        let is_reset = |op: &Op| matches!(op, Op::Set(_) | Op::Delete);
        let base = events.iter().filter(|(_, op)| is_reset(op)).map(|(stamp, _)| *stamp).max();
        let was_set = match base.map(|base| events[&base]) {
            Some(Op::Set(value)) => Some(value.as_json()),
            _ => None,
        };

        let counts = |stamp: Stamp, op: &Op| {
            let declared = match op {
                Op::Set(_) | Op::Delete => return false,
                Op::Add { base, .. } | Op::Insert { base, .. } | Op::Remove { base, .. } => *base,
            };
            let own =
                events.iter().filter(|(other, op)| is_reset(op) && other.origin == stamp.origin && **other < stamp);
            own.map(|(other, _)| Some(*other)).max().flatten().max(declared) == base
        };
        let counting: Vec<_> =
            events.iter().map(|(stamp, op)| (*stamp, *op)).filter(|(stamp, op)| counts(*stamp, op)).collect();

        let counter = counter(was_set, &counting);
        let elements = elements(base, was_set, &counting);
        let value = match counting.last() {
            None => was_set.map(String::from),
            Some((_, Op::Add { .. })) => Some(counter.to_string()),
            Some(_) => Some(format!("[{}]", elements.join(","))),
        };
        Self { stamp: counting.last().map(|(stamp, _)| *stamp).max(base), value, counter, elements }
    }
}

fn counter(was_set: Option<&str>, counting: &[(Stamp, &Op)]) -> i64 {
    let start: i64 = was_set.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(0);
    let mut total = i128::from(start);
    for sign in [1, -1] {
        for origin in (0..9).map(origin) {
            let deltas = counting.iter().filter(|(stamp, _)| stamp.origin == origin).filter_map(|(_, op)| match op {
                Op::Add { delta, .. } => Some(i128::from(*delta) * sign),
                _ => None,
            });
            total += sign * deltas.filter(|delta| *delta > 0).sum::<i128>().min(u64::MAX.into());
        }
    }
    total.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn elements(base: Option<Stamp>, was_set: Option<&str>, counting: &[(Stamp, &Op)]) -> Vec<String> {
    let array: Vec<serde_json::Value> = was_set.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut inserts: Vec<(Stamp, String)> =
        base.into_iter().flat_map(|base| array.iter().map(move |element| (base, element.to_string()))).collect();
    inserts.extend(counting.iter().filter_map(|(stamp, op)| match op {
        Op::Insert { element, .. } => Some((*stamp, element.to_string())),
        _ => None,
    }));
    inserts.retain(|(insert, inserted)| {
        !counting.iter().any(|(stamp, op)| match op {
            Op::Remove { context, element, .. } => {
                let own = stamp.origin == insert.origin && insert < stamp;
                element.as_json() == inserted && (own || context.covers(*insert))
            }
            _ => false,
        })
    });
    let mut elements: Vec<String> = inserts.into_iter().map(|(_, element)| element).collect();
    elements.sort();
    elements.dedup();
    elements
}
