//! Status says what is so: never "in sync" while the device and the peer it spoke to last did not have the same bundles then.

use std::collections::BTreeSet;

use syncline::Dot;
use syncline::replica::ReplicaStatus;

use crate::finding::{Finding, Law};
use crate::watched_log::WatchedLog;
use crate::witness::{Told, Witness};

/// A device that says it is in sync has exactly the bundles that its peer had when they last spoke.
pub(crate) fn is_true(
    device: usize,
    log: &WatchedLog,
    witness: &Witness,
    status: &ReplicaStatus,
) -> Result<(), Finding> {
    if !status.in_sync() {
        return Ok(());
    }
    let told = witness.told(device);
    let lies: Vec<String> = told.iter().rev().map_while(|told| lie(log, &*witness.log(told.log)?, told)).collect();
    let lie = match (told.len(), lies.first()) {
        (0, _) => "it has spoken to nobody",
        (count, Some(lie)) if lies.len() == count => lie,
        _ => return Ok(()),
    };
    let detail = format!("device {device} says that it is in sync, but {lie}");
    Err(Finding { law: Law::StatusIsTrue, detail })
}

/// How the device's log differs from what it was told of its peer's, if it does.
fn lie(log: &WatchedLog, peer: &WatchedLog, told: &Told) -> Option<String> {
    // If the peer has gone back to an older state since, the device cannot know.
    let theirs = {
        let image = peer.image();
        let same = image.generation == told.generation;
        same.then(|| image.positions[..(told.head.get() as usize).min(image.positions.len())].to_vec())?
    };
    let ours = log.image();
    if let Some(dot) = theirs.iter().find(|dot| ours.entry(**dot).is_none()) {
        return Some(format!("lacks bundle {dot}, which the peer had"));
    }
    // What others have handed in since is not the device's to vouch for; what it has written itself is.
    let known: BTreeSet<_> = theirs.iter().collect();
    let own = |dot: &Dot| ours.identity == Some(dot.origin);
    let vouched = |(place, dot): &(usize, &Dot)| (*place as u64) < told.here || own(dot);
    let answered = |dot: &Dot| told.through.get(&dot.origin).is_some_and(|seq| dot.seq <= *seq);
    let mut extra = ours.positions.iter().enumerate().filter(vouched).map(|(_, dot)| dot);
    let extra = extra.find(|dot| !known.contains(dot) && !answered(dot))?;
    Some(format!("has bundle {extra}, which the peer lacked when they last spoke"))
}
