//! Whatever the way of delivery, one set of events gives one row, and the one that is defined.

use super::oracle::Reading;
use super::*;

const WRITERS: usize = 3;
const VALUES: [&str; 8] =
    ["1", "-7", "9223372036854775807", "\"a\"", "[\"a\",\"b\"]", "[ 1 , \"b\", 1 ]", "null", "{}"];
const ELEMENTS: [&str; 3] = ["\"a\"", "\"b\"", "1"];

type History = Vec<Vec<(Stamp, Op)>>;

#[derive(Debug, Clone)]
struct Draft {
    writer: usize,
    /// How much later than the writer's last event; 0 for the same bundle.
    step: u64,
    kind: usize,
    choice: usize,
    delta: i64,
    seen: Vec<usize>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let delta = prop_oneof![-3i64..9, Just(i64::MAX), Just(i64::MIN)];
    (0..WRITERS, 0u64..3, 0usize..8, any::<usize>(), delta, prop::collection::vec(any::<usize>(), 0..4))
        .prop_map(|(writer, step, kind, choice, delta, seen)| Draft { writer, step, kind, choice, delta, seen })
}

/// Histories whose writers claim to have seen anything that is not in their future.
fn wild_history() -> impl Strategy<Value = History> {
    prop::collection::vec(draft(), 1..20).prop_map(|drafts| {
        let mut last = [(1, 0); WRITERS];
        let mut stamps = Vec::new();
        for draft in &drafts {
            let (time, index) = &mut last[draft.writer];
            (*time, *index) = if draft.step == 0 { (*time, *index + 1) } else { (*time + draft.step, 0) };
            stamps.push(at(*time, draft.writer, *index));
        }
        let mut history = vec![Vec::new(); WRITERS];
        for (draft, stamp) in drafts.iter().zip(&stamps) {
            let seen: Vec<_> =
                draft.seen.iter().map(|choice| stamps[choice % stamps.len()]).filter(|seen| seen < stamp).collect();
            // Mostly a real set or delete: a base that never arrives is soon tested enough.
            let resets = drafts.iter().zip(&stamps).filter(|(draft, seen)| draft.kind < 3 && *seen < stamp);
            let resets: Vec<_> = resets.map(|(_, stamp)| *stamp).collect();
            let base = match draft.choice % 8 {
                0 => None,
                1 => seen.first().copied(),
                _ => resets.iter().max().or(seen.first()).copied().filter(|_| draft.choice % 16 < 14),
            };
            let element = value(ELEMENTS[draft.choice / 16 % ELEMENTS.len()]);
            let op = match draft.kind {
                0 | 1 => Op::Set(value(VALUES[draft.choice / 16 % VALUES.len()])),
                2 => Op::Delete,
                3 => Op::Add { base, delta: draft.delta },
                4 | 5 => Op::Insert { base, element },
                _ => Op::Remove { base, context: seen.into_iter().chain(base).collect(), element },
            };
            history[draft.writer].push((*stamp, op));
        }
        history
    })
}

/// Histories of replicas that make their operations from their own rows and sync now and then.
fn honest_history() -> impl Strategy<Value = History> {
    prop::collection::vec((draft(), 0..WRITERS, any::<bool>()), 1..25).prop_map(|steps| {
        let mut history: History = vec![Vec::new(); WRITERS];
        let mut replicas: Vec<Vec<(Stamp, Event)>> = vec![Vec::new(); WRITERS];
        let mut clocks = [1; WRITERS];
        for (draft, peer, sync) in steps {
            let writer = draft.writer;
            if sync {
                let known = replicas[writer].clone();
                let news = replicas[peer].iter().filter(|event| !known.contains(event)).cloned().collect::<Vec<_>>();
                replicas[writer].extend(news);
                clocks[writer] = clocks[writer].max(clocks[peer]);
            }
            let now = row(&replicas[writer]);
            let element = value(ELEMENTS[draft.choice % ELEMENTS.len()]);
            let event = match draft.kind {
                0 => Op::set(&attribute(), value(VALUES[draft.choice % VALUES.len()])),
                1 => Op::delete(&attribute()),
                2 | 3 => now.add(&attribute(), draft.delta),
                4 | 5 => now.insert(&attribute(), element),
                _ => now.remove(&attribute(), element),
            };
            clocks[writer] += 1;
            let stamp = at(clocks[writer], writer, 0);
            history[writer].push((stamp, Op::decode(&event.payload).unwrap().1));
            replicas[writer].push((stamp, event));
            // What a writer sees of its own operation is what it meant.
            let after = row(&replicas[writer]);
            if (4..).contains(&draft.kind) {
                let element = ELEMENTS[draft.choice % ELEMENTS.len()];
                assert_eq!(after.elements().contains(&element), draft.kind < 6, "{after:?}");
            }
        }
        history
    })
}

/// Delivers a history interleaved and repeated, and folded in batches, as `choices` say. Returns the row's bytes.
fn deliver(history: &History, choices: &[u8]) -> Vec<u8> {
    let mut rest: Vec<_> = history.iter().map(|events| events.iter()).collect();
    let mut delivered = Vec::new();
    let mut ends = Vec::new();
    let event = |(stamp, op): &(Stamp, Op)| (*stamp, op.event(&attribute()));
    for choice in choices.iter().map(|choice| usize::from(*choice)) {
        match choice % (WRITERS + 2) {
            WRITERS => ends.push(delivered.len()),
            writer if writer < WRITERS => delivered.extend(rest[writer].next().map(event)),
            _ if delivered.is_empty() => {}
            _ => delivered.push(delivered[choice / 5 % delivered.len()].clone()),
        }
    }
    delivered.extend(rest.into_iter().flatten().map(event));
    ends.push(delivered.len());
    let mut bytes = None;
    let mut start = 0;
    for end in ends {
        bytes = Some(fold(bytes.as_deref(), &delivered[start..end]));
        start = end;
    }
    bytes.unwrap()
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..60)
}

fn check(history: &History, one: &[u8], other: &[u8]) -> Result<(), TestCaseError> {
    let bytes = deliver(history, one);
    prop_assert_eq!(&bytes, &deliver(history, other));
    let row = AttributeRow::decode(&bytes).unwrap();
    prop_assert_eq!(row.encode(), bytes);
    prop_assert_eq!(Reading::of(&row), Reading::define(&history.concat()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn wild_histories_give_one_row_by_every_delivery(
        history in wild_history(), one in choices(), other in choices()
    ) {
        check(&history, &one, &other)?;
    }

    #[test]
    fn honest_histories_give_one_row_by_every_delivery(
        history in honest_history(), one in choices(), other in choices()
    ) {
        check(&history, &one, &other)?;
    }
}
