//! A CRDT of your own in the lab, of the simplest kind: a register for each device.
//!
//! Every sensor reports what it measures, and the row keeps each sensor's last report. No stamp is compared: one origin's events
//! come in the order in which they were written, everywhere, so the last to arrive is the last that was measured. Reports of
//! different sensors arrive in any order, but none of them touches another's place in the map.
//!
//! ```text
//! SYNCLINE_LAB_HISTORIES=1000 cargo run --release -p syncline-sim --example own_register
//! ```

#![allow(clippy::print_stdout, reason = "it tells what the lab has done")]

use std::collections::BTreeMap;

use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, EventType, Projection, ReplicaId, Unreadable, ViewId};
use syncline_sim::{Failure, Profile, Rng, Summary, lab};

const MEASURED: EventType = EventType::new("room.measured", 1);
const ROOMS: [&str; 3] = ["attic", "cellar", "kitchen"];

/// By room, what every sensor in it has measured last, in degrees.
struct Temperatures;

impl Projection for Temperatures {
    type State = BTreeMap<ReplicaId, i8>;

    fn view(&self) -> ViewId {
        ViewId::new("temperatures@1").expect("the name is well formed")
    }

    fn reads(&self) -> Reads {
        Reads::types([MEASURED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match report(event) {
            Some((room, _)) => keys.push(room),
            None => keys.refuse("it is no report"),
        }
    }

    fn apply(&self, _room: &[u8], last: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let (_, degrees) = report(event).ok_or_else(|| Unreadable::new("it is no report"))?;
        last.insert(event.dot.origin, degrees);
        Ok(())
    }
}

/// The room and the degrees of a report.
fn report<'a>(event: &EventRef<'a>) -> Option<(&'a [u8], i8)> {
    let (degrees, room) = event.payload.split_last()?;
    Some((room, degrees.cast_signed()))
}

/// What a device writes next. There are three rooms, so that several devices report from each.
fn measure(rng: &mut Rng) -> Vec<Event> {
    let degrees = rng.below(60) as i8 - 20;
    let report = [ROOMS[rng.index(ROOMS.len())].as_bytes(), &[degrees.cast_unsigned()]].concat();
    vec![Event::new(MEASURED, report)]
}

fn prove(profile: Profile) -> Result<Summary, Box<Failure>> {
    lab(0..5).profile(profile).projection(Temperatures).writes(measure).run()
}

fn main() {
    for profile in Profile::ALL {
        match prove(*profile) {
            Ok(summary) => println!("{profile}: {summary}"),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn temperatures_converge_whatever_happens() {
    for profile in Profile::ALL {
        prove(*profile).expect("the projection keeps law 5");
    }
}
