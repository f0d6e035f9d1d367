//! Law 5 lets a fold rely on the order of one origin's events. So every path of the engine must keep it: writes, pages, rebuilds, new
//! views, folds after a refusal, restamped tails and new identities.

use std::collections::BTreeMap;
use std::sync::Mutex;

use syncline::format::Stamp;
use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, EventType, Projection, ReplicaId, Unreadable, ViewId};
use syncline_sim::{Profile, lab};

const NOTED: EventType = EventType::new("noted", 1);

/// The first event that a row was given out of order.
static OUT_OF_ORDER: Mutex<Option<String>> = Mutex::new(None);

/// By row and origin, the last event. It reports any that does not come after the one before.
struct Last(&'static str);

impl Projection for Last {
    type State = BTreeMap<ReplicaId, (u64, Stamp)>;

    fn view(&self) -> ViewId {
        ViewId::new(self.0).unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([NOTED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        keys.push(event.payload);
    }

    fn apply(&self, row: &[u8], last: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let this = (event.dot.seq.get(), event.stamp);
        if let Some(before) =
            last.insert(event.dot.origin, this).filter(|before| before.0 > this.0 || before.1 >= this.1)
        {
            let found = format!("row {row:?} of {} was given {this:?} after {before:?}", self.0);
            OUT_OF_ORDER.lock().unwrap().get_or_insert(found);
        }
        Ok(())
    }
}

#[test]
fn every_path_folds_one_origins_events_in_the_order_they_were_written() {
    for profile in Profile::ALL {
        let lab = lab(0..6).profile(*profile).projection(Last("last@1")).newer_projection(Last("last@2"));
        let note = |rng: &mut syncline_sim::Rng| Event::new(NOTED, vec![b'a' + rng.below(3) as u8]);
        lab.writes(move |rng| (0..1 + rng.below(3)).map(|_| note(rng)).collect()).run().unwrap();
        assert_eq!(*OUT_OF_ORDER.lock().unwrap(), None, "{profile}");
    }
}
