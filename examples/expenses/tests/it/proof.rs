//! Both views converge, and the balances add up.

use expenses::{Balances, Expense, Months};
use proptest::prelude::*;
use syncline::Event;
use syncline::typed::TypedEvent;
use syncline_sim::{Rng, lab};

use crate::world::bill;

/// One of few expenses, so that events meet in their rows. The payer and the sharers follow from the expense.
fn event(what: usize, number: usize, cents: i64) -> Expense {
    let people = ["ann", "bob", "eve"];
    let about = bill(&number.to_string(), people[number % 3], &people[..=number % 3]);
    match what {
        0 => Expense::Added { bill: about, what: "dinner".into(), cents },
        1 => Expense::Amended { bill: about, cents },
        2 => Expense::Categorised { bill: about, category: format!("number {cents}") },
        3 => Expense::Removed { bill: about },
        _ => Expense::Paid { from: people[number % 3].into(), to: people[number % 2].into(), cents },
    }
}

fn written() -> impl Strategy<Value = Event> {
    (0..5_usize, 0..3_usize, -9..100_i64)
        .prop_map(|(what, number, cents)| event(what, number, cents).to_event().unwrap())
}

mod balances {
    syncline_conformance::projection_suite!(super::Balances, super::written());
}

mod months {
    syncline_conformance::projection_suite!(super::Months, super::written());
}

#[test]
fn both_views_converge_whatever_happens() {
    let event = |rng: &mut Rng| event(rng.index(5), rng.index(3), rng.below(100) as i64).to_event().unwrap();
    for projection in 0..2 {
        let lab = lab(0..60).steps(100);
        let lab = if projection == 0 { lab.projection(Balances) } else { lab.projection(Months) };
        lab.writes(move |rng| vec![event(rng)]).run().unwrap();
    }
}

proptest! {
    #[test]
    fn what_all_people_have_to_get_adds_up_to_zero(
        events in prop::collection::vec((0..5_usize, 0..3_usize, any::<i64>()), 1..20),
    ) {
        use syncline::typed::{Meta, TypedProjection};
        use syncline::format::Stamp;
        use syncline::{Dot, NTP64, ReplicaId, Seq, projection::Keys};
        let origin = ReplicaId::from_bytes([1; 16]).unwrap();
        let mut rows = std::collections::BTreeMap::<Vec<u8>, expenses::Balance>::new();
        for (seq, (what, number, cents)) in (1..).zip(events) {
            let (event, mut keys) = (event(what, number, cents), Keys::default());
            let meta = Meta { dot: Dot { origin, seq: Seq::new(seq) }, stamp: Stamp { time: NTP64(seq), origin, index: 0 } };
            Balances.keys(&event, &mut keys);
            let keys: std::collections::BTreeSet<_> = keys.iter().map(<[u8]>::to_vec).collect();
            for key in keys {
                Balances.apply(&key, rows.entry(key.clone()).or_default(), &event, meta).unwrap();
            }
        }
        prop_assert_eq!(rows.values().map(expenses::Balance::cents).sum::<i128>(), 0);
    }
}
